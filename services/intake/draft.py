"""A call as it came (docs/contract.md 1): what the doors make of a request and `call_rules` checks.

A draft holds what came, already of the right type. A door that could not read a value leaves it out and says so by a refusal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeVar

from services.intake.attribution import NOTHING_NAMED, Attribution
from services.intake.status import CallEvent, UploadedCall
from services.shared.errors import Path, Refusal

A = TypeVar("A", covariant=True)


class Direction(StrEnum):
    """Which side dialled."""

    IN = "in"
    OUT = "out"


class EmployeeChannel(StrEnum):
    """The channel of a WAV that carries the employee."""

    LEFT = "left"
    RIGHT = "right"


class RecordingFormat(StrEnum):
    """What kind of file a recording is."""

    WAV = "wav"
    MP3 = "mp3"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A word where one of a few was due; `raw` is what came."""

    raw: object


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackDraft:
    """Who is to be told, as it came."""

    url: str | None = None
    events: Sequence[CallEvent | Unknown] | None = None


class TagDraft(NamedTuple):
    """A tag as it came."""

    tag_id: int | None = None
    tag_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDraft:
    """An entry of wav_records or mp3_records as it came."""

    employee_id: int | None = None
    employee_name: str | None = None
    employee_channel: EmployeeChannel | Unknown | None = None
    record_url: str | None = None


class CallDraft(NamedTuple):
    """A call as it came. None is a field that did not come; a time is a moment, or text on the account's clock."""

    ext_id: str | None = None
    direction: Direction | Unknown | None = None
    calling_phone_number: str | None = None
    called_phone_number: str | None = None
    start_time: datetime | str | None = None
    finish_time: datetime | str | None = None
    is_lost: bool | None = None
    is_transfer: bool | None = None
    wait_duration: timedelta | None = None
    talk_duration: timedelta | None = None
    attribution: Attribution = NOTHING_NAMED
    comment: str | None = None
    callback: CallbackDraft | None = None
    tags: Sequence[TagDraft] = ()
    wav_records: Sequence[RecordDraft] = ()
    mp3_records: Sequence[RecordDraft] = ()


class ReadDraft(NamedTuple):
    """A call as far as it could be read, and what could not be."""

    draft: CallDraft
    refusals: Sequence[Refusal] = ()

    @property
    def unread(self) -> list[Path]:
        """The paths that were refused."""
        return [refusal.path for refusal in self.refusals]


class SentCalls(Protocol[A]):
    """The calls of a request as their door has them. They are read and answered where they are judged, which may be in another process: whatever implements this can be pickled."""

    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def size_bytes(self) -> int:
        """About what they take on their way to where they are read."""

    def read(self) -> Sequence[ReadDraft]:
        """The calls as far as they can be read, in their order."""

    def answer(self, uploaded: Sequence[UploadedCall]) -> A:
        """What the door is given when the calls are stored; it can be pickled too, and is no exception."""
