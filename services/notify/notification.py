"""A notification on its way, and how one attempt to post it ended."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.notify.payload import Event


class NotificationStatus(StrEnum):
    """Proto `NotificationStatus`."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    BURIED = "buried"


class AttemptOutcome(StrEnum):
    """Proto `AttemptOutcome`."""

    DELIVERED = "delivered"
    HTTP_STATUS = "http_status"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    ADDRESS_REFUSED = "address_refused"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotification:
    """A notification as intake hands it over."""

    notification_id: str
    account_id: int
    seq: int
    previous_seq: int
    url: str
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class DueNotification:
    """A call's next notification, to be posted now. `failures` counts the attempts so far."""

    notification_id: str
    account_id: int
    call_session_id: int
    url: str
    body: str
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One POST: when it began, how long it took, how it ended."""

    attempt_time: datetime
    latency_ms: int
    outcome: AttemptOutcome
    http_status: int | None = None
    reason: str = ""
