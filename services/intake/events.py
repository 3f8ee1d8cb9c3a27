"""Notifications in the making: what a change of status announces, to whom, in which order (docs/contract.md 7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

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

    @property
    def told(self) -> list[CallEvent]:
        """Those of the events that the receiver asked for."""
        return [event for event in self.events if event in self.asked] if self.callback_url else []

    @property
    def seq_after(self) -> int:
        """The seq of the call's last notification once these are told."""
        return self.event_seq + len(self.told)


def uuid7(now: datetime, random: bytes) -> str:
    """A UUID that sorts by time: 48 bits of milliseconds, then 74 of the given 10 random bytes (RFC 9562, 5.7)."""
    milliseconds = int(now.timestamp() * 1000)
    value = (milliseconds << 80) | int.from_bytes(random[:10], "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return str(UUID(int=value))
