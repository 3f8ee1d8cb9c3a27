"""Values that a test does not care about: each maker takes what it does care about by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.intake.account import NewAccount
from services.intake.call import AccountClock, CheckedCall
from services.intake.call_rules import check_call
from services.intake.draft import CallbackDraft, CallDraft, EmployeeChannel, ReadDraft, RecordDraft
from services.intake.retention import RetentionDefaults
from services.intake.status import CallEvent, UploadedCall

MOSCOW = AccountClock(zone=ZoneInfo("Europe/Moscow"), region="RU")
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


AT_ONCE = RetentionDefaults(sources=timedelta(0), ext_ids=timedelta(days=365), unchanged=timedelta(0))
"""Downloaded files go as soon as their call has ended."""


def a_draft(**fields: Any) -> CallDraft:
    """A good inbound call without recordings."""
    values: dict[str, Any] = {
        "ext_id": "call-1",
        "calling_phone_number": "+79262444397",
        "called_phone_number": "+74955140576",
        "start_time": "2026-11-02 10:00:00",
        "finish_time": "2026-11-02 10:01:00",
        "is_lost": False,
    }
    return CallDraft(**{**values, **fields})


@dataclass(frozen=True)
class SentDrafts:
    """The calls of a request, read already: what a door hands over."""

    drafts: Sequence[CallDraft]
    size_bytes: int = 100

    @property
    def count(self) -> int:
        return len(self.drafts)

    def read(self) -> list[ReadDraft]:
        return [ReadDraft(draft, []) for draft in self.drafts]

    def answer(self, uploaded: Sequence[UploadedCall]) -> Sequence[UploadedCall]:
        return uploaded


def a_wav_record(**fields: Any) -> RecordDraft:
    """A good entry of wav_records."""
    values: dict[str, Any] = {
        "employee_name": "Anna Petrova",
        "employee_channel": EmployeeChannel.LEFT,
        "record_url": "https://records.example.com/1.wav",
    }
    return RecordDraft(**{**values, **fields})


def a_callback(**fields: Any) -> CallbackDraft:
    """A callback that asks for everything."""
    values: dict[str, Any] = {"url": "https://crm.example.com/hook", "events": list(CallEvent)}
    return CallbackDraft(**{**values, **fields})


def a_checked_call(index: int = 0, **fields: Any) -> CheckedCall:
    """A good call that has passed its own rules."""
    call, refusals = check_call(a_draft(**fields), index, MOSCOW)
    assert call is not None, refusals
    return call


def a_new_account(**fields: Any) -> NewAccount:
    """An account with voice analysis in Moscow."""
    values: dict[str, Any] = {"name": "Acme", "time_zone": "Europe/Moscow", "region": "RU", "has_voice_analysis": True}
    return NewAccount(**{**values, **fields})


def a_json_call(**fields: Any) -> dict[str, Any]:
    """A good inbound call in the contract's JSON, without recordings. A field given as `...` is left out."""
    values = {
        "ext_id": "call-1",
        "calling_phone_number": "89262444397",
        "called_phone_number": "74955140576",
        "start_time": "2026-11-02 10:00:00",
        "finish_time": "2026-11-02 10:01:00",
        "is_lost": False,
        **fields,
    }
    return {name: value for name, value in values.items() if value is not ...}


class HandClock:
    """A clock that stands, until it is set."""

    def __init__(self, now: datetime = NOON) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def set(self, now: datetime) -> None:
        self._now = now

    def monotonic(self) -> float:
        return 0.0
