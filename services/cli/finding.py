"""What `calldock doctor` finds, and what its words look like on a terminal and to machines."""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from services.cli.terminal_text import one_line


class State(StrEnum):
    """What came of a look."""

    OK = "ok"
    WRONG = "wrong"
    NOT_LOOKED = "not looked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One look: at what, what came of it, what was seen, and what to do next where there is something to do."""

    area: str
    state: State
    found: str
    next: str = ""


def fine(area: str, found: str) -> Finding:
    """A look at what is as it has to be."""
    return Finding(area=area, state=State.OK, found=found)


def wrong(area: str, found: str, then: str) -> Finding:
    """A look at what is not; `then` is what to do."""
    return Finding(area=area, state=State.WRONG, found=found, next=then)


def not_looked(area: str, why: str, then: str = "") -> Finding:
    """What could not be looked at."""
    return Finding(area=area, state=State.NOT_LOOKED, found=why, next=then)


def are_well(findings: Sequence[Finding]) -> bool:
    """True when nothing is wrong; what was not looked at is not."""
    return all(each.state is not State.WRONG for each in findings)


def as_text(findings: Sequence[Finding], secrets: Collection[str]) -> str:
    """A line a finding, and one for what to do. None of the secrets is in it."""
    width = max(len(each.area) for each in findings)
    lines = []
    for each in findings:
        lines.append(f"{each.state:10}  {each.area:{width}}  {one_line(_without(each.found, secrets))}")
        if each.next:
            lines.append(f"{'':10}  {'':{width}}  -> {one_line(_without(each.next, secrets))}")
    return "\n".join(lines)


def as_json(findings: Sequence[Finding], secrets: Collection[str]) -> str:
    """`{"is_well": ..., "findings": [{"area", "state", "found", "next"}]}`. None of the secrets is in it."""
    told = [
        {**asdict(each), "found": _without(each.found, secrets), "next": _without(each.next, secrets)}
        for each in findings
    ]
    return json.dumps({"is_well": are_well(findings), "findings": told}, ensure_ascii=False, indent=2)


def _without(told: str, secrets: Collection[str]) -> str:
    """What libraries say of an error may hold what they were given."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        told = told.replace(secret, "***")
    return told
