"""The circuit breaker of a receiver: one that fails again and again is left alone for growing pauses, and then tried with one notification at a time.

A receiver is a host as one account uses it, so that no account's links can pause another's. Nothing is dropped while it is paused, and waiting is no attempt.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.notify.notification import Attempt, AttemptOutcome
from services.notify.schedule import TOO_MANY, UNAVAILABLE
from services.shared.backoff import exponential

LONGEST_PAUSE = timedelta(minutes=10)
_FIRST_5XX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """`failures` in a row pause a receiver for `first_pause`, doubled with each probe that fails, up to ten minutes."""

    failures: int = 5
    first_pause: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverHealth:
    """How a receiver stands. `failures` in a row; `probe_time` is set while it is paused: from then on one notification at a time is tried. `pauses` counts those in a row."""

    failures: int = 0
    failing_since: datetime | None = None
    reason: str = ""
    pauses: int = 0
    probe_time: datetime | None = None
    last_delivered_time: datetime | None = None

    def room(self, most: int, now: datetime) -> int:
        """How many of up to `most` notifications may be under way to it."""
        if self.probe_time is None:
            return most
        return 1 if self.probe_time <= now else 0


def is_receivers_failure(attempt: Attempt) -> bool:
    """True for what says that the host itself does not work: no connection, no answer in time, 5xx, 429. Another status is the link's."""
    status = attempt.http_status
    if attempt.outcome is AttemptOutcome.HTTP_STATUS and status is not None:
        return status >= _FIRST_5XX or status == TOO_MANY
    return attempt.outcome in (AttemptOutcome.TIMEOUT, AttemptOutcome.CONNECTION)


def after(health: ReceiverHealth, attempt: Attempt, rules: BreakerRules, now: datetime) -> ReceiverHealth:
    """How the receiver stands after an attempt."""
    if attempt.outcome is AttemptOutcome.DELIVERED:
        return ReceiverHealth(last_delivered_time=now)
    if attempt.outcome in (AttemptOutcome.ADDRESS_REFUSED, AttemptOutcome.INTERNAL):
        return health
    if not is_receivers_failure(attempt):
        return ReceiverHealth(last_delivered_time=health.last_delivered_time)
    failed = replace(
        health,
        failures=health.failures + 1,
        failing_since=health.failing_since or attempt.attempt_time,
        reason=attempt.reason,
    )
    asked = None
    if attempt.retry_after_s is not None and attempt.http_status in (TOO_MANY, UNAVAILABLE):
        asked = timedelta(seconds=attempt.retry_after_s)
    if health.probe_time is not None and attempt.attempt_time < health.probe_time:
        # It was under way when the pause began: no probe, and so no step to longer pauses.
        return failed if asked is None else _paused(failed, asked, now, pauses=health.pauses)
    if asked is not None:
        return _paused(failed, asked, now, pauses=health.pauses + 1)
    if health.probe_time is None and failed.failures < rules.failures:
        return failed
    pauses = health.pauses + 1
    return _paused(failed, exponential(pauses, rules.first_pause, LONGEST_PAUSE), now, pauses=pauses)


def _paused(health: ReceiverHealth, pause: timedelta, now: datetime, *, pauses: int) -> ReceiverHealth:
    probe_time = now + min(pause, LONGEST_PAUSE)
    if health.probe_time is not None:
        probe_time = max(probe_time, health.probe_time)
    return replace(health, pauses=pauses, probe_time=probe_time)
