"""The disk of a whole instance is full, in the middle of all that it does: what was acknowledged is kept, what is refused is told so, and with room again it goes on by itself."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.chaos.figures import under_traffic
from tests.chaos.small_disk import Ballast, Instance, a_small_disk, an_instance
from tests.chaos.traffic import ask
from tests.support.audio import good_wav
from tests.support.running import CALLDOCK, a_calldock_within, free_port, until

pytestmark = pytest.mark.chaos

FULL_S = 4.0
"""Several leases."""
TIMES = 6
FOR_S, BETWEEN_S = 1.2, 0.3
LITTLE_BYTES = 300_000
"""Less than a recording has, more than a transaction needs."""
HONEST = {
    (8, "no room at the moment, try again"),
    (14, "not available at the moment, try again"),
}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with an_instance(tmp_path_factory.mktemp("full")) as running:
        yield running


def _stays_full(instance: Instance, ballast: Ballast) -> None:
    with ballast.kept(ballast.take):
        time.sleep(FULL_S)
        # What is there is told.
        assert ask(instance, "/v1/calls")[0] == 200


def _has_a_little_room_now_and_then(_instance: Instance, ballast: Ballast) -> None:
    for _ in range(TIMES):
        with ballast.kept(ballast.take):
            time.sleep(FOR_S)
        ballast.leave(LITTLE_BYTES)
        time.sleep(BETWEEN_S)


def _has_no_names_left(_instance: Instance, ballast: Ballast) -> None:
    with ballast.kept(ballast.take_files):
        time.sleep(FULL_S)


def _fills_under_downloads(instance: Instance, ballast: Ballast) -> None:
    host, whole = instance.host, instance.host.pages["/good.wav"]
    asked, is_full = threading.Semaphore(0), threading.Event()

    def halting(request: BaseHTTPRequestHandler) -> None:
        data = good_wav(17)
        request.send_response(200)
        request.send_header("content-type", "audio/wav")
        request.send_header("content-length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[: len(data) // 2])
        asked.release()
        is_full.wait(20)
        request.wfile.write(data[len(data) // 2 :])

    host.pages["/good.wav"] = halting
    for _ in range(3):
        assert asked.acquire(timeout=20)
    ballast.take()
    # Of the pieces that are still to come, the disk takes a part of one.
    ballast.leave(100_000)
    is_full.set()
    host.pages["/good.wav"] = whole
    time.sleep(FULL_S)


@pytest.mark.parametrize(
    "is_full", [_stays_full, _has_a_little_room_now_and_then, _has_no_names_left, _fills_under_downloads]
)
def test_the_disk_of_an_instance(instance: Instance, is_full: Callable[[Instance, Ballast], None]) -> None:
    before = instance.processes()
    ballast = Ballast(instance.disk)
    with under_traffic(instance, "the disk of an instance is full", clients=3, pause_s=1, handing_over=1) as traffic:
        is_full(instance, ballast)
        ballast.give_back()

    assert traffic.failed
    assert {(told["code"], told["message"]) for told in map(json.loads, traffic.refusals)} <= HONEST
    assert instance.processes() == before


def test_an_instance_that_finds_its_disk_full_says_so_and_comes_up_when_there_is_room(tmp_path: Path) -> None:
    with a_small_disk(tmp_path / "disk") as disk:
        ballast = Ballast(disk)
        ballast.take()
        command = [CALLDOCK, "up", "--data-dir", str(disk.folder / "data"), "--listen", f"127.0.0.1:{free_port()}"]

        done = subprocess.run([*disk.within, *command], capture_output=True, text=True, timeout=60)

        assert done.returncode == 1
        assert done.stderr == f"{disk.folder / 'data'} takes no files: its disk is full, make room there, or name another --data-dir\n"  # fmt: skip
        # Nothing is half there.
        assert {path.stat().st_size for path in (disk.seen / "data").iterdir()} <= {0}

        # Enough for what `up` writes itself, too little for a database.
        ballast.leave(40_000)
        making_room = threading.Thread(target=_make_room_when_services_fail, args=(ballast, disk.seen / "calldock.log"))
        making_room.start()
        with a_calldock_within(disk.within, disk.folder, disk.seen, {}) as calldock:
            making_room.join()
            assert calldock.http("GET", "/v1/calls", token=calldock.account().token).status == 200
            assert "Traceback" not in calldock.log.read_text()


def _make_room_when_services_fail(ballast: Ballast, log: Path) -> None:
    until(lambda: log.exists() and "service.cannot_run" in log.read_text())
    ballast.give_back()
