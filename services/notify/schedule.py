"""When a notification is tried again (docs/contract.md 7; the intervals are those of the Standard Webhooks specification)."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.notify.notification import Attempt, AttemptOutcome, NotificationStatus
from services.shared.backoff import jittered

STANDARD_SCHEDULE_S = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""Pauses in seconds after each failed attempt: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h. After the last comes the burial."""
LONGEST_RETRY_AFTER_S = 86_400.0
"""A receiver is not obeyed beyond a day."""
GONE, TOO_MANY, UNAVAILABLE = 410, 429, 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What follows an attempt: an end, or the next attempt's time."""

    status: NotificationStatus
    next_attempt_time: datetime | None = None
    bury_reason: str = ""


def step_after(attempt: Attempt, failures: int, schedule_s: Sequence[float], now: datetime, rng: random.Random) -> Step:
    """What follows the attempt that was the `failures`-th to fail (1 or more), unless it delivered.

    A receiver that asks for more time gets it, up to a day; nobody is tried sooner than the schedule says.
    """
    if attempt.outcome is AttemptOutcome.DELIVERED:
        return Step(status=NotificationStatus.DELIVERED)
    if attempt.http_status == GONE:
        return Step(status=NotificationStatus.BURIED, bury_reason="the receiver answered 410: it is gone for good")
    pause = pause_after(failures, schedule_s)
    if pause is None:
        times = "once" if failures == 1 else f"{failures} times"
        return Step(status=NotificationStatus.BURIED, bury_reason=f"failed {times}; the last time: {attempt.reason}")
    pause = jittered(pause, rng)
    if attempt.retry_after_s is not None and attempt.http_status in (TOO_MANY, UNAVAILABLE):
        pause = max(pause, timedelta(seconds=min(attempt.retry_after_s, LONGEST_RETRY_AFTER_S)))
    return Step(status=NotificationStatus.WAITING, next_attempt_time=now + pause)


def pause_after(failures: int, schedule_s: Sequence[float]) -> timedelta | None:
    """The pause after so many failed attempts (1 or more); None when it is given up."""
    return timedelta(seconds=schedule_s[failures - 1]) if failures <= len(schedule_s) else None


def whole_schedule(schedule_s: Sequence[float]) -> timedelta:
    """How long a notification is tried for."""
    return timedelta(seconds=sum(schedule_s))
