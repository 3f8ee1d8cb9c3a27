"""What the image installs is what the tests ran with, and all of it."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def locked(path: str) -> dict[str, str]:
    """Versions by name."""
    lines = (ROOT / path).read_text().splitlines()
    return {found[1]: found[2] for line in lines if (found := re.match(r"([a-z0-9-]+)==(\S+)", line))}


def test_the_image_has_everything_that_the_services_need() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[\[<>=]", line)[0] for line in project["dependencies"]}

    assert needed <= locked("deploy/image/requirements.lock").keys()


def test_the_image_has_the_versions_that_are_tested() -> None:
    tested = locked("requirements.lock")

    assert locked("deploy/image/requirements.lock").items() <= tested.items()
