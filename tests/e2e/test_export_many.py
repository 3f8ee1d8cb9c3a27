"""`calldock calls export` of many calls: in memory that does not grow, whole while calldock comes and goes, and not at all when it stays away."""

import csv
import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.audio import fmt_chunk, riff
from tests.support.makers import a_json_call
from tests.support.running import CALLDOCK, INTERRUPTIBLE, Account, Calldock, a_calldock, until

MANY, PAGE = 22_000, 1_000
GROWTH_BYTES = 8 * 1024 * 1024
"""What an export of 22 pages may need beyond one of one page; the calls alone would take five times as much."""
MEASURED = """
import os, subprocess, sys
# Of a small process: the kernel counts what a parent holds for a child's own.
_, status, used = os.wait4(subprocess.Popen(sys.argv[1:]).pid, 0)
print(used.ru_maxrss, flush=True)
sys.exit(os.waitstatus_to_exitcode(status))
"""
LARGE = riff([(b"fmt ", fmt_chunk(channels=1)), (b"data", bytes(45_000_000))])


@dataclass(frozen=True)
class Many:
    """An account with many calls, of which a page is outbound, and an instance of its own."""

    calldock: Calldock
    account: Account
    filled: str
    """The moment when all were there; other tests add to them."""

    def start(self, *arguments: object, url: str = "", before: Sequence[str] = ()) -> "subprocess.Popen[str]":
        """Begins an export."""
        command = [*INTERRUPTIBLE, *before, CALLDOCK, "calls", "export", *map(str, arguments)]
        command += ["--url", url or self.calldock.url, "--token", self.account.token]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def peak_bytes(self, *arguments: object) -> int:
        """The most memory that an export held."""
        process = self.start(*arguments, before=[sys.executable, "-c", MEASURED])
        out, errors = process.communicate(timeout=100)
        assert process.returncode == 0, errors
        return int(out.splitlines()[-1]) * 1024


def write_calls(path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ext_id", "direction", "calling_phone_number", "called_phone_number", "start_time", "finish_time", "is_lost", "comment"])  # fmt: skip
        for number in range(MANY):
            direction = "out" if number % (MANY // PAGE) == 0 else "in"
            writer.writerow(
                [f"many-{number}", direction, f"8926{number:07}", "+74955140576", "2026-11-02 10:00:00", "2026-11-02 10:01:00",
                 "true" if number % 2 else "false", f"called about offer {number}, " * 8]
            )  # fmt: skip


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    folder = tmp_path_factory.mktemp("many")
    write_calls(folder / "many.csv")
    with a_calldock(folder) as calldock:
        account = calldock.account("Many")
        done = calldock.cli("upload", str(folder / "many.csv"), "--token", account.token, "--json")
        assert json.loads(done.stdout)["created"] == MANY, done.stderr
        yield Many(calldock, account, datetime.now(UTC).isoformat())


class Line(socketserver.ThreadingTCPServer):
    """A way to the front door that can be cut."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target: int) -> None:
        self.open: list[socket.socket] = []
        line = self

        class Relay(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection(("127.0.0.1", target)) as there:
                    line.open += [self.request, there]
                    back = threading.Thread(target=relay, args=(there, self.request), daemon=True)
                    back.start()
                    relay(self.request, there)
                    back.join()

        super().__init__(("127.0.0.1", 0), Relay)
        self.port = self.server_address[1]


def relay(come: socket.socket, go: socket.socket) -> None:
    with suppress(OSError):
        while data := come.recv(65_536):
            go.sendall(data)
        go.shutdown(socket.SHUT_WR)


@contextmanager
def a_line(target: int) -> Iterator[Line]:
    """The way is cut at the end of the block."""
    with Line(target) as line:
        thread = threading.Thread(target=line.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield line
        finally:
            line.shutdown()
            for each in line.open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


def wait_for_some(process: "subprocess.Popen[str]", path: Path, least_bytes: int = 1) -> None:
    """Returns when so much of an export is written, and not all: what has ended has not begun any more."""

    def is_some() -> bool:
        assert process.poll() is None, process.communicate()
        return any(part.stat().st_size >= least_bytes for part in path.parent.glob(f".{path.name}.*.part"))

    until(is_some)


def lines(path: Path) -> int:
    with path.open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in file)


@pytest.mark.parametrize(("name", "before"), [("all.csv", 1), ("all.jsonl", 0), ("all.vcon.jsonl", 0)])
def test_memory_does_not_grow_with_the_calls(many: Many, tmp_path: Path, name: str, before: int) -> None:
    page = many.peak_bytes(tmp_path / f"page-{name}", "--direction", "out")
    whole = many.peak_bytes(tmp_path / name, "--uploaded-before", many.filled)

    assert (lines(tmp_path / f"page-{name}"), lines(tmp_path / name)) == (PAGE + before, MANY + before)
    print(f"{name}: one page {page:,} bytes, {MANY // PAGE} pages {whole:,} bytes")
    assert whole - page < GROWTH_BYTES


def test_memory_does_not_grow_with_a_recording(many: Many, tmp_path: Path) -> None:
    calldock, account = many.calldock, many.account
    put = calldock.http("POST", "/v1/recordings:put", LARGE, account.token, content_type="audio/wav")
    record = {"employee_name": "Anna", "employee_channel": "left", "record_url": put.json["record_url"]}
    assert calldock.upload(account, a_json_call(ext_id="large", wav_records=[record])).status == 200
    until(lambda: calldock.http("GET", "/v1/calls:lookup?ext_id=large", token=account.token).json["status"] == "CALL_STATUS_ERROR")  # fmt: skip

    linked = many.peak_bytes(tmp_path / "link.vcon", "large", "--ext-id")
    inline = many.peak_bytes(tmp_path / "inline.vcon", "large", "--ext-id", "--recordings", "inline")

    assert (tmp_path / "inline.vcon").stat().st_size > len(LARGE) * 4 / 3
    print(f"link {linked:,} bytes, inline {inline:,} bytes, of a file of {len(LARGE):,}")
    # What is on its way between the two, and what it is made of; the file as it is written has 60 million bytes.
    assert inline - linked < 2 * GROWTH_BYTES


def test_an_export_goes_on_when_a_service_comes_back_and_holds_no_call_that_came_meanwhile(
    many: Many, tmp_path: Path
) -> None:
    path = tmp_path / "all.jsonl"
    before = int(json.loads(many.calldock.cli("calls", "list", "--limit", "1", "--json", "--token", many.account.token).stdout)["call_session_id"])  # fmt: skip
    process = many.start(path, "--json")
    wait_for_some(process, path)
    killed = many.calldock.service_pid("intake")
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    until(lambda: many.calldock.service_pid("intake") not in (None, killed))
    until(lambda: many.calldock.upload(many.account, a_json_call(ext_id="meanwhile")).status == 200)
    assert many.calldock.lookup(many.account, "meanwhile").ext_id == "meanwhile"

    out, errors = process.communicate(timeout=100)

    assert process.returncode == 0, errors
    numbers = [int(json.loads(line)["call_session_id"]) for line in path.read_text().splitlines()]
    assert len(numbers) == len(set(numbers)) == json.loads(out)["calls"]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] == before


def test_whoever_stops_reading_ends_an_export_without_noise(many: Many) -> None:
    with many.start("-", "--format", "jsonl") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()

    assert (process.returncode, errors) == (1, "")


def test_an_export_that_is_interrupted_leaves_no_half_file(many: Many, tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_text("as it was")
    process = many.start(path)
    wait_for_some(process, path, least_bytes=0)

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    assert process.returncode != 0
    assert path.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [path]


def test_an_export_fails_whole_when_calldock_stays_away(many: Many, tmp_path: Path) -> None:
    path = tmp_path / "all.vcon.jsonl"
    path.write_text("as it was")
    with a_line(many.calldock.port) as line:
        process = many.start(path, "--wait", "5s", url=f"http://127.0.0.1:{line.port}")
        wait_for_some(process, path)

    out, errors = process.communicate(timeout=100)

    assert process.returncode == 1, out
    assert "Is calldock running?" in errors
    assert path.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [path]
