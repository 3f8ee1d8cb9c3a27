"""Where a call may go from where it stands (docs/contract.md 2 and 7). Every change of status passes here."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

MAX_UPLOADS = 3
"""Uploads of one ext_id in all: further ones after the third failure are ignored (contract 2)."""


class CallStatus(StrEnum):
    """Proto `CallStatus`."""

    NEW = "new"
    IN_PROCESS = "in_process"
    PROCESSED = "processed"
    ERROR = "error"
    CANCELLED = "cancelled"


AT_REST = (CallStatus.PROCESSED, CallStatus.ERROR, CallStatus.CANCELLED)
"""No work on the call is waiting or under way."""


class CallEvent(StrEnum):
    """What a receiver may be told; the status word of a notification."""

    PROCESSED = "processed"
    IN_PROCESS = "in_process"
    ERROR = "error"


class Outcome(StrEnum):
    """What an upload does with one call; proto `UploadedCall.Outcome`."""

    CREATED = "created"
    DUPLICATE = "duplicate"
    UPLOADED_AGAIN = "uploaded_again"
    IGNORED_AFTER_FAILURES = "ignored_after_failures"
    RETIRED = "retired"


class UploadedCall(NamedTuple):
    """What an upload did with one call."""

    ext_id: str
    call_session_id: int
    outcome: Outcome
    differs: bool


_MOVES: Mapping[CallStatus, frozenset[CallStatus]] = MappingProxyType(
    {
        CallStatus.NEW: frozenset(
            {CallStatus.IN_PROCESS, CallStatus.PROCESSED, CallStatus.ERROR, CallStatus.CANCELLED}
        ),
        CallStatus.IN_PROCESS: frozenset({CallStatus.PROCESSED, CallStatus.ERROR}),
        CallStatus.PROCESSED: frozenset({CallStatus.NEW}),
        CallStatus.ERROR: frozenset({CallStatus.NEW}),
        CallStatus.CANCELLED: frozenset({CallStatus.NEW}),
    }
)


@dataclass(frozen=True, slots=True)
class Move:
    """A change of status and the events it announces, in order."""

    status: CallStatus
    events: tuple[CallEvent, ...] = ()


class ImpossibleMove(Exception):
    """The call cannot go there from where it stands: a bug of the caller."""


def begin(status: CallStatus) -> Move | None:
    """Work on the recordings begins; None when it had begun before."""
    if status is CallStatus.IN_PROCESS:
        return None
    return _move(status, Move(CallStatus.IN_PROCESS, (CallEvent.IN_PROCESS,)))


def end(status: CallStatus, *, failed: bool) -> Move:
    """All recordings have a verdict."""
    if failed:
        return _move(status, Move(CallStatus.ERROR, (CallEvent.ERROR,)))
    return _move(status, Move(CallStatus.PROCESSED, (CallEvent.PROCESSED,)))


def store(*, has_recordings: bool) -> Move:
    """A call is stored, for the first time or again. Without recordings it is processed at once and tells both events."""
    if has_recordings:
        return Move(CallStatus.NEW)
    return Move(CallStatus.PROCESSED, (CallEvent.IN_PROCESS, CallEvent.PROCESSED))


def cancel(status: CallStatus) -> Move | None:
    """The call is stopped before work began; None when it was before. Raises ImpossibleMove once work began."""
    if status is CallStatus.CANCELLED:
        return None
    return _move(status, Move(CallStatus.CANCELLED))


def reprocess(status: CallStatus, *, has_recordings: bool) -> Move | None:
    """The call is judged anew; None when it is about to be anyway. Raises ImpossibleMove for a cancelled call."""
    if status in (CallStatus.NEW, CallStatus.IN_PROCESS):
        return None
    if status is CallStatus.CANCELLED:
        raise ImpossibleMove(f"{status} -> {CallStatus.NEW}")
    return store(has_recordings=has_recordings)


def upload_again(status: CallStatus, uploads: int) -> Outcome:
    """What an upload does with a call that is stored already."""
    if status is CallStatus.CANCELLED:
        return Outcome.UPLOADED_AGAIN
    if status is not CallStatus.ERROR:
        return Outcome.DUPLICATE
    return Outcome.UPLOADED_AGAIN if uploads < MAX_UPLOADS else Outcome.IGNORED_AFTER_FAILURES


def _move(status: CallStatus, move: Move) -> Move:
    if move.status not in _MOVES[status]:
        raise ImpossibleMove(f"{status} -> {move.status}")
    return move
