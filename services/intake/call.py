"""A call that may be kept: what its rules have made of a draft."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.intake.attribution import NOTHING_NAMED, Attribution
from services.intake.draft import Direction, EmployeeChannel, RecordingFormat
from services.intake.names import name_key
from services.intake.status import CallEvent

_NOTHING_NAMED = repr(NOTHING_NAMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """Who is told, and of what."""

    url: str
    events: tuple[CallEvent, ...]


class TagName(NamedTuple):
    """A tag of a checked call: by id when one came, by exact name otherwise."""

    tag_id: int | None
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A recording of a checked call. The employee is found by id when one came, by `name_key(employee_name)` otherwise; neither: nobody."""

    employee_id: int | None
    employee_name: str
    employee_channel: EmployeeChannel | None
    url: str
    format: RecordingFormat


class CheckedCall(NamedTuple):
    """A call that keeps every rule of its own; `place` is where it stands in its request, from 0. What depends on the account's state is still to be checked."""

    place: int
    ext_id: str
    direction: Direction
    calling_phone_number: str
    called_phone_number: str
    start_time: datetime
    finish_time: datetime
    is_lost: bool
    is_transfer: bool
    wait_duration: timedelta | None
    talk_duration: timedelta | None
    attribution: Attribution
    comment: str
    callback: Callback | None
    tags: tuple[TagName, ...]
    records: tuple[Record, ...]
    is_only_repeat: bool = False
    """True when it was judged by no account's clock: it may only find what is stored, never be stored."""

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 over all fields that count: equal for two uploads that say the same in whatever spelling. What is stored is compared with it, so it never changes."""
        records = tuple(replace(record, employee_name=name_key(record.employee_name)) for record in self.records)
        # The repr of a dict of the fields, written out: a third of the price.
        said = (
            f"{{'ext_id': {self.ext_id!r}, 'direction': {self.direction!r}, "
            f"'calling_phone_number': {self.calling_phone_number!r}, 'called_phone_number': {self.called_phone_number!r}, "
            f"'start_time': {self.start_time!r}, 'finish_time': {self.finish_time!r}, "
            f"'is_lost': {self.is_lost!r}, 'is_transfer': {self.is_transfer!r}, "
            f"'wait_duration': {self.wait_duration!r}, 'talk_duration': {self.talk_duration!r}, "
            f"'attribution': {_NOTHING_NAMED if self.attribution is NOTHING_NAMED else repr(self.attribution)}, 'comment': {self.comment!r}, 'callback': {self.callback!r}, "
            f"'tags': {self.tags!r}, 'records': {records!r}}}"
        )
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountClock:
    """What an account's calls are read by: its zone and the region of its national numbers."""

    zone: ZoneInfo
    region: str


NO_CLOCK = AccountClock(zone=ZoneInfo("UTC"), region="")
"""For a repeat of what is stored, which no setting of the account refuses any more (docs/contract.md 2): no time is skipped, any national number is one."""
