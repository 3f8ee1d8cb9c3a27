"""intake is lost and comes back from a backup that is older than what notify, media and receivers know."""

import subprocess
import time

import pytest

from tests.chaos.figures import BEFORE, FIGURES, Figure
from tests.chaos.topology import Topology
from tests.chaos.traffic import BATCH, TOLD, Rows, Traffic, a_call, ask, look
from tests.support.running import CALLDOCK, until

pytestmark = pytest.mark.chaos

FAULT = "intake restored from an older backup than notify"
IN_ORDER = (TOLD, [*TOLD, "processed"], [*TOLD, *TOLD])
"""What a receiver hears of a call that the backup has: one that was in work then is worked on again, and what it came to is told again."""


def test_intake_is_restored_from_an_older_backup_than_notify(topology: Topology) -> None:
    with Traffic(topology, "older") as traffic:
        until(lambda: len(traffic.acknowledged) >= BEFORE, 60)
        dump = _pg(topology, "pg_dump", "-Fc", "-n", "intake", topology.database_url)
        until(lambda: len(traffic.acknowledged) >= 10 * BEFORE, 60)
    newest = max(map(int, traffic.acknowledged.values()))
    before = dict(traffic.acknowledged)

    away = [*topology.programs["intake"], *topology.programs["media"]]
    for each in away:
        each.keep_away()
    until(lambda: all(each.process is None or each.process.poll() is not None for each in away), 30)
    Rows(topology).run("DROP SCHEMA intake CASCADE")
    _pg(topology, "pg_restore", "--no-owner", "-d", topology.database_url, given=dump)
    _calldock(topology, "restore", "--delete-orphans")
    kept = {row[0] for row in Rows(topology).all("SELECT ext_id FROM intake.calls")}
    for each in away:
        each.come_back()
    mended = time.monotonic()
    until(lambda: all(topology.listens(each) for each in away), 60)

    # The clients upload the days since then again.
    names = sorted(traffic.acknowledged)
    for start in range(0, len(names), BATCH):
        _upload_again(traffic, names[start : start + BATCH])
    answers_s = time.monotonic() - mended
    lost = set(names) - kept
    assert lost
    assert kept & set(names)
    assert {name: traffic.acknowledged[name] for name in kept & set(names)} == {
        name: before[name] for name in kept & set(names)
    }
    assert min(int(traffic.acknowledged[name]) for name in lost) > newest

    seen = look(traffic)
    heard = {name: [told["status"] for told in topology.host.heard[name]] for name in names}
    # What was lost is a new call by now, of which is told anew.
    out_of_order = sum(heard[name] not in IN_ORDER if name in kept else heard[name][-2:] != TOLD for name in names)
    FIGURES[FAULT] = Figure(
        FAULT, injected=1, calls=seen.calls, lost=seen.lost, duplicated=seen.duplicated, half_stored=seen.half_stored, out_of_order=out_of_order,
        orphans=seen.orphans, repeated=seen.repeated_callbacks, failed=traffic.failed.total(), answers_s=answers_s, ended_s=seen.dry_at - mended,
    )  # fmt: skip
    assert {fault: count for fault, count in seen.wrong().items() if fault != "out_of_order"} == {}
    assert out_of_order == 0, heard
    last = {name: str(topology.host.heard[name][-1]["call_session_id"]) for name in names}
    assert last == {name: traffic.acknowledged[name] for name in names}


def _upload_again(traffic: Traffic, names: list[str]) -> None:
    system = traffic.system

    def done() -> bool:
        status, answer = ask(system, "/v1/calls:upload", {"calls": [a_call(system, name) for name in names]})
        if status == 200:
            traffic.acknowledged.update({each["ext_id"]: each["call_session_id"] for each in answer["calls"]})
        return status == 200

    until(done, 60)


def _pg(topology: Topology, program: str, *arguments: str, given: bytes = b"") -> bytes:
    command = [str(topology.cluster.binaries / program), *arguments]
    return subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True).stdout


def _calldock(topology: Topology, *arguments: str) -> None:
    """The command line with the settings that the replicas have."""
    done = subprocess.run(
        [CALLDOCK, *arguments], env=topology.programs["media"][0].environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
