"""Logs that find no room: what they tell of goes on."""

import subprocess
import sys
from pathlib import Path

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
