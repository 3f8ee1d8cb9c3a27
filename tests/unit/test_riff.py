"""docs/contract.md 6: the variants of a WAV and their stated verdicts, by the chunk walk alone."""

import io

import pytest

from services.media.riff import BadRiff, read_header
from services.media.rules import check_header, fault_of
from tests.support.audio import fmt_chunk, riff

DATA = b"\x01\x02\x03\x04" * 100


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(riff([(b"fmt ", fmt_chunk()), (b"data", DATA)]), id="6 PCM 16 bit plain"),
        pytest.param(
            riff([(b"LIST", b"INFOabc"), (b"fmt ", fmt_chunk()), (b"fact", b"1234"), (b"data", DATA)]),
            id="6 odd chunk sizes LIST before",
        ),
        pytest.param(riff([(b"fmt ", fmt_chunk() + b"\0\0"), (b"data", DATA)]), id="6 PCM 16 bit fmt of 18 bytes"),
        pytest.param(
            riff([(b"fmt ", fmt_chunk(extensible=True)), (b"data", DATA)]), id="6 WAVE_FORMAT_EXTENSIBLE with PCM"
        ),
        pytest.param(riff([(b"fmt ", fmt_chunk()), (b"data", DATA)], data_length=0), id="6 data length 0"),
        pytest.param(
            riff([(b"fmt ", fmt_chunk()), (b"data", DATA)], data_length=0xFFFFFFFF), id="6 data length 0xFFFFFFFF"
        ),
        pytest.param(
            riff([(b"fmt ", fmt_chunk()), (b"data", DATA)], data_length=len(DATA) + 4),
            id="6 cut short by the last frame",
        ),
        pytest.param(riff([(b"fmt ", fmt_chunk()), (b"data", DATA), (b"LIST", b"INFO")]), id="6 PCM 16 bit LIST after"),
    ],
)
def test_an_accepted_variant_is_read(file: bytes) -> None:
    header = read_header(io.BytesIO(file))

    assert check_header(header) is None
    assert header.data_bytes == len(DATA)


@pytest.mark.parametrize(
    ("file", "why"),
    [
        pytest.param(b"", "RIFF is needed", id="6 decode_error empty"),
        pytest.param(b"ID3\x04", "RIFF is needed", id="6 wav_records first bytes of an MP3"),
        pytest.param(b"RIFF\0\0\0\0AVI ", "not WAVE", id="6 decode_error RIFF but not WAVE"),
        pytest.param(b"RIFF", "not WAVE", id="6 decode_error four bytes"),
        pytest.param(riff([(b"fmt ", fmt_chunk()), (b"data", DATA)], form=b"RF64"), "RIFF is needed", id="6 RF64"),
        pytest.param(riff([(b"LIST", b"INFO")]), "no fmt chunk", id="6 no fmt chunk"),
        pytest.param(riff([(b"data", DATA), (b"fmt ", fmt_chunk())]), "before the fmt chunk", id="6 data before fmt"),
        pytest.param(riff([(b"fmt ", fmt_chunk()[:14]), (b"data", DATA)]), "14 bytes", id="6 fmt under 16 bytes"),
        pytest.param(riff([(b"fmt ", fmt_chunk())]), "ends before its samples", id="6 decode_error no data"),
        pytest.param(
            riff([(b"fmt ", fmt_chunk()), (b"data", DATA)], data_length=len(DATA) + 5),
            "cut short",
            id="6 cut short by more than a frame",
        ),
        pytest.param(
            riff([(b"fmt ", fmt_chunk())] * 2 + [(b"data", DATA)]), "two fmt chunks", id="6 decode_error two fmt chunks"
        ),
        pytest.param(
            riff([(b"fmt ", fmt_chunk(extensible=True)[:30]), (b"data", DATA)]),
            "cut short",
            id="6 decode_error extensible cut short",
        ),
        pytest.param(
            riff([(b"fmt ", fmt_chunk())]) + b"JUNK\xff\xff\xff\x7f",
            "longer than the file",
            id="6 decode_error a huge chunk",
        ),
    ],
)
def test_a_broken_file_is_refused_with_the_reason(file: bytes, why: str) -> None:
    with pytest.raises(BadRiff, match=why):
        read_header(io.BytesIO(file))


@pytest.mark.parametrize(
    ("chunk", "code", "told"),
    [
        pytest.param(fmt_chunk(channels=1), "wav_channels_processing_error", "1 channel,", id="6 two channels mono"),
        pytest.param(fmt_chunk(channels=0), "wav_channels_processing_error", "0 channels", id="6 two channels none"),
        pytest.param(
            fmt_chunk(channels=65535, block=4),
            "wav_channels_processing_error",
            "65535 channels",
            id="6 two channels 65535",
        ),
        pytest.param(
            fmt_chunk(block=0),
            "wav_processing_error",
            "frames of 0 bytes",
            id="6 wav_processing_error lying frame size",
        ),
        pytest.param(fmt_chunk(tag=6, bits=8), "wav_processing_error", "A-law", id="6 A-law"),
        pytest.param(fmt_chunk(tag=7, bits=8), "wav_processing_error", "mu-law", id="6 mu-law"),
        pytest.param(fmt_chunk(tag=3, bits=32), "wav_processing_error", "IEEE float", id="6 float"),
        pytest.param(fmt_chunk(bits=8), "wav_processing_error", "PCM 8 bit", id="6 8 bit"),
        pytest.param(fmt_chunk(bits=24), "wav_processing_error", "PCM 24 bit", id="6 24 bit"),
        pytest.param(fmt_chunk(rate=16000), "wav_processing_error", "16000 Hz", id="6 other rates"),
        pytest.param(fmt_chunk(rate=7999), "wav_processing_error", "7999 Hz", id="6 8000 Hz, not 7999"),
        pytest.param(fmt_chunk(rate=44100), "wav_processing_error", "44100 Hz", id="6 8000 Hz, not 44100"),
        pytest.param(fmt_chunk(tag=0x55), "wav_processing_error", "MP3", id="6 MP3 inside WAV"),
        pytest.param(
            fmt_chunk(tag=3, bits=32, extensible=True), "wav_processing_error", "IEEE float", id="6 float extensible"
        ),
        pytest.param(
            fmt_chunk(channels=1, rate=44100),
            "wav_channels_processing_error",
            "1 channel,",
            id="6 channels before codec, bits, rate",
        ),
    ],
)
def test_another_format_has_its_verdict(chunk: bytes, code: str, told: str) -> None:
    file = io.BytesIO(riff([(b"fmt ", chunk), (b"data", DATA)]))
    finding = check_header(read_header(file))

    assert finding is not None
    fault = fault_of(finding)
    assert fault.code == code
    assert told in fault.message
