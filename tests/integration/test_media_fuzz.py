"""docs/contract.md 6: damaged WAVs and MP3s through the confined workers. Each has a verdict, none hangs, and nothing of it stays behind.

`CALLDOCK_FUZZ_EXAMPLES` says how many files of each kind are tried (`make fuzz` tries many). A file is known by its kind and number, and can be made again:
`damaged(RecordingFormat.WAV, 17)`.
"""

import asyncio
import contextlib
import gc
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from multiprocessing import resource_tracker
from pathlib import Path
from random import Random
from typing import Literal

import pytest

from services.media.examine import examine, warm_up
from services.media.sandbox import Sandbox, WorkerFailed
from services.media.verdict import CONTRACT_RULES, AudioRule, ErrorCode, Fault, RecordingFormat, RulePolicy
from tests.integration.test_corpus import ORDER
from tests.support.corpus import corpus, extensible, speech, wav
from tests.support.mp3_files import TAG, id3, id3_frame, mp3_frames

EXAMPLES = int(os.environ.get("CALLDOCK_FUZZ_EXAMPLES", "250"))
IN_FLIGHT = 8
WORKERS = 2
TIMEOUT_S = 10.0
LOOK_EVERY = 10
SETTLED_WITHIN_S = 20.0

# Short files are tried faster, and poor sound goes the whole way too.
POLICIES = dict.fromkeys((AudioRule.BAND, AudioRule.SIGNAL_TO_NOISE, AudioRule.SPEECH), RulePolicy.WARN)
LENIENT = replace(CONTRACT_RULES, min_duration_s=0.5, policies=POLICIES)
CODES = {
    RecordingFormat.WAV: {ErrorCode.DECODE, ErrorCode.WAV_CHANNELS, ErrorCode.WAV_PROCESSING, ErrorCode.WAV_MIN_DURATION},
    RecordingFormat.MP3: {ErrorCode.DECODE},
}  # fmt: skip

MOST_GROWTH_BYTES = 150 * 1024**2
"""Measured with 3,000 files of each kind: a worker grew by 31 MB, this process by 61 (the seeds that it keeps)."""

SMALL: Mapping[RecordingFormat, Sequence[Callable[[], bytes]]] = {
    RecordingFormat.WAV: (
        lambda: wav(samples=speech(1)),
        lambda: wav(samples=speech(1), before=[(b"LIST", b"INFOINAM\3\0\0\0abc\0"), (b"bext", bytes(603))]),
        lambda: wav(samples=speech(1), between=[(b"fact", b"\0\1\0\0"), (b"id3 ", TAG), (b"cue ", bytes(28))]),
        lambda: wav(samples=speech(1), fmt=extensible()),
        lambda: wav(samples=speech(1), data_length=0xFFFFFFFF),
        lambda: wav(samples=speech(1), after=[(b"LIST", b"INFOICMT\4\0\0\0abcd"), (b"id3 ", TAG)]),
    ),
    RecordingFormat.MP3: (
        lambda: TAG + mp3_frames(1),
        lambda: TAG + mp3_frames(1, rate=44_100, channels=1),
        lambda: (
            id3(id3_frame(b"APIC", b"\0image/png\0\3\0\x89PNG\r\n\x1a\n" + bytes(500))) + mp3_frames(1, rate=16_000)
        ),
        lambda: id3(id3_frame(b"TIT2", b"\1\xff\xfea\0", version=3), version=3) + mp3_frames(1) + b"TAG" + bytes(125),
    ),
}
CORPUS_SHARE = 0.1
MOST_SEED_BYTES = 600_000
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
FORMAT_FIELDS = ((0, 2), (2, 2), (4, 4), (8, 4), (12, 2), (14, 2), (16, 2), (18, 2), (20, 4), (24, 2))
"""Offset and size in the fmt chunk: kind, channels, rate, byte rate, frame, bits; size of the extension, valid bits, mask, kind of extensible."""

NUMBERS = (0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)  # fmt: skip
CHUNKS = (b"fmt ", b"data", b"LIST", b"INFO", b"fact", b"bext", b"id3 ", b"cue ", b"SMV0", b"XMA2", b"ds64", b"axml", b"RIFF", b"JUNK")  # fmt: skip
FRAMES = (b"TXXX", b"TIT2", b"COMM", b"APIC", b"GEOB", b"PRIV", b"CHAP", b"CTOC", b"USLT", b"UFID", b"TCON", b"ZZZZ")
MARKS = (b"ID3\4\0\0\0\0\0\x10", b"ID3\3\0\xff\x7f\x7f\x7f\x7f", b"TAG", b"APETAGEX", b"Xing\0\0\0\xff", b"VBRI", b"LYRICSBEGIN", b"\xff\xfb\x90\x64", b"\xff\xf3\x08\xc4", b"RIFF")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What this process holds: its child processes, and its pipes and files."""

    children: int
    files: int


@dataclass(slots=True, kw_only=True)
class Run:
    """What came of all files of a kind."""

    at_first: Held
    before: Held
    outcomes: Sequence[Fault | BaseException | None] = ()
    after: Held | None = None
    closed: Held | None = None
    own_growth_bytes: int = 0
    worker_growth_bytes: int = 0
    """Of the largest worker at any moment over the largest after a few good files."""
    left_files: list[str] = field(default_factory=list)
    good_fault: Fault | None = None


each_kind = pytest.mark.parametrize("kind", list(RecordingFormat))


@each_kind
def test_every_damaged_file_has_a_verdict(kind: RecordingFormat) -> None:
    run = fuzzed(kind)

    wrong = {
        number: outcome
        for number, outcome in enumerate(run.outcomes)
        if not (
            outcome is None
            or isinstance(outcome, WorkerFailed)
            or (isinstance(outcome, Fault) and outcome.code in CODES[kind] and outcome.message)
        )
    }
    assert wrong == {}
    assert len(run.outcomes) == EXAMPLES
    assert run.good_fault is None


@each_kind
def test_no_damaged_file_hangs(kind: RecordingFormat) -> None:
    late = {
        number: outcome
        for number, outcome in enumerate(fuzzed(kind).outcomes)
        if isinstance(outcome, WorkerFailed) and "did not end" in str(outcome)
    }

    assert late == {}


@each_kind
def test_damage_is_met_at_every_step(kind: RecordingFormat) -> None:
    told = {outcome.code if isinstance(outcome, Fault) else None for outcome in fuzzed(kind).outcomes}

    assert told >= {None, *CODES[kind]}


@each_kind
def test_neither_workers_nor_the_service_grow(kind: RecordingFormat) -> None:
    run = fuzzed(kind)

    assert run.worker_growth_bytes < MOST_GROWTH_BYTES
    assert run.own_growth_bytes < MOST_GROWTH_BYTES


@each_kind
def test_no_process_pipe_or_file_stays_behind(kind: RecordingFormat) -> None:
    run = fuzzed(kind)

    assert run.after == run.before
    assert run.before.children == run.at_first.children + WORKERS
    assert run.closed == run.at_first
    assert run.left_files == []


@lru_cache(maxsize=2)
def fuzzed(kind: RecordingFormat) -> Run:
    """The run over all files of a kind, once for all tests."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        run = asyncio.run(_run(kind))
        run.left_files = [path.name for path in Path(folder).iterdir()]
    return run


def damaged(kind: RecordingFormat, number: int) -> bytes:
    """The file of that number: one of the seeds with one to four kinds of damage."""
    rng = Random(f"{kind} {number}")
    data = bytearray(_seed(kind, rng))
    for _ in range(rng.randint(1, 4)):
        rng.choice(DAMAGE[kind])(data, rng)
    return bytes(data)


async def _run(kind: RecordingFormat) -> Run:
    # It is started with the first worker, and stays.
    resource_tracker.ensure_running()
    at_first = _held()
    sandbox = Sandbox(WORKERS, TIMEOUT_S, warm_up)
    try:
        good = SMALL[kind][0]()
        await asyncio.gather(*(sandbox.run(examine, good, kind, LENIENT, ORDER) for _ in range(IN_FLIGHT * WORKERS)))
        run = Run(at_first=at_first, before=_held())
        own_bytes, worker_bytes = _resident_bytes(os.getpid()), _largest_child_bytes()
        room = asyncio.Semaphore(IN_FLIGHT)

        async def outcome_of(number: int) -> Fault | None:
            async with room:
                found = await sandbox.run(examine, damaged(kind, number), kind, LENIENT, ORDER)
                if number % LOOK_EVERY == 0:
                    run.worker_growth_bytes = max(run.worker_growth_bytes, _largest_child_bytes() - worker_bytes)
            return found.fault

        run.outcomes = await asyncio.gather(*map(outcome_of, range(EXAMPLES)), return_exceptions=True)
        run.good_fault = (await sandbox.run(examine, good, kind, LENIENT, ORDER)).fault
        run.after = await _settled(run.before)
        run.own_growth_bytes = _resident_bytes(os.getpid()) - own_bytes
    finally:
        sandbox.close()
    run.closed = await _settled(at_first)
    return run


async def _settled(expected: Held) -> Held:
    """What is held once it is as expected; what is held still after a while otherwise. A worker may just be replaced for its age."""
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while (held := _held()) != expected and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    return held


def _held() -> Held:
    gc.collect()
    return Held(children=len(_children()), files=sum(map(_is_pipe_or_file, Path("/proc/self/fd").iterdir())))


def _is_pipe_or_file(descriptor: Path) -> bool:
    try:
        target = str(descriptor.readlink())
    except FileNotFoundError:
        return False
    return target.startswith(("pipe:", "/")) and not target.startswith(("/dev/", "/proc/"))


def _children() -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        # Any process may be gone by the time it is read.
        with contextlib.suppress(OSError):
            # Its name, in brackets, may hold anything.
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid():
                found.append(int(status.parent.name))
    return found


def _largest_child_bytes() -> int:
    return max(map(_resident_bytes, _children()))


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return 0


def _seed(kind: RecordingFormat, rng: Random) -> bytes:
    """A small good file mostly, so that many are tried; one of the whole corpus now and then."""
    if rng.random() < CORPUS_SHARE:
        return _whole(kind, rng.randrange(sum(case.kind is kind for case in corpus())))
    return rng.choice(SMALL[kind])()


@lru_cache(maxsize=64)
def _whole(kind: RecordingFormat, number: int) -> bytes:
    return [case for case in corpus() if case.kind is kind][number].data[:MOST_SEED_BYTES]


def _place(data: bytearray, rng: Random) -> int:
    """Anywhere, in the headers rather than in the sound."""
    return rng.randrange(min(len(data), rng.choice((64, 400, len(data)))) or 1)


def _flip_bits(data: bytearray, rng: Random) -> None:
    for _ in range(rng.randint(1, 16)):
        at = _place(data, rng)
        data[at : at + 1] = bytes(byte ^ 1 << rng.randrange(8) for byte in data[at : at + 1])


def _put_number(data: bytearray, rng: Random) -> None:
    size, at = rng.choice((1, 2, 4)), _place(data, rng)
    data[at : at + size] = _number(rng, size)


def _put_noise(data: bytearray, rng: Random) -> None:
    at, size = _place(data, rng), rng.choice((1, 4, 40, 400))
    data[at : at + size] = rng.randbytes(size)


def _cut(data: bytearray, rng: Random) -> None:
    del data[rng.choice((_place(data, rng), max(len(data) - rng.randint(1, 9), 0))) :]


def _leave_out(data: bytearray, rng: Random) -> None:
    at = _place(data, rng)
    del data[at : at + rng.choice((1, 2, 4, 8, 100, 5000))]


def _repeat(data: bytearray, rng: Random) -> None:
    at, size = _place(data, rng), rng.choice((1, 4, 8, 44, 288, 8192))
    data[at:at] = data[at : at + size] * rng.choice((1, 2, 50))


def _splice(data: bytearray, rng: Random) -> None:
    source, at, size = _place(data, rng), _place(data, rng), rng.choice((4, 8, 44, 288, 8192))
    data[at : at + size] = data[source : source + size]


def _lie_about_a_chunk(data: bytearray, rng: Random) -> None:
    at = data.find(rng.choice((b"RIFF", b"fmt ", b"data", rng.choice(CHUNKS))))
    if at >= 0:
        data[at + 4 : at + 8] = _number(rng, 4)


def _edit_the_format(data: bytearray, rng: Random) -> None:
    at, (offset, size) = data.find(b"fmt "), rng.choice(FORMAT_FIELDS)
    if at >= 0:
        data[at + 8 + offset : at + 8 + offset + size] = _number(rng, size)


def _insert_a_chunk(data: bytearray, rng: Random) -> None:
    content = rng.choice((b"", bytes(rng.randint(1, 700)), rng.randbytes(rng.randint(1, 700)), id3(_frames(rng))))
    size = len(content).to_bytes(4, "little") if rng.random() < 0.7 else _number(rng, 4)
    at = rng.choice((12, 36, max(data.find(b"data"), 0), len(data), _place(data, rng)))
    data[at:at] = rng.choice(CHUNKS) + size + content + b"\0" * (len(content) % 2)


def _edit_a_frame_head(data: bytearray, rng: Random) -> None:
    at = data.find(b"\xff", _place(data, rng))
    if at >= 0:
        data[at + 1 : at + 4] = rng.randbytes(3)


def _lie_about_the_tag(data: bytearray, rng: Random) -> None:
    data[3:10] = bytes([rng.choice((2, 3, 4, 255)), 0, rng.randrange(256)]) + bytes(
        rng.choice((0, 1, 0x7F)) for _ in range(4)
    )


def _insert_a_tag(data: bytearray, rng: Random) -> None:
    frames = _frames(rng)
    size = len(frames) if rng.random() < 0.7 else rng.choice((0, 1, 10, 10**6, 0x0FFFFFFF))
    at = rng.choice((0, 0, 10, _place(data, rng), len(data)))
    data[at:at] = id3(frames, version=rng.choice((2, 3, 4)), flags=rng.choice((0, 0, 0x10, 0x40, 0x80)), size=size)


def _insert_a_mark(data: bytearray, rng: Random) -> None:
    at = rng.choice((_place(data, rng), len(data)))
    data[at:at] = rng.choice(MARKS) + rng.randbytes(rng.choice((0, 4, 40)))


def _frames(rng: Random) -> bytes:
    """Frames of ID3v2.4, some packed, encrypted or grouped by their flags, with whatever in them."""
    return b"".join(
        id3_frame(rng.choice(FRAMES), rng.choice((rng.randbytes(9), b"\0a\0b\0c", b"\1\xff\xfe" + rng.randbytes(30))), flags=rng.choice((0, 0, rng.randrange(256))))
        for _ in range(rng.choice((0, 1, 3, 40)))
    )  # fmt: skip


def _number(rng: Random, size: int) -> bytes:
    order: Literal["little", "big"] = rng.choice(("little", "big"))
    return (rng.choice(NUMBERS) & ((1 << 8 * size) - 1)).to_bytes(size, order)


_ANYWHERE = (_flip_bits, _put_number, _put_noise, _cut, _leave_out, _repeat, _splice)
DAMAGE: Mapping[RecordingFormat, Sequence[Callable[[bytearray, Random], None]]] = {
    RecordingFormat.WAV: (*_ANYWHERE, *[_lie_about_a_chunk, _edit_the_format, _insert_a_chunk] * 2),
    RecordingFormat.MP3: (*_ANYWHERE, *[_edit_a_frame_head, _lie_about_the_tag, _insert_a_tag, _insert_a_mark] * 2),
}
