"""Every method that writes says in its comment what a repeat does, and has a test that repeats it (style S9)."""

import re
from pathlib import Path

from tests.e2e.test_repeats import REPEATS

ROOT = Path(__file__).parents[2]
READS = ("Get", "List", "Lookup", "Watch", "Authenticate", "Check")
_METHOD = re.compile(r"((?:^ *//.*\n)+)^  rpc (\w+)\(", re.MULTILINE)
_DIRECTORY = re.compile(r"(BatchCreate|Create|Update)(Tag|Employee|Site|Campaign|Source|VisitorSession)s?")
"""Repeated kind by kind in tests/e2e/test_directory.py."""


def writes() -> dict[str, str]:
    """The comment of each method that writes."""
    files = sorted((ROOT / "protos").rglob("*_service.proto"))
    found = [each for path in files for each in _METHOD.findall(path.read_text())]
    return {method: comment for comment, method in found if not method.startswith(READS)}


def test_the_comment_of_every_write_says_what_a_repeat_does() -> None:
    silent = [method for method, comment in writes().items() if not re.search(r"\brepeat", comment, re.IGNORECASE)]

    assert len(writes()) > 30
    assert silent == []


def test_every_write_has_a_test_that_repeats_it() -> None:
    assert {method for method in writes() if not _DIRECTORY.fullmatch(method)} == REPEATS.keys()
