"""A notification on its way, and how one attempt to post it ended."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from services.notify.payload import Event
from services.shared.host_port import host_port_of


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
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DueNotification:
    """A call's next notification, to be posted now. `attempts` counts those so far; `failures` those since it was enqueued or last redelivered."""

    notification_id: str
    account_id: int
    receiver_id: int
    call_session_id: int
    url: str
    body: str
    attempts: int
    failures: int
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One POST: when it began, how long it took, how it ended. `answer_head` is the head of the receiver's answer; `retry_after_s` what it asked for."""

    attempt_time: datetime
    latency_ms: int
    outcome: AttemptOutcome
    http_status: int | None = None
    reason: str = ""
    answer_head: str = field(default="", repr=False)
    retry_after_s: float | None = None


@lru_cache(maxsize=4096)
def receiver_host(url: str) -> str:
    """Who a link means: its host in one spelling, with its port where it is not 443. Empty for a link that nothing can be posted to."""
    return str(host_port_of(url, ("http", "https")) or "")
