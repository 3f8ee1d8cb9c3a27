"""The README read aloud: its commands are run as they are written, against a running calldock."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import Calldock

ROOT = Path(__file__).parents[2]


def blocks(language: str) -> list[str]:
    """The README's code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def run(calldock: Calldock, command: list[str], program: str) -> str:
    """Runs a block from the project's folder, with the README's port and folder replaced by the running instance's."""
    here = program.replace("127.0.0.1:8080", f"127.0.0.1:{calldock.port}").replace(
        ".venv/bin/", f"{Path(sys.executable).parent}/"
    )
    environment = {**os.environ, "CALLDOCK_DATA_DIR": str(calldock.data_dir), "GRPC_VERBOSITY": "NONE"}
    done = subprocess.run(
        [*command, here], capture_output=True, text=True, timeout=180, check=False, env=environment, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(240)
def test_the_shell_and_python_examples_do_what_they_say(calldock: Calldock) -> None:
    make_account, *uploads_and_reads = blocks("sh")
    (python,) = blocks("python")
    in_python = f".venv/bin/python - <<'PYTHON'\n{python}PYTHON\n"

    told = run(
        calldock, ["bash", "-euc"], "\n".join([make_account, *uploads_and_reads[:2], in_python, *uploads_and_reads[2:]])
    )

    assert told.count("OUTCOME_CREATED") == 2
    assert '"result": {"data": {"success": true}' in told
    assert 'ext_id: "crm-1004"' in told
    assert '"tag_name":"new customer"' in told
    for ext_id in ("crm-1001", "crm-1002", "crm-1004"):
        assert ext_id in told


def test_the_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for page in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"^make (\w+)$|`make (\w+)`", (ROOT / page).read_text(), re.MULTILINE):
            name = next(filter(None, target))
            assert re.search(rf"^{name}:", makefile, re.MULTILINE), f"{page} names make {name}"
