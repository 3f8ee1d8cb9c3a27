"""Which calls a page of ListCalls is of."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from services.intake.draft import Direction
from services.intake.status import CallStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """All of these must hold; None, and an empty tuple, let everything through. `_from` is included, `_before` is not."""

    statuses: tuple[CallStatus, ...] = ()
    direction: Direction | None = None
    is_lost: bool | None = None
    start_time_from: datetime | None = None
    start_time_before: datetime | None = None
    upload_time_from: datetime | None = None
    upload_time_before: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """True when every call passes."""
        return self == CallFilter()

    @property
    def scope(self) -> str:
        """What marks the page tokens of the list under this filter: a token works for no other."""
        return f"calls {hashlib.sha256(repr(self).encode()).hexdigest()[:16]}"
