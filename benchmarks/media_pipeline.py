"""A whole instance under a thousand recordings: how busy its work keeps the cores, how fast it is, and whether its memory stays flat.

Run: `python -m benchmarks.media_pipeline [--recordings 1000]`. The recordings are WAVs of one minute, each behind a link of its own, served over TLS by
a process of its own: its CPU is told apart and is not the instance's work. Settings are taken from the environment, as `calldock up` takes them.
"""

import argparse
import multiprocessing
import os
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.audio import good_wav
from tests.support.hosts import a_host
from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, a_calldock

SECONDS = 60.0
CALLS_PER_REQUEST = 100
LEAST_BUSY = 0.8
LOOK_S = 0.25
"""A worker that is replaced takes what it spent since the last look with it."""
STUCK_S = 60.0

SERVICES = ("intake", "media", "notify")
WORKERS = "media's workers"
HOST = "host of recordings"
BENCHMARK = "this benchmark"

_CPU_OF_WHOLE_PROCESS = 2  # CPUCLOCK_SCHED in the kernel's posix-timers.h: the nanoseconds that the scheduler counted
_MEASURED = (0.1, 0.9)
_EARLY = (0.2, 0.3)
_LATE = (0.9, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look saw: CPU in s since the start, by role, those that ended included; RSS in bytes of those that live; ticks that the machine was idle or away."""

    time_s: float
    done: int
    cpu_s: Counter[str]
    rss_bytes: Counter[str]
    idle_s: float
    stolen_s: float


class Watch:
    """Adds up the CPU of an instance's processes, of those too that ended meanwhile."""

    def __init__(self, up_pid: int, host_pid: int) -> None:
        self._up_pid = up_pid
        self._others = {host_pid: HOST, os.getpid(): BENCHMARK}
        self._spent_s: dict[tuple[int, str], float] = {}

    def look(self, done: int) -> Look:
        """The figures now."""
        rss: Counter[str] = Counter()
        for pid, role in {**_roles(self._up_pid), **self._others}.items():
            try:
                self._spent_s[pid, role] = time.clock_gettime(~pid << 3 | _CPU_OF_WHOLE_PROCESS)
                rss[role] += _rss_bytes(pid)
            except (OSError, IndexError):
                continue
        cpu: Counter[str] = Counter()
        for (_, role), spent in self._spent_s.items():
            cpu[role] += spent  # type: ignore[assignment]
        idle, stolen = _machine_s()
        return Look(time_s=time.monotonic(), done=done, cpu_s=cpu, rss_bytes=rss, idle_s=idle, stolen_s=stolen)


class Progress:
    """How many recordings were judged, by the instance's log."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("rb")
        self.done = 0

    def look(self) -> int:
        """Reads what is new."""
        self.done += self._log.read().count(b"recording.judged")
        return self.done


@contextmanager
def a_host_apart(folder: Path) -> Iterator[tuple[int, str, Path]]:
    """A host in a process of its own: its process id, the link of the recording, its authority's file."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(folder, theirs))
    process.start()
    try:
        assert process.pid is not None
        yield process.pid, *ours.recv()
    finally:
        ours.send("stop")
        process.join()


def _serve(folder: Path, orders: "Connection[object, object]") -> None:
    with a_host(folder) as host:
        orders.send((host.serve("/call.wav", "audio/wav", good_wav(SECONDS)), host.ca_file))
        orders.recv()


def run(recordings: int, folder: Path) -> list[Look]:
    """All looks from the first upload to the last verdict."""
    with a_host_apart(folder) as (host_pid, url, ca_file):
        settings = {"EGRESS_ALLOW": url.removeprefix("https://").partition("/")[0], "EGRESS_CA_FILE": str(ca_file)}
        with a_calldock(folder, **settings) as calldock:
            account = calldock.account()
            watch, progress = Watch(calldock.process.pid, host_pid), Progress(calldock.log)
            looks = [watch.look(0)]
            upload(calldock, account, url, recordings)
            moved_s = time.monotonic()
            while looks[-1].done < recordings:
                time.sleep(LOOK_S)
                looks.append(watch.look(progress.look()))
                if looks[-1].done > looks[-2].done:
                    moved_s = looks[-1].time_s
                elif looks[-1].time_s - moved_s > STUCK_S:
                    raise TimeoutError(f"{looks[-1].done} of {recordings} done, and nothing for {STUCK_S:g} s")
            check_all_are_processed(calldock, account, recordings)
    return looks


def upload(calldock: Calldock, account: Account, url: str, recordings: int) -> None:
    """Uploads as many calls, one recording each, each with a link of its own."""
    record = {"employee_name": "Anna", "employee_channel": "left"}
    calls = [
        a_json_call(ext_id=f"call-{number}", wav_records=[{**record, "record_url": f"{url}?{number}"}])
        for number in range(recordings)
    ]
    for start in range(0, recordings, CALLS_PER_REQUEST):
        answer = calldock.upload(account, *calls[start : start + CALLS_PER_REQUEST])
        assert answer.status == 200, answer.body


def check_all_are_processed(calldock: Calldock, account: Account, recordings: int) -> None:
    """Raises AssertionError when a call ended otherwise: a recording that is refused costs less."""
    found: Counter[str] = Counter()
    deadline = time.monotonic() + STUCK_S
    while found["CALL_STATUS_PROCESSED"] != recordings:
        assert time.monotonic() < deadline, found
        time.sleep(LOOK_S)
        found, token = Counter(), ""
        while True:
            page = calldock.http("GET", f"/v1/calls?page_size=1000&page_token={token}", token=account.token).json
            found.update(call["status"] for call in page["calls"])
            token = page.get("next_page_token", "")
            if not token:
                break


def report(looks: list[Look], cores: int) -> str:
    """The tables, in Markdown."""
    total = looks[-1].done
    middle = _between(looks, total, _MEASURED)
    first, last = middle[0], middle[-1]
    wall_s = last.time_s - first.time_s
    share = {role: (last.cpu_s[role] - first.cpu_s[role]) / (wall_s * cores) for role in sorted(last.cpu_s)}
    instance = sum(part for role, part in share.items() if role not in (HOST, BENCHMARK))
    work = sum(share.get(role, 0.0) for role in (*SERVICES, WORKERS))
    idle = (last.idle_s - first.idle_s) / (wall_s * cores)
    stolen = (last.stolen_s - first.stolen_s) / (wall_s * cores)
    others = max(0.0, 1 - idle - stolen - sum(share.values()))
    left = 1 - others - stolen
    whole_s = looks[-1].time_s - looks[0].time_s
    lines = [
        f"{total} recordings of {SECONDS:g} s in {whole_s:.1f} s, upload included: {total / whole_s:.1f} calls/s; "
        f"{(last.done - first.done) / wall_s:.1f} calls/s between {_MEASURED[0]:.0%} and {_MEASURED[1]:.0%} done ({wall_s:.1f} s).",
        "",
        f"| share of {cores} cores | |",
        "|---|---|",
        f"| **workers and services** (at least {LEAST_BUSY:.0%} is due: {'kept' if work >= LEAST_BUSY else 'NOT KEPT'}) | **{work:.1%}** |",
        f"| the same, of what others on the machine left | {work / left:.1%} |",
        f"| whole instance, Envoy and supervisor included | {instance:.1%} |",
        *(f"| {role} | {part:.1%} |" for role, part in sorted(share.items(), key=lambda each: -each[1])),
        f"| all else on the machine, the kernel's own work included | {others:.1%} |",
        f"| idle | {idle:.1%} |",
        f"| taken by the host of the virtual machine | {stolen:.1%} |",
        "",
        f"| memory (RSS), MB | median, {_EARLY[0]:.0%}-{_EARLY[1]:.0%} done | median, {_LATE[0]:.0%}-{_LATE[1]:.0%} done | growth | peak |",
        "|---|---|---|---|---|",
    ]
    for name, roles in (
        ("media", ("media",)),
        (WORKERS, (WORKERS,)),
        ("both", ("media", WORKERS)),
        ("intake", ("intake",)),
    ):
        lines.append(_memory_row(looks, name, roles))
    return "\n".join(lines)


def _memory_row(looks: list[Look], name: str, roles: tuple[str, ...]) -> str:
    def median_mb(part: list[Look]) -> float:
        return statistics.median(_mb(look, roles) for look in part)

    early = median_mb(_between(looks, looks[-1].done, _EARLY))
    late = median_mb(_between(looks, looks[-1].done, _LATE))
    peak = max(_mb(look, roles) for look in looks)
    return f"| {name} | {early:.0f} | {late:.0f} | {late - early:+.1f} ({late / early - 1:+.1%}) | {peak:.0f} |"


def _mb(look: Look, roles: tuple[str, ...]) -> float:
    return sum(look.rss_bytes[role] for role in roles) / 1024**2


def _between(looks: list[Look], total: int, shares: tuple[float, float]) -> list[Look]:
    low, high = shares
    return [look for look in looks if low * total <= look.done <= high * total]


def _roles(up_pid: int) -> dict[int, str]:
    """The processes of an instance by their ids: the supervisor, its children by name, and whatever media starts."""
    roles = {up_pid: "supervisor"}
    for child in _children(up_pid):
        name = next((name for name in SERVICES if f"services.{name}" in _command(child)), "envoy")
        roles[child] = name
        for grandchild in _children(child):
            # One that just ended has no command any more, and still its CPU.
            is_worker = name == "media" and not any("resource_tracker" in word for word in _command(grandchild))
            roles[grandchild] = WORKERS if is_worker else name
    return roles


def _children(pid: int) -> list[int]:
    """The children of a process, of whichever of its threads they are."""
    found: list[int] = []
    for each in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, each.read_text().split())
        except OSError:
            continue
    return found


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return []


def _rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _machine_s() -> tuple[float, float]:
    """Seconds of all cores together that were idle, and that the host of a virtual machine took (proc(5), stat)."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    per_s = os.sysconf("SC_CLK_TCK")
    return (ticks[3] + ticks[4]) / per_s, ticks[7] / per_s


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=1000)
    recordings = parser.parse_args().recordings
    with TemporaryDirectory(prefix="calldock-benchmark-") as folder:
        looks = run(recordings, Path(folder))
    print(report(looks, os.cpu_count() or 1))


if __name__ == "__main__":
    main()
