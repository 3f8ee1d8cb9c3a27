"""Known holes in what the image installs, by pip-audit: fails when one is found, and says plainly when nobody could be asked."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "deploy/image/requirements.lock"
LIMIT_S = 60
CANARY = ("urllib3", "1.24.1")
"""A release with holes that every advisory service knows (CVE-2019-11324): one that finds none in it, such as a mirror without advisories, has said nothing of the rest."""


def audit() -> int:
    """The exit code: 0 when nothing is known or nobody answered, 1 for a hole."""
    with tempfile.TemporaryDirectory() as folder:
        pins = [line.split(" ")[0] for line in LOCK.read_text().splitlines() if "==" in line and line[0].isalpha()]
        asked = Path(folder) / "requirements.txt"
        asked.write_text("\n".join(pins))
        canary = Path(folder) / "canary.txt"
        canary.write_text("==".join(CANARY))
        code, words = judge(_asked(asked), _asked(canary))
    print(words)
    return code


def judge(found: list[Any] | None, canary: list[Any] | None) -> tuple[int, str]:
    """An exit code and what to say, for what pip-audit knows of our dependencies and of the canary; None where it could not ask."""
    if found is None or not any(each.get("vulns") for each in canary or []):
        return 0, "NOT AUDITED: no advisory service could be asked, or it knows nothing"
    holes = [f"{each['name']} {each.get('version')}: {hole['id']}" for each in found for hole in each.get("vulns", [])]
    if holes:
        return 1, "known holes:\n" + "\n".join(holes)
    skipped = sum("skip_reason" in each for each in found)
    return 0, f"audited {len(found) - skipped} of {len(found)} dependencies: no known holes"


def _asked(requirements: Path) -> list[Any] | None:
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements), "--no-deps", "--disable-pip", "--format", "json"]  # fmt: skip
    command += ["--progress-spinner", "off", "--timeout", "5"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        found: list[Any] = json.loads(answer.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return None
    return found


if __name__ == "__main__":
    sys.exit(audit())
