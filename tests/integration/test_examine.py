"""docs/contract.md 6: whole files through the confined worker, each with its stated verdict."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest

from services.cli.demo.speech import conversation, wav_bytes, with_noise
from services.media.encode import encode_mp3
from services.media.examine import AudioTags, Mp3Order, examine, warm_up
from services.media.id3 import id3_tag
from services.media.metrics import MediaMetrics
from services.media.process import Processed, Processing
from services.media.sandbox import Sandbox, WorkerFailed, WorkerKilled
from services.media.verdict import AudioRules, Examination, RecordingFormat
from services.shared.objects import LocalObjects, ObjectStore
from tests.support.audio import cliff, fmt_chunk, good_wav, riff, samples_of

RULES = AudioRules(version=3, max_size_bytes=50 * 1024 * 1024, min_duration_s=16, min_snr_db=15)
TAGS = AudioTags(ext_id="звонок-1", call_session_id=7, start_time=datetime(2026, 11, 2, 7, tzinfo=UTC))
ORDER = Mp3Order(tags=TAGS, bit_rate_kbps=32)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(workers=2, timeout_s=10, warm_up=warm_up)
    yield sandbox
    sandbox.close()


async def judge(sandbox: Sandbox, data: bytes, kind: RecordingFormat = RecordingFormat.WAV) -> Examination:
    return await sandbox.run(examine, data, kind, RULES, ORDER)


def mp3(seconds: float = 5) -> bytes:
    return id3_tag(TAGS.start_time, {"title": "x"}) + encode_mp3(conversation(seconds), 8000)


@pytest.mark.contract("6 wav_records afterwards")
async def test_a_good_wav_becomes_an_mp3_that_says_which_call_it_is(sandbox: Sandbox) -> None:
    found = await judge(sandbox, good_wav())

    assert found.fault is None
    assert found.mp3 is not None
    assert found.mp3.startswith(b"ID3")
    assert "звонок-1".encode() in found.mp3
    assert found.report.rules_version == 3
    assert found.report.codec == "PCM 16 bit"
    assert found.report.duration_s == 20
    assert [channel.is_judged for channel in found.report.channels] == [True, True]
    listened = await judge(sandbox, found.mp3, RecordingFormat.MP3)
    assert listened.fault is None
    assert listened.report.channel_count == 2
    assert listened.report.duration_s == pytest.approx(20, abs=0.5)


@pytest.mark.parametrize(
    ("data", "code", "told"),
    [
        pytest.param(
            wav_bytes(conversation(16)[:, :-1]),
            "wav_min_duration_processing_error",
            "15.999 s",
            id="6 wav_min_duration_processing_error by one sample",
        ),
        pytest.param(
            wav_bytes(conversation(20)[:1]),
            "wav_channels_processing_error",
            "1 channel,",
            id="6 wav_channels_processing_error mono",
        ),
        pytest.param(
            wav_bytes(with_noise(conversation(20), -24)),
            "wav_processing_error",
            "signal-to-noise ratio",
            id="6 SNR too low",
        ),
        pytest.param(
            wav_bytes(np.stack([cliff(channel, above_hz=3000) for channel in conversation(20)])),
            "wav_processing_error",
            "too narrow a band",
            id="6 band to 3 kHz",
        ),
        pytest.param(
            wav_bytes(np.zeros((2, 160_000), np.int16)),
            "wav_processing_error",
            "no speech found (left no sound, right no sound)",
            id="6 SNR of silence",
        ),
        pytest.param(
            wav_bytes(with_noise(np.zeros((2, 160_000), np.int16), -40)),
            "wav_processing_error",
            "no speech found",
            id="6 SNR of noise alone",
        ),
        pytest.param(good_wav()[:-1000], "decode_error", "cut short", id="6 cut short"),
        pytest.param(b"", "decode_error", "RIFF is needed", id="6 decode_error zero bytes"),
        pytest.param(b"<html>", "decode_error", "are '<htm', RIFF", id="6 wav_records first bytes of a page"),
        pytest.param(
            riff([(b"fmt ", fmt_chunk(tag=0x55)), (b"data", mp3())]),
            "wav_processing_error",
            "MP3",
            id="6 MP3 inside WAV",
        ),
        pytest.param(
            riff([(b"fmt ", fmt_chunk()), (b"data", b"")]),
            "wav_min_duration_processing_error",
            "duration 0 s",
            id="6 wav_min_duration_processing_error no samples",
        ),
    ],
)
async def test_a_bad_wav_has_its_verdict(sandbox: Sandbox, data: bytes, code: str, told: str) -> None:
    found = await judge(sandbox, data)

    assert found.fault is not None
    assert found.fault.code == code
    assert told in found.fault.message
    assert found.mp3 is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            riff([(b"LIST", b"INFOabc"), (b"fmt ", fmt_chunk()), (b"data", samples_of())]), id="6 LIST before data"
        ),
        pytest.param(
            riff([(b"fmt ", fmt_chunk(extensible=True)), (b"data", samples_of())]), id="6 WAVE_FORMAT_EXTENSIBLE"
        ),
        pytest.param(riff([(b"fmt ", fmt_chunk()), (b"data", samples_of())], data_length=0), id="6 data length 0"),
        pytest.param(
            riff([(b"fmt ", fmt_chunk()), (b"data", samples_of())], data_length=0xFFFFFFFF),
            id="6 data length 0xFFFFFFFF",
        ),
        pytest.param(
            riff([(b"fmt ", fmt_chunk()), (b"data", samples_of()[:-2])], data_length=len(samples_of())),
            id="6 cut short by the last frame",
        ),
        pytest.param(
            riff([(b"fmt ", fmt_chunk()), (b"data", samples_of()), (b"LIST", b"INFO" * 100)]),
            id="6 decode_error not for LIST after",
        ),
        pytest.param(wav_bytes(conversation(16)), id="6 16 seconds"),
        pytest.param(
            wav_bytes(
                np.where(np.arange(20 * 8000) < 12 * 8000, with_noise(conversation(20), -62), 0).astype(np.int16)
            ),
            id="6 length of the file, whatever is said in it",
        ),
    ],
)
async def test_an_accepted_variant_passes_the_whole_way(sandbox: Sandbox, data: bytes) -> None:
    found = await judge(sandbox, data)

    assert found.fault is None


@pytest.mark.parametrize(
    ("data", "told"),
    [
        pytest.param(encode_mp3(conversation(5), 8000), "ID3 is needed", id="6 MP3 without ID3"),
        pytest.param(id3_tag(TAGS.start_time, {}), "", id="6 decode_error ID3 alone"),
        pytest.param(id3_tag(TAGS.start_time, {}) + bytes(5000), "", id="6 decode_error ID3 and zeros"),
        pytest.param(b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + mp3(), "", id="6 decode_error ID3 longer than the file"),
        pytest.param(b"", "ID3 is needed", id="6 mp3_records first bytes of nothing"),
        pytest.param(good_wav(), "'RIF', ID3 is needed", id="6 mp3_records first bytes of a WAV"),
    ],
)
async def test_a_bad_mp3_is_a_decode_error(sandbox: Sandbox, data: bytes, told: str) -> None:
    found = await judge(sandbox, data, RecordingFormat.MP3)

    assert found.fault is not None
    assert found.fault.code == "decode_error"
    assert told in found.fault.message


async def test_a_short_mp3_is_taken(sandbox: Sandbox) -> None:
    found = await judge(sandbox, mp3(2), RecordingFormat.MP3)

    assert found.fault is None
    assert found.report.codec == "MP3"


async def test_a_worker_that_crashes_costs_its_file_and_no_other(sandbox: Sandbox) -> None:
    with pytest.raises(WorkerFailed, match="crashed"):
        await sandbox.run(os.abort)

    assert (await judge(sandbox, good_wav())).fault is None


async def test_a_worker_that_hangs_is_ended(tmp_path: Path) -> None:
    sandbox = Sandbox(workers=1, timeout_s=0.5, warm_up=warm_up)
    try:
        with pytest.raises(WorkerFailed, match=r"did not end within 0\.5 s"):
            await sandbox.run(time.sleep, 60)
    finally:
        sandbox.close()


def ticks(pid: int) -> int:
    """CPU that a process has used, in the kernel's ticks."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


async def test_cancelled_work_frees_its_worker_at_once() -> None:
    sandbox = Sandbox(workers=1, timeout_s=60, warm_up=warm_up)
    try:
        first = await sandbox.run(os.getpid)
        at_rest = ticks(first)
        spinning: asyncio.Task[deque[int]] = asyncio.create_task(sandbox.run(partial(deque, maxlen=0), repeat(0)))
        while ticks(first) < at_rest + 10:
            await asyncio.sleep(0.01)

        spinning.cancel()
        await asyncio.gather(spinning, return_exceptions=True)

        # Far below the 60 seconds that it might have taken.
        async with asyncio.timeout(15):
            found = await judge(sandbox, good_wav())
        assert found.fault is None
        assert await sandbox.run(os.getpid) != first
    finally:
        sandbox.close()


@pytest.mark.parametrize("kbps", [16, 32, 64])
def test_the_bit_rate_of_an_mp3_is_a_setting(kbps: int) -> None:
    sound = encode_mp3(conversation(20), 8000, kbps)

    assert len(sound) * 8 / 20 == pytest.approx(kbps * 1000, rel=0.05)


async def test_a_worker_that_eats_memory_is_stopped(sandbox: Sandbox) -> None:
    with pytest.raises(WorkerFailed, match="more memory than is allowed"):
        await sandbox.run(bytes, 2 * 1024**3)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        pytest.param(socket.create_connection, (("127.0.0.1", 9),), id="no network"),
        pytest.param(subprocess.check_output, (["true"],), id="no programs"),
        pytest.param(os.unlink, ("/nothing",), id="no deleting"),
        pytest.param(os.mkdir, ("/tmp/calldock-worker-was-here",), id="no folders"),
        pytest.param(os.kill, (1, 0), id="no signals"),
        pytest.param(open, ("/etc/hostname",), id="no reading of files"),
        pytest.param(os.fork, (), id="no processes"),
    ],
)
async def test_a_worker_may_only_read_and_compute(
    sandbox: Sandbox, function: object, arguments: tuple[object, ...]
) -> None:
    with pytest.raises(PermissionError):
        await sandbox.run(function, *arguments)  # type: ignore[arg-type]


async def test_workers_that_are_killed_while_they_wait_are_replaced() -> None:
    sandbox = Sandbox(workers=1, timeout_s=10, warm_up=warm_up)
    try:
        for _ in range(2):
            os.kill(await sandbox.run(os.getpid), signal.SIGKILL)
            # This one may come before the death is seen.
            with contextlib.suppress(WorkerKilled):
                await judge(sandbox, good_wav())

            assert (await judge(sandbox, good_wav())).fault is None
    finally:
        sandbox.close()


async def test_workers_that_cannot_start_are_no_verdict_on_the_file() -> None:
    sandbox = Sandbox(workers=1, timeout_s=10, warm_up=os.abort)
    try:
        for _ in range(2):
            with pytest.raises(WorkerKilled):
                await judge(sandbox, good_wav())
    finally:
        sandbox.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_worker_that_somebody_ends_says_nothing_of_the_file(sandbox: Sandbox, number: signal.Signals) -> None:
    with pytest.raises(WorkerKilled):
        await sandbox.run(signal.raise_signal, number)


NARROW = np.stack([cliff(channel, above_hz=3000) for channel in conversation(20)])


@pytest.mark.parametrize(
    ("data", "code", "told"),
    [
        pytest.param(b"RIFX" + good_wav()[4:20], "decode_error", "RIFF is needed", id="6 first bytes before chunks"),
        pytest.param(
            riff([(b"fmt ", fmt_chunk(channels=1)), (b"data", b"1234")], data_length=5000),
            "decode_error",
            "cut short",
            id="6 chunks before channels",
        ),
        pytest.param(
            riff([(b"fmt ", fmt_chunk(channels=1, tag=6, bits=8)), (b"data", b"1234")]),
            "wav_channels_processing_error",
            "1 channel,",
            id="6 channels before codec, bits, rate",
        ),
        # A bext chunk of four bytes is more than the decoder takes.
        pytest.param(
            riff([(b"fmt ", fmt_chunk(rate=44_100)), (b"bext", b"1234"), (b"data", b"1234")]),
            "wav_processing_error",
            "44100 Hz",
            id="6 codec, bits, rate before samples",
        ),
        pytest.param(
            riff([(b"fmt ", fmt_chunk()), (b"data", b"1234")], data_length=4000),
            "decode_error",
            "cut short",
            id="6 samples before duration",
        ),
        pytest.param(
            wav_bytes(NARROW[:, : 10 * 8000]),
            "wav_min_duration_processing_error",
            "10 s",
            id="6 duration before band",
        ),
        pytest.param(
            wav_bytes(np.stack([cliff(channel, above_hz=3000) for channel in with_noise(conversation(20), -24)])),
            "wav_processing_error",
            "too narrow a band",
            id="6 band before SNR",
        ),
    ],
)
async def test_a_file_that_breaks_two_rules_has_the_first_ones_verdict(
    sandbox: Sandbox, data: bytes, code: str, told: str
) -> None:
    found = await judge(sandbox, data)

    assert found.fault is not None
    assert (found.fault.code, told in found.fault.message) == (code, True)


async def process(sandbox: Sandbox, folder: Path, data: bytes, kind: RecordingFormat) -> tuple[Processed, ObjectStore]:
    objects = LocalObjects(folder)
    await objects.put("source", data)
    processing = Processing(sandbox, objects, MediaMetrics(), most=1, bit_rate_kbps=32)
    return await processing.process("source", kind, "target", RULES, TAGS), objects


@pytest.mark.parametrize(
    ("data", "kind", "code"),
    [
        pytest.param(mp3() + encode_mp3(conversation(5), 8000) * 2000, RecordingFormat.MP3, "processing_error", id="6 processing_error"),
        pytest.param(
            wav_bytes(np.tile(conversation(20), 40)), RecordingFormat.WAV, "wav_processing_error", id="6 wav_processing_error no result"
        ),
    ],
)  # fmt: skip
async def test_a_file_whose_processing_does_not_end_has_the_error_of_its_kind(
    tmp_path: Path, data: bytes, kind: RecordingFormat, code: str
) -> None:
    sandbox = Sandbox(workers=1, timeout_s=0.01, warm_up=warm_up)
    try:
        processed, _ = await process(sandbox, tmp_path, data, kind)
    finally:
        sandbox.close()

    assert processed.fault is not None
    assert processed.fault.code == code
    assert "did not end within" in processed.fault.message


@pytest.mark.contract("6 mp3_records afterwards")
async def test_an_mp3_is_kept_as_it_is_for_listening(sandbox: Sandbox, tmp_path: Path) -> None:
    data = mp3()

    processed, objects = await process(sandbox, tmp_path, data, RecordingFormat.MP3)

    assert processed.fault is None
    assert (processed.audio_key, processed.audio_size_bytes) == ("source", len(data))
    assert await objects.get("source") == data


@pytest.mark.contract("6 wav_records afterwards")
async def test_a_wav_is_made_an_mp3_for_listening(sandbox: Sandbox, tmp_path: Path) -> None:
    processed, objects = await process(sandbox, tmp_path, good_wav(), RecordingFormat.WAV)

    assert processed.fault is None
    assert processed.audio_key == "target"
    assert (await objects.get("target")).startswith(b"ID3")
