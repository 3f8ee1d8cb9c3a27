"""Files of every kind that a recording can turn out to be, each with the verdict of docs/contract.md 6.

What is expected was read from the contract, not from what the code answers. A case's name begins with the row that it is about.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from services.cli.demo.speech import RATE_HZ, conversation, wav_bytes, with_noise
from services.media.verdict import ErrorCode, RecordingFormat
from tests.support.audio import cliff, fmt_chunk, riff, speech_with_noise
from tests.support.mp3_files import (
    ID3V1,
    PNG,
    TAG,
    ape,
    art,
    bomb,
    each_frame,
    id3,
    id3_frame,
    many_facts,
    mp3_frames,
    noise_bytes,
    synchsafe,
    xing,
)

SECONDS = 16
"""The shortest that the contract takes."""
PACKET_BYTES = 8192
"""What the decoder is given at once: a file of a whole number of packets and a byte has a last packet of one byte."""

Chunk = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A file and its verdict. It is made when it is asked for: all of them together fill a hundred megabytes."""

    name: str
    kind: RecordingFormat
    build: Callable[[], bytes]
    code: ErrorCode | None = None
    """None: accepted."""
    told: str = ""
    """A piece of the fault's message; empty where any will do."""

    @property
    def data(self) -> bytes:
        """The file, made anew."""
        return self.build()


@lru_cache(maxsize=1)
def corpus() -> tuple[Case, ...]:
    """Every case."""
    return (
        *_wavs_taken(),
        *_wavs_that_cannot_be_read(),
        *_wavs_cut_to_a_prefix(),
        *_wavs_of_another_format(),
        *_wavs_by_their_sound(),
        *_other_files(),
        *_mp3s_taken(),
        *_mp3s_refused(),
    )


def wav(
    *,
    fmt: bytes | None = None,
    before: Sequence[Chunk] = (),
    between: Sequence[Chunk] = (),
    after: Sequence[Chunk] = (),
    samples: bytes | None = None,
    data_length: int | None = None,
) -> bytes:
    """A WAV of good speech with chunks before fmt, between fmt and data, and after data; the length of `data` can lie."""
    chunks = [*before, (b"fmt ", fmt_chunk() if fmt is None else fmt), *between]
    chunks += [(b"data", speech() if samples is None else samples), *after]
    return riff(chunks, data_length=data_length)


@lru_cache(maxsize=8)
def speech(seconds: float = SECONDS) -> bytes:
    """The samples of a good conversation, interleaved."""
    return np.ascontiguousarray(_good(seconds).T).tobytes()


def patched(data: bytes, offset: int, form: str, value: int) -> bytes:
    """The bytes with one number written over them."""
    new = struct.pack(form, value)
    return data[:offset] + new + data[offset + len(new) :]


def extensible(*, valid_bits: int = 16, mask: int = 3, more: bytes = b"") -> bytes:
    """The content of a fmt chunk of WAVE_FORMAT_EXTENSIBLE with PCM."""
    return patched(patched(fmt_chunk(extensible=True), 18, "<H", valid_bits), 20, "<I", mask) + more


def _wavs_taken() -> Iterator[Case]:
    listed = (b"LIST", b"INFOINAM\x03\0\0\0abc\0")
    bext = (b"bext", b"calldock".ljust(603, b"\0"))
    yield from (
        _wav("6 LIST before data JUNK first", lambda: wav(before=[(b"JUNK", bytes(28))])),
        _wav("6 LIST before data bext", lambda: wav(before=[bext])),
        _wav("6 LIST before data fact", lambda: wav(between=[(b"fact", struct.pack("<I", SECONDS * RATE_HZ))])),
        _wav("6 LIST before data a fact that lies", lambda: wav(between=[(b"fact", b"\xff" * 4)])),
        _wav("6 LIST before data PEAK", lambda: wav(between=[(b"PEAK", bytes(24))])),
        _wav("6 LIST before data cue", lambda: wav(between=[(b"cue ", struct.pack("<I", 1) + bytes(24))])),
        _wav("6 LIST before data cue that lies", lambda: wav(between=[(b"cue ", b"\xff" * 4)])),
        _wav("6 LIST before data smpl", lambda: wav(between=[(b"smpl", bytes(36))])),
        _wav("6 LIST before data iXML", lambda: wav(between=[(b"iXML", b"<BWFXML/>")])),
        _wav("6 LIST before data an ID3 tag", lambda: wav(between=[(b"id3 ", TAG)])),
        _wav("6 LIST before data a broken ID3 tag", lambda: wav(between=[(b"id3 ", id3(size=0x0FFFFFFF))])),
        _wav("6 LIST before data an ID3 tag of 100,000 facts", lambda: wav(between=[(b"id3 ", many_facts())])),
        _wav("6 LIST before data 100,000 facts", lambda: wav(between=[(b"LIST", b"INFO" + _many_entries())])),
        _wav("6 LIST before data of every kind", lambda: wav(before=[bext, listed], between=[listed, (b"PEAK", b"")])),
        _wav("6 LIST before data a megabyte of comment", lambda: wav(between=[(b"LIST", b"INFO" + _info(10**6))])),
        _wav("6 LIST before data no text at all", lambda: wav(between=[(b"LIST", b"INFO")])),
        _wav("6 LIST before data text in no encoding", lambda: wav(between=[(b"LIST", b"INFOICMT\4\0\0\0\xff\xfe\xd0\0")])),
        _wav("6 LIST before data inner size lies", lambda: wav(between=[(b"LIST", b"INFOINAM\xff\xff\xff\xff")])),
        _wav("6 LIST before data of labels", lambda: wav(between=[(b"LIST", b"adtllabl\x08\0\0\0\1\0\0\0abc\0")])),
        _wav("6 LIST before data empty", lambda: wav(between=[(b"LIST", b"")])),
        _wav("6 LIST before data too small for its type", lambda: wav(between=[(b"LIST", b"IN")])),
        _wav("6 LIST before data a video's chunk", lambda: wav(between=[(b"SMV0", bytes(24))])),
        _wav("6 LIST before data names of no letters", lambda: wav(between=[(b"\0\0\0\0", b"12"), (b"\xff\xfe\1 ", b"1")])),
        _wav("6 LIST before data chunks of size zero", lambda: wav(before=[(b"JUNK", b"")] * 50)),
        _wav("6 LIST before data thousands of tiny chunks", lambda: wav(before=[(b"JUNK", b"x")] * 5000)),
        _wav("6 odd chunk sizes of 1 and 7", lambda: wav(before=[(b"JUNK", b"1")], between=[(b"note", b"7654321")])),
        _wav("6 odd chunk sizes of a fmt of 17 bytes", lambda: wav(fmt=fmt_chunk() + b"\0")),
        _wav("6 odd chunk sizes a fmt of 101 bytes", lambda: wav(fmt=fmt_chunk() + b"\x53\0" + bytes(83))),
        _wav("6 PCM 16 bit fmt of 18 bytes", lambda: wav(fmt=fmt_chunk() + b"\0\0")),
        _wav("6 PCM 16 bit fmt of 18 bytes that promises more", lambda: wav(fmt=fmt_chunk() + b"\xff\xff")),
        _wav("6 PCM 16 bit fmt of 40 bytes", lambda: wav(fmt=fmt_chunk() + b"\x16\0" + bytes(22))),
        _wav("6 PCM 16 bit fmt of a megabyte", lambda: wav(fmt=fmt_chunk() + bytes(10**6))),
        # The contract asks nothing of the byte rate.
        *(
            _wav(f"6 PCM 16 bit byte rate {rate}", partial(lambda rate: wav(fmt=patched(fmt_chunk(), 8, "<I", rate)), rate))
            for rate in (0, 1, 0xFFFFFFFF)
        ),
        _wav("6 WAVE_FORMAT_EXTENSIBLE without a channel mask", lambda: wav(fmt=extensible(mask=0))),
        _wav("6 WAVE_FORMAT_EXTENSIBLE with a mask of one", lambda: wav(fmt=extensible(mask=4))),
        _wav("6 WAVE_FORMAT_EXTENSIBLE with 13 valid bits", lambda: wav(fmt=extensible(valid_bits=13))),
        _wav("6 WAVE_FORMAT_EXTENSIBLE with 0 valid bits", lambda: wav(fmt=extensible(valid_bits=0))),
        _wav("6 WAVE_FORMAT_EXTENSIBLE with bytes after", lambda: wav(fmt=extensible(more=bytes(10)))),
        *(
            _wav(f"6 data length {told}, RIFF size {size:#x}", partial(lambda length, size: patched(wav(data_length=length), 4, "<I", size), length, size))
            for told, length in (("0", 0), ("0xFFFFFFFF", 0xFFFFFFFF))
            for size in (0, 36, 0x7FFFFFFF, 0xFFFFFFFF)
        ),
        *(
            _wav(f"6 PCM 16 bit RIFF size {size:#x}", partial(lambda size: patched(wav(), 4, "<I", size), size))
            for size in (0, 1, 36, 0x7FFFFFFF, 0xFFFFFFFF)
        ),
        _wav("6 data length 0xFFFFFFFF with chunks before", lambda: wav(between=[listed], data_length=0xFFFFFFFF)),
        # Both ends of the last frame, also where the decoder's last packet is smaller than a frame.
        *(
            _wav(f"6 cut short by {missing} bytes of a frame{where}", partial(lambda missing, size: wav(samples=speech(20)[:size], data_length=size)[: -missing], missing, size))
            for where, size in (("", SECONDS * RATE_HZ * 4 + 4), (", its packet begins with it", 64 * PACKET_BYTES + 4))
            for missing in (1, 2, 3, 4)
        ),
        *(
            _wav(f"6 data length {told} and {more} bytes of a frame{where}", partial(lambda length, size, more: wav(samples=speech(20)[: size + more], data_length=length)[: 44 + size + more], length, size, more))
            for told, length in (("0", 0), ("0xFFFFFFFF", 0xFFFFFFFF))
            for where, size in (("", SECONDS * RATE_HZ * 4), (" in a packet of its own", 64 * PACKET_BYTES))
            for more in (1, 3)
        ),
        *(
            _wav(f"6 PCM 16 bit {more} bytes of a frame declared{where}", partial(lambda size, more: wav(samples=speech(20)[: size + more]), size, more))
            for where, size in (("", SECONDS * RATE_HZ * 4), (" in a packet of their own", 64 * PACKET_BYTES))
            for more in (1, 2)
        ),
        _wav("6 decode_error not for LIST after data", lambda: wav(after=[listed, listed])),
        _wav("6 decode_error not for an empty LIST after data", lambda: wav(after=[(b"LIST", b"")])),
        _wav("6 decode_error not for a small bext after data", lambda: wav(after=[(b"bext", bytes(24))])),
        _wav("6 decode_error not for a second data chunk", lambda: wav(after=[(b"data", speech(1))])),
        _wav("6 decode_error not for a second fmt after data", lambda: wav(after=[(b"fmt ", fmt_chunk(channels=1))])),
        _wav("6 decode_error not for a chunk after data that lies", lambda: wav() + b"LIST\xff\xff\xff\xff"),
        _wav("6 decode_error not for thousands of chunks after data", lambda: wav(after=[(b"LIST", b"INFO")] * 5000)),
        _wav("6 decode_error not for a second file after the first", lambda: wav() + wav()),
        _wav("6 decode_error not for garbage after data", lambda: wav() + noise_bytes(100_001)),
        *(_wav(f"6 decode_error not for {count} bytes after data", partial(lambda count: wav() + b"\xff" * count, count)) for count in (1, 7, 8)),
        _wav("6 length of the file, samples beyond the declared ones", lambda: wav(samples=speech(20), data_length=len(speech()))),
    )  # fmt: skip


def _wavs_that_cannot_be_read() -> Iterator[Case]:
    bad = ErrorCode.DECODE
    fmt, data = (b"fmt ", fmt_chunk()), (b"data", b"1234" * 1000)
    yield from (
        *(
            _wav(f"6 wav_records first bytes {form.decode()}", partial(lambda form: form + wav()[4:], form), bad, "RIFF is needed")
            for form in (b"RIFX", b"BW64", b"FORM", b"riff", b"\0RIF", b"ffir")
        ),
        _wav("6 RF64 with its ds64", lambda: b"RF64" + patched(wav(before=[(b"ds64", bytes(28))], data_length=0xFFFFFFFF), 4, "<I", 0xFFFFFFFF)[4:], bad, "RIFF is needed"),
        _wav("6 wav_records first bytes of Wave64", lambda: bytes.fromhex("726966662e91cf11a5d628db04c10000") + wav(), bad, "'riff'"),
        _wav("6 wav_records first bytes after a line feed", lambda: b"\n" + wav(), bad, "RIFF is needed"),
        _wav("6 wav_records first bytes after a byte order mark", lambda: b"\xef\xbb\xbf" + wav(), bad, "RIFF is needed"),
        *(
            _wav(f"6 decode_error {form.decode()} in RIFF", partial(lambda form: wav()[:8] + form + wav()[12:], form), bad, "not WAVE")
            for form in (b"AVI ", b"WEBP", b"wave", b"RMID")
        ),
        _wav("6 decode_error text after RIFF", lambda: b"RIFF" + b"A" * 10**6, bad, "not WAVE"),
        _wav("6 decode_error text after WAVE", lambda: b"RIFF\0\0\0\0WAVE" + b"A" * 10**6, bad, "longer than the file"),
        _wav("6 decode_error zeros after WAVE", lambda: b"RIFF\0\0\0\0WAVE" + bytes(10**6), bad, "too many chunks"),
        _wav("6 decode_error zeros", lambda: bytes(10**6), bad, "RIFF is needed"),
        _wav("6 no fmt chunk but LIST", lambda: riff([(b"LIST", b"INFO"), (b"JUNK", b"123")]), bad, "no fmt chunk"),
        _wav("6 data before fmt nothing else", lambda: riff([data]), bad, "before the fmt chunk"),
        _wav("6 data before fmt in a good file", lambda: riff([(b"data", speech()), fmt]), bad, "before the fmt chunk"),
        _wav("6 data before fmt with chunks between", lambda: riff([(b"LIST", b"INFO"), data, (b"LIST", b"INFO"), fmt]), bad, "before the fmt chunk"),
        *(
            _wav(f"6 fmt under 16 bytes {size}", partial(lambda size: wav(fmt=fmt_chunk()[:size]), size), bad, f"{size} bytes")
            for size in (0, 1, 13, 14, 15)
        ),
        _wav("6 decode_error two equal fmt chunks", lambda: wav(between=[fmt]), bad, "two fmt chunks"),
        _wav("6 decode_error two different fmt chunks", lambda: wav(before=[(b"fmt ", fmt_chunk(channels=1))]), bad, "two fmt chunks"),
        _wav("6 decode_error extensible in 18 bytes", lambda: wav(fmt=fmt_chunk(extensible=True)[:18]), bad, "extensible fmt chunk"),
        _wav("6 decode_error extensible in 39 bytes", lambda: wav(fmt=fmt_chunk(extensible=True)[:39]), bad, "extensible fmt chunk"),
        *(
            _wav(f"6 decode_error a chunk of {size:#x} bytes", partial(lambda size: patched(wav(before=[(b"JUNK", b"1234")]), 16, "<I", size), size), bad, "longer than the file")
            for size in (0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
        ),
        *(
            _wav(f"6 decode_error a fmt of {size:#x} bytes", partial(lambda size: patched(wav(), 16, "<I", size), size), bad, "longer than the file")
            for size in (0x7FFFFFFF, 0xFFFFFFFF)
        ),
        _wav("6 odd chunk sizes without padding", lambda: wav()[:12] + b"LIST\7\0\0\0INFOabc" + wav()[12:], bad),
        _wav("6 decode_error more chunks than anybody writes", lambda: wav(before=[(b"JUNK", b"")] * 20_000), bad, "too many chunks"),
        _wav("6 no fmt chunk in a nest of LIST", lambda: riff([(b"LIST", b"INFO" + riff([fmt, data]))]), bad, "no fmt chunk"),
        *(
            _wav(f"6 cut short, {length:#x} bytes declared", partial(lambda length: wav(data_length=length), length), bad, "cut short")
            for length in (SECONDS * RATE_HZ * 4 + 5, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF - 36)
        ),
        _wav("6 cut short to half", lambda: wav()[:250_000], bad, "cut short"),
        _wav("6 cut short to no sample", lambda: wav()[:44], bad, "512,000 bytes declared, 0 there"),
    )  # fmt: skip


def _wavs_cut_to_a_prefix() -> Iterator[Case]:
    for size in range(44):
        if size < 4:
            told = "RIFF is needed"
        elif size < 12:
            told = "not WAVE"
        elif size < 20:
            told = "no fmt chunk"
        elif size < 36:
            told = "longer than the file"
        else:
            told = "ends before its samples"
        yield _wav(
            f"6 decode_error the first {size} bytes", partial(lambda size: wav()[:size], size), ErrorCode.DECODE, told
        )


def _wavs_of_another_format() -> Iterator[Case]:
    bad, channels = ErrorCode.WAV_PROCESSING, ErrorCode.WAV_CHANNELS
    unknown = fmt_chunk(extensible=True)[:-14] + bytes(14)
    yield from (
        _wav("6 A-law extensible", lambda: wav(fmt=fmt_chunk(tag=6, bits=8, extensible=True)), bad, "A-law"),
        _wav("6 A-law real", lambda: wav(fmt=fmt_chunk(tag=6, bits=8) + b"\0\0", samples=noise_bytes(256_000)), bad, "A-law"),
        _wav("6 mu-law real", lambda: wav(fmt=fmt_chunk(tag=7, bits=8) + b"\0\0", samples=noise_bytes(256_000)), bad, "mu-law"),
        _wav("6 float of 32 bit", lambda: wav(fmt=fmt_chunk(tag=3, bits=32), samples=_floats("<f4")), bad, "IEEE float"),
        _wav("6 float of 64 bit", lambda: wav(fmt=fmt_chunk(tag=3, bits=64), samples=_floats("<f8")), bad, "IEEE float"),
        _wav("6 float extensible", lambda: wav(fmt=fmt_chunk(tag=3, bits=32, extensible=True), samples=_floats("<f4")), bad, "IEEE float"),
        _wav("6 8 bit real", lambda: wav(samples=noise_bytes(256_000), fmt=fmt_chunk(bits=8)), bad, "PCM 8 bit"),
        _wav("6 24 bit extensible", lambda: wav(fmt=fmt_chunk(bits=24, extensible=True), samples=bytes(768_000)), bad, "PCM 24 bit"),
        *(
            _wav(f"6 PCM 16 bit not {bits}", partial(lambda bits: wav(fmt=fmt_chunk(bits=bits, block=4)), bits), bad, f"PCM {bits} bit")
            for bits in (0, 12, 32, 65535)
        ),
        *(
            _wav(f"6 wav_processing_error {told}", partial(lambda tag, bits, block: wav(fmt=fmt_chunk(tag=tag, bits=bits, block=block) + b"\2\0\x40\0"), tag, bits, block), bad, told)
            for told, tag, bits, block in (
                ("MS ADPCM", 2, 4, 256), ("IMA ADPCM", 0x11, 4, 256), ("GSM 6.10", 0x31, 0, 65), ("format 0x0000", 0, 16, 4), ("format 0xffff", 0xFFFF, 16, 4),
            )
        ),
        _wav("6 MP3 inside WAV as its encoders write it", lambda: wav(fmt=fmt_chunk(tag=0x55, bits=0, block=1) + b"\x0c\0" + bytes(12), samples=mp3_frames(SECONDS)), bad, "MP3"),
        _wav("6 wav_processing_error extensible of an unknown kind", lambda: wav(fmt=unknown), bad, "format 0xfffe"),
        _wav("6 wav_processing_error extensible in extensible", lambda: wav(fmt=fmt_chunk(tag=0xFFFE, extensible=True)), bad, "format 0xfffe"),
        *(
            _wav(f"6 other rates {rate}", partial(lambda rate: wav(fmt=patched(fmt_chunk(), 4, "<I", rate)), rate), bad, f"{rate} Hz")
            for rate in (0, 1, 7999, 8001, 11025, 16000, 44100, 0xFFFFFFFF)
        ),
        *(
            _wav(f"6 wav_processing_error frames of {block} bytes", partial(lambda block: wav(fmt=fmt_chunk(block=block)), block), bad, f"frames of {block} bytes")
            for block in (0, 1, 2, 8, 65535)
        ),
        *(
            _wav(f"6 wav_channels_processing_error {count}", partial(lambda count: wav(fmt=fmt_chunk(channels=count, block=2 * count % 65536)), count), channels, f"{count} channel")
            for count in (0, 1, 3, 6, 65535)
        ),
        _wav("6 wav_channels_processing_error of no channels at no rate", lambda: wav(fmt=bytes([1]) + bytes(15)), channels, "0 channels"),
        _wav("6 channels before codec, bits, rate six of float", lambda: wav(fmt=fmt_chunk(tag=3, channels=6, rate=48_000, bits=32)), channels, "6 channels"),
    )  # fmt: skip


def _wavs_by_their_sound() -> Iterator[Case]:
    short, bad = ErrorCode.WAV_MIN_DURATION, ErrorCode.WAV_PROCESSING
    frames = SECONDS * RATE_HZ
    yield from (
        _wav("6 16 seconds to the sample", lambda: wav_bytes(_good())),
        _wav("6 16 seconds and a sample", lambda: wav_bytes(_good(17)[:, : frames + 1])),
        _wav("6 16 seconds less a sample", lambda: wav_bytes(_good()[:, :-1]), short, "15.999 s"),
        _wav("6 16 seconds less a sample in a streamed header", lambda: wav(samples=speech()[:-4], data_length=0xFFFFFFFF), short, "15.999 s"),
        _wav("6 16 seconds less a byte", lambda: wav()[:-1], short, "15.999 s"),
        _wav("6 wav_min_duration_processing_error one sample", lambda: wav(samples=b"1234"), short, "duration 0 s"),
        _wav("6 wav_min_duration_processing_error three bytes", lambda: wav(samples=b"123"), short, "duration 0 s"),
        _wav("6 wav_min_duration_processing_error no data in a streamed header", lambda: wav(samples=b"", data_length=0xFFFFFFFF), short, "duration 0 s"),
        _wav("6 duration before band silence", lambda: wav_bytes(np.zeros((2, frames - 1), np.int16)), short, "15.999 s"),
        _wav("6 SNR of zeros", lambda: wav_bytes(np.zeros((2, frames), np.int16)), bad, "no speech found"),
        _wav("6 SNR of the smallest step", lambda: wav_bytes(np.ones((2, frames), np.int16)), bad, "left no sound, right no sound"),
        *(
            _wav(f"6 SNR of a constant {level}", partial(lambda level: wav_bytes(np.full((2, frames), level, np.int16)), level), bad, "no speech found")
            for level in (5000, 32767, -32768)
        ),
        _wav("6 SNR of a tone", lambda: wav_bytes(_tone()), bad, "no speech found"),
        _wav("6 SNR of the loudest square", lambda: wav_bytes(np.tile(np.array([32767, -32768], np.int16), (2, frames // 2))), bad, "no speech found"),
        _wav("6 SNR of noise at full scale", lambda: wav(samples=noise_bytes(frames * 4)), bad, "no speech found"),
        _wav("6 SNR of clicks", lambda: wav_bytes(np.where(np.arange(frames) % RATE_HZ, 0, np.full((2, frames), 32767)).astype(np.int16)), bad, "no speech found"),
        *(
            _wav(f"6 SNR of {snr} dB, {kind}", partial(lambda snr, kind: wav_bytes(_noisy(snr, kind)), snr, kind), bad, "signal-to-noise ratio")
            for snr in (5, 12)
            for kind in ("white", "pink", "hum")
        ),
        *(
            _wav(f"6 SNR of {snr} dB is enough, {kind}", partial(lambda snr, kind: wav_bytes(_noisy(snr, kind)), snr, kind))
            for snr in (18, 25)
            for kind in ("white", "pink", "hum")
        ),
        *(
            _wav(f"6 band of {low}-{high} Hz", partial(lambda low, high: wav_bytes(_cut(low, high)), low, high), bad, "too narrow a band")
            for low, high in ((0, 2000), (0, 3200), (500, 4000))
        ),
        *(
            _wav(f"6 band of {low}-{high} Hz is enough", partial(lambda low, high: wav_bytes(_cut(low, high)), low, high))
            for low, high in ((0, 3400), (300, 3400), (330, 3400))
        ),
        _wav("6 two channels, the customer's dead", lambda: wav_bytes(_good() * np.array([[1], [0]], np.int16))),
        _wav("6 two channels, the employee's dead", lambda: wav_bytes(_good() * np.array([[0], [1]], np.int16))),
        _wav("6 two channels of the same sound", lambda: wav_bytes(np.stack([_good()[0]] * 2))),
        _wav("6 SNR of clipped speech", lambda: wav_bytes(np.clip(_good().astype(np.int32) * 20, -32768, 32767).astype(np.int16))),
        _wav("6 SNR of speech on a constant", lambda: wav_bytes((_good() // 2 + 8000).astype(np.int16))),
        _wav("6 SNR of quiet speech", lambda: wav_bytes((_good() // 64).astype(np.int16))),
    )  # fmt: skip


def _other_files() -> Iterator[Case]:
    """What a link gives by mistake."""
    files: dict[str, Callable[[], bytes]] = {
        "a page": lambda: b"<!DOCTYPE html><html><body>404</body></html>",
        "JSON": lambda: b'{"error": "not found"}',
        "deep JSON": lambda: b"[" * 10**6,
        "ZIP": lambda: _zipped(wav()),
        "gzip": lambda: b"\x1f\x8b\x08" + bytes(7) + zlib.compress(bytes(10**7), 9),
        "PNG": lambda: PNG + bytes(1000),
        "Ogg": lambda: b"OggS\0\2" + bytes(1000),
        "FLAC": lambda: b"fLaC\0\0\0\x22" + noise_bytes(10_000),
        "AIFF": lambda: b"FORM\0\0\x10\0AIFFCOMM" + bytes(4096),
        "MP4": lambda: b"\0\0\0\x20ftypM4A \0\0\2\0" + bytes(1000),
        "PDF": lambda: b"%PDF-1.7\n" + bytes(1000),
        "a playlist": lambda: b"#EXTM3U\nhttp://127.0.0.1/x.mp3\n",
        "ten megabytes of text": lambda: b"hello " * 1_700_000,
    }
    for told, build in files.items():
        yield _wav(f"6 wav_records first bytes of {told}", build, ErrorCode.DECODE, "RIFF is needed")
        yield _mp3(f"6 mp3_records first bytes of {told}", build, ErrorCode.DECODE, "ID3 is needed")
    yield _wav("6 wav_records first bytes of a good MP3", lambda: TAG + mp3_frames(), ErrorCode.DECODE, "'ID3\\x04'")
    yield _mp3("6 mp3_records first bytes of a short WAV", lambda: wav(samples=b"1234"), ErrorCode.DECODE, "'RIF'")


def _mp3s_taken() -> Iterator[Case]:
    yield from (
        *(
            _mp3(f"6 mp3_records first bytes of ID3v2.{version}", partial(lambda version, name: id3(id3_frame(name, b"\0speech", version=version), version=version) + mp3_frames(), version, name))
            for version, name in ((2, b"TT2"), (3, b"TIT2"), (4, b"TIT2"))
        ),
        _mp3("6 mp3_records first bytes of an ID3 of no version", lambda: id3(bytes(20), version=255) + mp3_frames()),
        _mp3("6 mp3_records first bytes of an empty ID3", lambda: id3() + mp3_frames()),
        _mp3("6 mp3_records first bytes of two ID3", lambda: TAG + id3(id3_frame(b"TIT2", b"\0b", version=3), version=3) + mp3_frames()),
        _mp3("6 mp3_records first bytes of an ID3 with padding", lambda: id3(id3_frame(b"TIT2", b"\0b") + bytes(4096)) + mp3_frames()),
        _mp3("6 mp3_records first bytes of an ID3 with a footer", lambda: id3(flags=0x10) + b"3DI\4\0\x10\0\0\0\0" + mp3_frames()),
        _mp3("6 mp3_records first bytes of an unsynchronised ID3", lambda: id3(id3_frame(b"TIT2", b"\0a\xff\0\xe0"), flags=0x80) + mp3_frames()),
        _mp3("6 mp3_records first bytes of an extended ID3", lambda: id3(b"\0\0\0\6\1\0" + id3_frame(b"TIT2", b"\0a"), flags=0x40) + mp3_frames()),
        _mp3("6 mp3_records first bytes of an ID3 smaller than its frames", lambda: id3(id3_frame(b"TIT2", b"\0" + b"a" * 1000), size=20) + mp3_frames()),
        _mp3("6 mp3_records first bytes of an ID3 whose frame is larger", lambda: id3(b"APIC" + synchsafe(10**6) + bytes(50)) + mp3_frames()),
        *(
            _mp3(f"6 mp3_records first bytes of an ID3 with art, {told}", partial(lambda picture: id3(art(picture)) + mp3_frames(), picture))
            for told, picture in (
                ("PNG of a megabyte", b"\0image/png\0\3\0" + PNG + bytes(2**20)), ("JPEG of a megabyte of frame heads", b"\0image/jpeg\0\3\0\xff\xd8\xff" + b"\xff\xfb\x90\x64" * 2**18),
                ("a link", b"\0-->\0\3\0http://127.0.0.1/x.png"), ("no kind", b"\0\0\3\0" + bytes(100)), ("nothing", b""), ("a path", b"\0-->\0\3\0file:///etc/passwd"),
            )
        ),
        _mp3("6 mp3_records first bytes of an ID3v2.2 with art", lambda: id3(id3_frame(b"PIC", b"\0JPG\3\0" + bytes(2**20), version=2), version=2) + mp3_frames()),
        _mp3("6 mp3_records first bytes of an ID3 that unpacks to 32 MB", lambda: id3(bomb(32 * 2**20, 32 * 2**20)) + mp3_frames()),
        _mp3("6 mp3_records first bytes of an ID3 that says it unpacks to 256 MB", lambda: id3(bomb(100, 0x0FFFFFFF) * 50) + mp3_frames()),
        _mp3("6 mp3_records first bytes of an ID3 of 100,000 facts", lambda: many_facts() + mp3_frames()),
        *(
            _mp3(f"6 decode_error not for {count} bytes of {told} before the sound", partial(lambda count, garbage: TAG + (garbage * count)[:count] + mp3_frames(), count, garbage))
            for count in (1, 1000, 50_000)
            for told, garbage in (("text", b"hello "), ("zeros", b"\0"), ("anything", noise_bytes(50_000)))
        ),
        _mp3("6 decode_error not for ID3v1 after the sound", lambda: TAG + mp3_frames() + ID3V1),
        _mp3("6 decode_error not for APE after the sound", lambda: TAG + mp3_frames() + ape()),
        _mp3("6 decode_error not for APE and ID3v1 after the sound", lambda: TAG + mp3_frames() + ape() + ID3V1),
        _mp3("6 decode_error not for APE before the sound", lambda: TAG + ape() + mp3_frames()),
        _mp3("6 decode_error not for a last frame that is cut", lambda: TAG + mp3_frames()[:-100]),
        _mp3("6 decode_error not for a Xing header", lambda: TAG + xing(b"Xing", 44, 12_672) + mp3_frames()),
        _mp3("6 decode_error not for a Xing header that lies", lambda: TAG + xing(b"Xing", 0xFFFFFFFF, 0xFFFFFFFF) + mp3_frames()),
        _mp3("6 decode_error not for an Info header of zeros", lambda: TAG + xing(b"Info", 0, 0) + mp3_frames()),
        *(
            _mp3(f"6 mp3_records afterwards at {rate} Hz, {channels} channels", partial(lambda rate, channels: TAG + mp3_frames(rate=rate, channels=channels), rate, channels))
            for rate in (8000, 11025, 16000, 22050, 44100, 48000)
            for channels in (1, 2)
        ),
        _mp3("6 mp3_records afterwards from mono to stereo", lambda: TAG + mp3_frames(channels=1) + mp3_frames()),
        _mp3("6 mp3_records afterwards from 8000 to 16000 Hz", lambda: TAG + mp3_frames() + mp3_frames(rate=16_000)),
    )  # fmt: skip


def _mp3s_refused() -> Iterator[Case]:
    bad = ErrorCode.DECODE
    yield from (
        _mp3("6 MP3 without ID3 in mono", lambda: mp3_frames(channels=1), bad, "ID3 is needed"),
        _mp3("6 MP3 without ID3 but with ID3v1", lambda: mp3_frames() + ID3V1, bad, "ID3 is needed"),
        _mp3("6 MP3 without ID3 but with Xing", lambda: xing(b"Xing", 44, 12_672) + mp3_frames(), bad, "ID3 is needed"),
        _mp3("6 MP3 without ID3 but with APE", lambda: ape() + mp3_frames(), bad, "'APE', ID3 is needed"),
        _mp3("6 MP3 without ID3 in capitals", lambda: TAG.lower() + mp3_frames(), bad, "'id3', ID3 is needed"),
        _mp3("6 MP3 without ID3 first", lambda: b"\0" + TAG + mp3_frames(), bad, "ID3 is needed"),
        *(_mp3(f"6 mp3_records first bytes, {size} of them", partial(lambda size: TAG[:size], size), bad, "ID3 is needed") for size in (1, 2)),
        *(_mp3(f"6 decode_error the first {size} bytes of an ID3", partial(lambda size: TAG[:size], size), bad) for size in (3, 6, 10, 11, 40)),
        _mp3("6 mp3_records first bytes are zeros", lambda: bytes(10**6), bad, "ID3 is needed"),
        _mp3("6 decode_error ID3 with art and no sound", lambda: id3(art(b"\0image/png\0\3\0" + PNG + bytes(2**20))), bad),
        _mp3("6 decode_error ID3 and ID3v1 and no sound", lambda: TAG + ID3V1, bad),
        *(
            _mp3(f"6 decode_error ID3 longer than the file by {more}", partial(lambda more: id3(size=len(mp3_frames()) + more) + mp3_frames(), more), bad)
            for more in (1, 1000, 10**6)
        ),
        _mp3("6 decode_error ID3 as long as the file", lambda: id3(size=len(mp3_frames())) + mp3_frames(), bad),
        *(
            _mp3(f"6 decode_error {told} after ID3", partial(lambda build: TAG + build(), build), bad)
            for told, build in (
                ("garbage", lambda: noise_bytes(50_000)), ("text", lambda: b"hello " * 5000), ("bytes of ones", lambda: b"\xff" * 5000), ("frame heads alone", lambda: b"\xff\xfb" * 5000),
                ("a WAV", wav), ("FLAC", lambda: b"fLaC" + noise_bytes(50_000)), ("Ogg", lambda: b"OggS" + bytes(5000)), ("AAC", lambda: (bytes.fromhex("fff150800fdffc") + bytes(120)) * 50),
                ("a playlist", lambda: b"#EXTM3U\nhttp://127.0.0.1/x.mp3\n"), ("a list of files", lambda: b"ffconcat version 1.0\nfile /etc/passwd\n"),
            )
        ),
        _mp3("6 decode_error the first four bytes of sound", lambda: TAG + mp3_frames()[:4], bad),
        _mp3("6 decode_error less than a frame", lambda: TAG + mp3_frames()[:200], bad),
        *(
            _mp3(f"6 decode_error {told} in every frame", partial(lambda keep, put: TAG + each_frame(keep, put), keep, put), bad)
            for told, keep, put in (("free format", 0x0F, 0), ("the forbidden bit rate", 0x0F, 0xF0), ("the reserved rate", 0xFF, 0x0C))
        ),
        _mp3("6 decode_error a frame of anything amid the sound", lambda: TAG + mp3_frames()[:2884] + noise_bytes(284) + mp3_frames()[3168:], bad),
    )  # fmt: skip


def _wav(name: str, build: Callable[[], bytes], code: ErrorCode | None = None, told: str = "") -> Case:
    return Case(name=name, kind=RecordingFormat.WAV, build=build, code=code, told=told)


def _mp3(name: str, build: Callable[[], bytes], code: ErrorCode | None = None, told: str = "") -> Case:
    return Case(name=name, kind=RecordingFormat.MP3, build=build, code=code, told=told)


def _good(seconds: float = SECONDS) -> NDArray[np.int16]:
    return with_noise(conversation(seconds), -62)


def _tone() -> NDArray[np.int16]:
    wave = 10_000 * np.sin(2 * np.pi * 1000 / RATE_HZ * np.arange(SECONDS * RATE_HZ))
    return np.stack([wave, wave]).astype(np.int16)


def _noisy(snr_db: float, kind: str) -> NDArray[np.int16]:
    return np.stack([speech_with_noise(snr_db, kind, voice=voice) for voice in (0, 1)])


def _cut(low_hz: float, high_hz: float) -> NDArray[np.int16]:
    return np.stack([cliff(channel, below_hz=low_hz, above_hz=high_hz) for channel in _good()])


def _floats(form: str) -> bytes:
    return (_good().T / 32768).astype(form).tobytes()


def _info(length: int) -> bytes:
    return b"ICMT" + struct.pack("<I", length) + b"a" * length


def _many_entries() -> bytes:
    return b"".join(struct.pack(">II", 0x41414141 + number, 0x02000000) + b"x\0" for number in range(100_000))


def _zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("call.wav"), content)
    return packed.getvalue()
