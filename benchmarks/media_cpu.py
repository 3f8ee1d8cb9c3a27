"""CPU for one WAV of five minutes, everything included, against ffmpeg's plain conversion and against an encoder inside PyAV.

Run: `python -m benchmarks.media_cpu [--rounds 7]`. It needs imageio-ffmpeg. The figures are CPU time, so a busy machine disturbs them less than it
disturbs a clock; the three are measured in turn within each round, and only ratios within a round are compared.
"""

import argparse
import asyncio
import hashlib
import io
import multiprocessing
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import imageio_ffmpeg  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from services.cli.demo.speech import conversation, wav_bytes, with_noise
from services.media.band import measure_edges
from services.media.encode import QUALITY, encode_mp3
from services.media.examine import AudioTags, Mp3Order, examine, warm_up
from services.media.id3 import id3_tag
from services.media.level import measure_level
from services.media.pcm import read_samples
from services.media.riff import read_header
from services.media.sandbox import Sandbox
from services.media.spectrum import SAMPLE_RATE_HZ, spectrum_of
from services.media.speech import measure_speech
from services.media.verdict import CONTRACT_RULES, AudioRules, Examination, RecordingFormat

SECONDS = 300
NOISE_DBFS = -62
BIT_RATE_KBPS = 32
DECODE_TIMEOUT_S = 60.0
MOST_OF_FFMPEG = 1.0
LEAST_OF_PYAV = 2.5

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only the parent of a folder of our own
_PYAV_FRAME_SAMPLES = SAMPLE_RATE_HZ
_CPU_OF_WHOLE_PROCESS = 2  # CPUCLOCK_SCHED in the kernel's posix-timers.h: the nanoseconds that the scheduler counted

Examiner = Callable[[bytes, RecordingFormat, AudioRules, Mp3Order | None], Examination]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """CPU in ms of the three, measured one after another."""

    calldock_ms: float
    ffmpeg_ms: float
    pyav_ms: float

    @property
    def of_ffmpeg(self) -> float:
        """Our CPU over ffmpeg's."""
        return self.calldock_ms / self.ffmpeg_ms

    @property
    def under_pyav(self) -> float:
        """How many times less than with PyAV's encoder."""
        return self.pyav_ms / self.calldock_ms


class Worker:
    """A warm sandbox with one worker, whose CPU can be read."""

    def __init__(self, examiner: Examiner, warmer: Callable[[], None]) -> None:
        self._examiner = examiner
        self._sandbox = Sandbox(1, DECODE_TIMEOUT_S, warmer)

    async def warm(self, data: bytes, order: Mp3Order) -> None:
        """Runs one whole file, so that the worker exists and its memory is grown."""
        others = set(multiprocessing.active_children())
        await self._sandbox.run(self._examiner, data, RecordingFormat.WAV, CONTRACT_RULES, order)
        (child,) = set(multiprocessing.active_children()) - others
        assert child.pid is not None
        self._clock = ~child.pid << 3 | _CPU_OF_WHOLE_PROCESS

    async def cpu_ms(self, data: bytes, order: Mp3Order) -> float:
        """CPU of this process and of the worker for one file, its hash included."""
        before = time.process_time() + time.clock_gettime(self._clock)
        hashlib.sha256(data).hexdigest()
        found = await self._sandbox.run(self._examiner, data, RecordingFormat.WAV, CONTRACT_RULES, order)
        spent = time.process_time() + time.clock_gettime(self._clock) - before
        assert found.fault is None, found.fault
        assert found.mp3 is not None
        return spent * 1000

    def close(self) -> None:
        """Ends the worker."""
        self._sandbox.close()


def examine_with_pyav(data: bytes, kind: RecordingFormat, rules: AudioRules, order: Mp3Order | None) -> Examination:
    """The same pipeline, with the MP3 made by the libmp3lame in the wheel of PyAV at the same quality and bit rate."""
    found = examine(data, kind, rules, None)
    if found.fault is not None or order is None:
        return found
    facts = {"ext_id": order.tags.ext_id, "call_session_id": str(order.tags.call_session_id)}
    sound = encode_by_pyav(read_samples(data, read_header(io.BytesIO(data))), order.bit_rate_kbps)
    return Examination(fault=None, report=found.report, mp3=id3_tag(order.tags.start_time, facts) + sound)


def encode_by_pyav(samples: NDArray[np.int16], bit_rate_kbps: int) -> bytes:
    """The MP3 of samples of shape (2, n), a second at a time, planar as the encoder takes them."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=SAMPLE_RATE_HZ, layout="stereo", format="s16p")
        stream.bit_rate = bit_rate_kbps * 1000
        stream.options = {"compression_level": str(QUALITY)}
        for start in range(0, samples.shape[1], _PYAV_FRAME_SAMPLES):
            part = np.ascontiguousarray(samples[:, start : start + _PYAV_FRAME_SAMPLES])
            frame = av.AudioFrame.from_ndarray(part, format="s16p", layout="stereo")
            frame.sample_rate = SAMPLE_RATE_HZ
            frame.pts = start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def warm_up_pyav() -> None:
    """Warms up as media does, and PyAV's encoder too."""
    warm_up()
    encode_by_pyav(np.zeros((2, SAMPLE_RATE_HZ), np.int16), BIT_RATE_KBPS)


def ffmpeg_cpu_ms(source: Path, target: Path) -> float:
    """CPU of a static ffmpeg that makes an MP3 of a WAV, from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-loglevel", "error", "-y"]
    coding = ["-c:a", "libmp3lame", "-b:a", f"{BIT_RATE_KBPS}k", "-compression_level", str(QUALITY), "-threads", "1"]
    subprocess.run([*command, "-threads", "1", "-i", str(source), *coding, str(target)], check=True)  # noqa: S603 - our own words
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000


async def measure_rounds(data: bytes, order: Mp3Order, rounds: int) -> list[Round]:
    """So many rounds. The order turns, so that none of the three always comes first."""
    ours, pyav = Worker(examine, warm_up), Worker(examine_with_pyav, warm_up_pyav)
    found = []
    try:
        with TemporaryDirectory(dir=_SHARED_MEMORY, prefix="calldock-benchmark-") as folder:
            source, target = Path(folder) / "call.wav", Path(folder) / "call.mp3"
            source.write_bytes(data)
            await ours.warm(data, order)
            await pyav.warm(data, order)
            ffmpeg_cpu_ms(source, target)
            for number in range(rounds):
                spent = {}
                for which in np.roll(("calldock", "ffmpeg", "pyav"), number):
                    if which == "ffmpeg":
                        spent[which] = ffmpeg_cpu_ms(source, target)
                    else:
                        spent[which] = await (ours if which == "calldock" else pyav).cpu_ms(data, order)
                found.append(Round(calldock_ms=spent["calldock"], ffmpeg_ms=spent["ffmpeg"], pyav_ms=spent["pyav"]))
    finally:
        ours.close()
        pyav.close()
    return found


def measure_steps(data: bytes, order: Mp3Order, rounds: int) -> dict[str, float]:
    """Median CPU in ms of each step in this process, without a worker. Both channels together."""
    spent: dict[str, list[float]] = {}

    def timed(name: str, step: Callable[[], object]) -> None:
        before = time.process_time()
        step()
        spent.setdefault(name, []).append((time.process_time() - before) * 1000)

    samples = read_samples(data, read_header(io.BytesIO(data)))
    spectra = [spectrum_of(channel) for channel in samples]
    speeches = [measure_speech(spectrum) for spectrum in spectra]
    edges = [
        (spectrum.power[spectrum.has_sound], speech.active[spectrum.has_sound])
        for spectrum, speech in zip(spectra, speeches, strict=True)
    ]
    for _ in range(rounds + 1):
        timed("hash", lambda: hashlib.sha256(data).hexdigest())
        timed("read_samples", lambda: read_samples(data, read_header(io.BytesIO(data))))
        timed("levels", lambda: [measure_level(channel) for channel in samples])
        timed("spectrum", lambda: [spectrum_of(channel) for channel in samples])
        timed("speech", lambda: [measure_speech(spectrum) for spectrum in spectra])
        timed("band", lambda: [measure_edges(power, active) for power, active in edges])
        timed("encode", lambda: encode_mp3(samples, SAMPLE_RATE_HZ, order.bit_rate_kbps))
        timed("encode in PyAV, instead", lambda: encode_by_pyav(samples, order.bit_rate_kbps))
        timed("examine, the whole", lambda: examine(data, RecordingFormat.WAV, CONTRACT_RULES, order))
    # The first round warms up.
    return {name: statistics.median(figures[1:]) for name, figures in spent.items()}


def report(rounds: Sequence[Round], steps: dict[str, float]) -> str:
    """The tables, in Markdown."""
    lines = [
        "| round | calldock, ms | ffmpeg, ms | with PyAV, ms | of ffmpeg | under PyAV |",
        "|---|---|---|---|---|---|",
    ]
    for number, each in enumerate(rounds, start=1):
        lines.append(
            f"| {number} | {each.calldock_ms:.0f} | {each.ffmpeg_ms:.0f} | {each.pyav_ms:.0f} | {each.of_ffmpeg:.2f} | {each.under_pyav:.2f} |"
        )
    of_ffmpeg, under_pyav = [each.of_ffmpeg for each in rounds], [each.under_pyav for each in rounds]
    lines += [
        "",
        f"CPU of ffmpeg's: {_spread(of_ffmpeg)}, at most {MOST_OF_FFMPEG:g} is due: {_kept(statistics.median(of_ffmpeg) <= MOST_OF_FFMPEG)}.",
        f"Times less than with PyAV: {_spread(under_pyav)}, at least {LEAST_OF_PYAV:g} is due: {_kept(statistics.median(under_pyav) >= LEAST_OF_PYAV)}.",
        "",
        "| step, both channels | CPU, ms |",
        "|---|---|",
        *(f"| {name} | {spent_ms:.1f} |" for name, spent_ms in steps.items()),
    ]
    return "\n".join(lines)


def _spread(figures: Sequence[float]) -> str:
    return f"median {statistics.median(figures):.2f} ({min(figures):.2f} to {max(figures):.2f})"


def _kept(is_kept: bool) -> str:
    return "kept" if is_kept else "NOT KEPT"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    data = wav_bytes(with_noise(conversation(SECONDS), NOISE_DBFS))
    tags = AudioTags(ext_id="call-1", call_session_id=1, start_time=datetime(2026, 1, 1, tzinfo=UTC))
    order = Mp3Order(tags=tags, bit_rate_kbps=BIT_RATE_KBPS)
    found = asyncio.run(measure_rounds(data, order, rounds))
    print(report(found, measure_steps(data, order, rounds)))


if __name__ == "__main__":
    main()
