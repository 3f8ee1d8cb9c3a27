"""Which calls are meant: the filters of ListCalls and DeleteCalls."""

from dataclasses import dataclass
from datetime import datetime

from services.intake.draft import Direction
from services.intake.status import CallStatus

ACCEPTED = "accepted"
"""Stands beside the contract's codes for the verdict of a recording that was found fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """All of these must hold; None, and an empty tuple, let everything through. `_from` is included, `_before` is not.

    Of several verdicts one recording must have one; employees and tags are those of the numbers and those of the names together, and a call must have one of each kind. Names that the account does not have are nobody's.
    """

    statuses: tuple[CallStatus, ...] = ()
    direction: Direction | None = None
    is_lost: bool | None = None
    start_time_from: datetime | None = None
    start_time_before: datetime | None = None
    upload_time_from: datetime | None = None
    upload_time_before: datetime | None = None
    verdicts: tuple[str, ...] = ()
    """ACCEPTED, and codes of the contract."""
    employee_ids: tuple[int, ...] = ()
    employee_keys: tuple[str, ...] = ()
    """Names as `name_key` has them."""
    tag_ids: tuple[int, ...] = ()
    tag_names: tuple[str, ...] = ()
    number: str = ""
    """As `phone_search.tidy_number` has it."""
    words: tuple[str, ...] = ()
    """As `text_search.words_of` has them: each must occur."""

    @property
    def is_empty(self) -> bool:
        """True when every call passes."""
        return self == CallFilter()
