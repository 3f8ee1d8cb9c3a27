"""An account's calls in numbers: an hour each, by verdict, and by how long they took."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.intake.status import CallStatus
from services.shared.errors import Mnemonic, Refusal

MAX_SPAN = timedelta(days=31)
MAX_CALLS = 100_000
"""So many are counted: a read of some tenths of a second."""
WAIT_BOUNDS = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(days=1),
)
"""How long calls took, sorted into these and what is longer."""
_OPEN = (CallStatus.NEW, CallStatus.IN_PROCESS)
_ENDED = (CallStatus.PROCESSED, CallStatus.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Calls that are alike: their hour, status and so on; `bound` is the place of their wait among WAIT_BOUNDS."""

    hour: datetime
    status: CallStatus
    error_code: str | None
    is_lost: bool
    bound: int
    calls: int
    oldest: datetime


@dataclass(slots=True)
class Hour:
    """The calls that began in one hour."""

    calls: int = 0
    errors: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Overview:
    """The numbers; hours in order, waits one for each bound and one for what is longer."""

    hours: dict[datetime, Hour] = field(default_factory=dict)
    verdicts: Counter[str | None] = field(default_factory=Counter)
    waits: list[int] = field(default_factory=lambda: [0] * (len(WAIT_BOUNDS) + 1))
    open_calls: int = 0
    oldest_open: datetime | None = None
    is_cut: bool = False


def check_span(start_time_from: datetime, start_time_before: datetime) -> None:
    """Raises Refusal invalid_parameter_value for a time that does not end after it began, or is too long to be counted."""
    if start_time_from < start_time_before <= start_time_from + MAX_SPAN:
        return
    raise Refusal(
        Mnemonic.INVALID_PARAMETER_VALUE,
        path=("start_time_before",),
        value=start_time_before.isoformat(),
        why=f"it is after start_time_from, by at most {MAX_SPAN.days} days",
    )


def overview_of(counted: Iterable[Counted]) -> Overview:
    """The numbers of calls that were counted alike. Counts stop at MAX_CALLS, so that many and one more are cut."""
    rows = sorted(counted, key=lambda row: row.hour)
    hours: dict[datetime, Hour] = {}
    verdicts: Counter[str | None] = Counter()
    waits = [0] * (len(WAIT_BOUNDS) + 1)
    for row in rows:
        hour = hours.setdefault(row.hour, Hour())
        hour.calls += row.calls
        hour.errors += row.calls if row.status is CallStatus.ERROR else 0
        hour.lost += row.calls if row.is_lost else 0
        if row.status in _ENDED:
            verdicts[row.error_code] += row.calls
            waits[row.bound] += row.calls
    opened = [row for row in rows if row.status in _OPEN]
    return Overview(
        hours,
        verdicts,
        waits,
        sum(row.calls for row in opened),
        min((row.oldest for row in opened), default=None),
        sum(row.calls for row in rows) > MAX_CALLS,
    )
