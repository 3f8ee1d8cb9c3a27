"""Each fault under uploads: what was acknowledged is there once and ends, what was not is not half there, and nothing is left over."""

import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from json import dumps
from pathlib import Path

import pytest

from tests.chaos.figures import under_traffic
from tests.chaos.topology import LEASE_S, Program, Topology
from tests.chaos.traffic import a_call
from tests.support.running import until

pytestmark = pytest.mark.chaos

STEPS = [
    "intake before take_in", "intake after take_in",
    "intake before claim", "intake after claim",
    "intake before begin_work", "intake after begin_work",
    "intake before fetch", "media before download", "media after download", "media before put", "media after put", "intake after fetch",
    "intake before save_source", "intake after save_source",
    "intake before finish_fetch", "intake after finish_fetch",
    "intake before process", "intake after process",
    "intake before save_verdict", "intake after save_verdict",
    "intake before finish_call", "intake after finish_call",
    "intake before relay", "notify before enqueue", "notify after enqueue", "intake after relay",
    "intake before settle", "intake after settle",
    "notify before claim_due", "notify after claim_due",
    "notify before post", "notify after post",
    "notify before settle_attempts", "notify after settle_attempts",
]  # fmt: skip
"""Of a call's way (ARCHITECTURE.md)."""
AWAY_S = 30.0
NOTIFY_AWAY_S = 60.0
SPARSE_S = 1.0


@pytest.mark.parametrize("step", STEPS)
def test_a_process_is_killed_at_a_step(topology: Topology, step: str) -> None:
    with under_traffic(topology, "kill -9 between two steps of a call's way"):
        before = topology.deaths()
        topology.stop_at(step)
        until(lambda: topology.deaths() > before, 60)
        assert not topology.is_armed()


def test_replicas_are_drained_under_load(topology: Topology) -> None:
    with under_traffic(topology, "SIGTERM, one replica after the other", injected=8, pause_s=SPARSE_S) as traffic:
        for each in topology.services:
            _restarted(topology, each, signal.SIGTERM)
    assert traffic.failed == {}


def test_envoy_is_killed(topology: Topology) -> None:
    with under_traffic(topology, "Envoy killed", injected=3):
        for _ in range(3):
            _restarted(topology, topology.envoy, signal.SIGKILL)


def test_postgresql_is_away(topology: Topology) -> None:
    with under_traffic(topology, f"PostgreSQL away for {AWAY_S:g} s", pause_s=SPARSE_S):
        topology.cluster.stop()
        time.sleep(AWAY_S)
        topology.cluster.start()


def test_the_object_store_is_away(topology: Topology) -> None:
    with under_traffic(topology, f"S3 away for {AWAY_S:g} s", pause_s=SPARSE_S), _standing(topology.bucket.process.pid):
        time.sleep(AWAY_S)


def test_notify_is_away(topology: Topology) -> None:
    with under_traffic(topology, f"notify away for {NOTIFY_AWAY_S:g} s", pause_s=SPARSE_S) as traffic:
        for each in topology.programs["notify"]:
            each.keep_away()
        time.sleep(NOTIFY_AWAY_S)
        for each in topology.programs["notify"]:
            each.come_back()
    assert traffic.failed == {}


@pytest.mark.parametrize("service", ["intake", "notify"])
def test_a_replica_comes_late_to_what_another_has_claimed(topology: Topology, service: str) -> None:
    with under_traffic(topology, "a replica stands for longer than its lease", injected=2, pause_s=SPARSE_S):
        for each in topology.programs[service][:2]:
            assert each.process is not None
            with _standing(each.process.pid):
                time.sleep(3 * LEASE_S)


def test_decoders_are_killed_as_when_memory_is_short(topology: Topology) -> None:
    killed = 0
    with under_traffic(topology, "decoders killed, as when memory is short", injected=6):
        while killed < 6:
            for each in topology.programs["media"]:
                for pid in _workers(each):
                    with suppress(ProcessLookupError):
                        signal.pidfd_send_signal(_open(pid), signal.SIGKILL)
                        killed += 1
            time.sleep(1)


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
@pytest.mark.parametrize("service", ["intake-0", "notify-0"])
def test_a_clock_is_stepped_and_set_right(topology: Topology, service: str, step_s: float) -> None:
    with under_traffic(topology, f"the clock of one replica's machine steps by {step_s:+g} s", pause_s=SPARSE_S):
        clock = topology.folder / f"clock-{service}"
        clock.write_text(str(step_s))
        time.sleep(5 * LEASE_S)
        clock.unlink()


def test_connections_are_cut_in_mid_request(topology: Topology) -> None:
    with under_traffic(topology, "connections cut in mid-request", injected=40) as traffic:
        for number in range(40):
            names = [f"{traffic.prefix}-cut-{number}-{place}" for place in range(3)]
            traffic.sent.update(names)
            _cut(topology, names, share=(0.5, 1.0)[number % 2])


def _cut(topology: Topology, names: list[str], share: float) -> None:
    """Sends a part of an upload, or all of it, and resets the connection before there is an answer."""
    body = dumps({"calls": [a_call(topology, name) for name in names]}).encode()
    head = (
        f"POST /v1/calls:upload HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {topology.account.token}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", topology.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(head.encode() + body[: int(len(body) * share)])


def _restarted(topology: Topology, program: Program, number: signal.Signals) -> None:
    """Returns when the program has ended by the signal and its successor listens."""
    before = program.deaths
    program.signal(number)
    until(lambda: program.deaths > before, 60)
    until(lambda: topology.listens(program), 60)


@contextmanager
def _standing(pid: int) -> Iterator[None]:
    """A process that stands still meanwhile."""
    handle = _open(pid)
    signal.pidfd_send_signal(handle, signal.SIGSTOP)
    try:
        yield
    finally:
        signal.pidfd_send_signal(handle, signal.SIGCONT)


def _open(pid: int) -> int:
    return os.pidfd_open(pid)


def _workers(program: Program) -> list[int]:
    """The decoders of a media."""
    assert program.process is not None
    tasks = Path(f"/proc/{program.process.pid}/task")
    found = []
    with suppress(OSError):
        for task in tasks.iterdir():
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return [pid for pid in found if b"spawn_main" in _command(pid)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
