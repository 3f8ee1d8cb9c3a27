"""Notifications in the making: what a change of status announces, to whom, in which order (docs/contract.md 7)."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.intake.status import CallEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """Events of one call that its receiver may want to hear. `event_seq` is the seq of the call's last notification so far."""

    call_session_id: int
    account_id: int
    ext_id: str
    callback_url: str | None
    asked: Sequence[str]
    event_seq: int
    events: Sequence[CallEvent]
    error_code: str | None = None
    error_message: str = ""
    traceparent: str | None = None

    @property
    def told(self) -> list[CallEvent]:
        """Those of the events that the receiver asked for."""
        return [event for event in self.events if event in self.asked] if self.callback_url else []

    @property
    def seq_after(self) -> int:
        """The seq of the call's last notification once these are told."""
        return self.event_seq + len(self.told)
