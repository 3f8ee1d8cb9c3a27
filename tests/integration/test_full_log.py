"""Logs that find no room, where what they tell of goes on, and logs that several processes share."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
"""Every write fails there as on a full disk (full(4))."""
LOGS = """
import structlog
from services.shared.logs import set_up_logs
set_up_logs("test")
structlog.get_logger().error("something.happened")
print("went on", flush=True)
"""


def test_a_log_that_takes_nothing_fails_nothing() -> None:
    with FULL.open("w") as full:
        done = subprocess.run([sys.executable, "-c", LOGS], stdout=subprocess.PIPE, stderr=full, text=True)

    assert done.stdout == "went on\n"


def test_a_service_whose_log_takes_nothing_ends_with_its_exit_code() -> None:
    with FULL.open("w") as full:
        done = subprocess.run([sys.executable, "-m", "services.media"], env={}, stderr=full, timeout=60)

    assert done.returncode == 2


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_line_is_written_in_one_piece(unbuffered: str) -> None:
    """Several processes write to one file, so that a line in two pieces has another's between them."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        subprocess.run(
            [sys.executable, "-c", LOGS],
            stdout=subprocess.DEVNULL,
            stderr=theirs.fileno(),
            env={"PYTHONUNBUFFERED": unbuffered},
        )
        theirs.shutdown(socket.SHUT_WR)
        pieces = list(iter(lambda: ours.recv(65_536), b""))

    assert len(pieces) == 1
    assert pieces[0].endswith(b"\n")
    assert json.loads(pieces[0])["event"] == "something.happened"
