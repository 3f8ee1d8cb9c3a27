"""What `make audit` makes of what pip-audit knows: a hole fails, silence is told as silence."""

from typing import Any

import pytest

from tools.audit import judge

KNOWS = [{"name": "urllib3", "vulns": [{"id": "CVE-2019-11324"}]}]
SOUND = {"name": "numpy", "version": "2", "vulns": []}
HOLE = {"name": "av", "version": "1", "vulns": [{"id": "CVE-1"}]}
UNKNOWN = {"name": "lameenc", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("found", "canary", "code", "words"),
    [
        pytest.param([SOUND, UNKNOWN], KNOWS, 0, "audited 1 of 2 dependencies", id="sound"),
        pytest.param([SOUND, HOLE], KNOWS, 1, "av 1: CVE-1", id="a hole"),
        pytest.param(None, KNOWS, 0, "NOT AUDITED", id="could not ask"),
        pytest.param([SOUND], None, 0, "NOT AUDITED", id="could not ask about the canary"),
        pytest.param([SOUND], [{"name": "urllib3", "vulns": []}], 0, "NOT AUDITED", id="knows nothing"),
    ],
)
def test_holes_fail_and_silence_is_told(
    found: list[Any] | None, canary: list[Any] | None, code: int, words: str
) -> None:
    assert judge(found, canary)[0] == code
    assert words in judge(found, canary)[1]
