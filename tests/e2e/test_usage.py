"""What `calldock` says of itself, and how it ends for what cannot be meant as it was typed."""

import os
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.running import CALLDOCK

NOWHERE = "http://127.0.0.1:1"


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Where no instance runs, and nobody's token is set."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALLDOCK_")}
    command = [CALLDOCK, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=folder, env=environment)


def test_the_release_is_said(tmp_path: Path) -> None:
    done = run(tmp_path, "--version")

    assert (done.returncode, done.stdout) == (0, f"calldock {version('calldock')}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["calls", "list"], "--token TOKEN", id="whose"),
        pytest.param(["open"], "--token TOKEN", id="whose client area"),
        pytest.param(["calls", "list", "--token", "t", "--url", "nonsense"], "not nonsense", id="where"),
        pytest.param(["open", "--token", "t", "--url", "nonsense"], "not nonsense", id="where to open"),
        pytest.param(["calls", "show", "a-1", "--token", "t", "--url", NOWHERE], "--ext-id", id="which call"),
        pytest.param(
            ["upload", "calls.txt", "--token", "t", "--url", NOWHERE], ".json, .jsonl or .csv", id="what file"
        ),
        pytest.param(["check", "sound.ogg"], "--format", id="what recording"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(tmp_path: Path, arguments: list[str], said: str) -> None:
    for name in ("calls.txt", "sound.ogg"):
        (tmp_path / name).write_bytes(b"x")

    done = run(tmp_path, *arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
