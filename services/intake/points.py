"""Points: what an account may spend in a minute and in a day (docs/contract.md 8)."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from services.shared.errors import Mnemonic, Refusal

UPLOAD_POINTS = 5
METHOD_POINTS = 1
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many points an account may spend; None: as many as it likes."""

    minute: int | None = None
    day: int | None = None

    @property
    def are_set(self) -> bool:
        """True when there is a limit at all."""
        return self.minute is not None or self.day is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What an account has spent in the minute and in the day that began at these moments."""

    minute_time: datetime
    minute_points: int
    day_time: datetime
    day_points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsLeft:
    """The contract's `metadata.limits`: points, and whole seconds until a count begins anew."""

    day_limit: int | None
    day_remaining: int | None
    day_reset: int | None
    minute_limit: int | None
    minute_remaining: int | None
    minute_reset: int | None


def spend(limits: Limits, spent: Spent | None, points: int, now: datetime, zone: ZoneInfo) -> Spent:
    """What is spent after a request of so many points. Raises Refusal limit_exceeded, which says when to come again; the day before the minute."""
    current = _current(spent, now, zone)
    for limit_type, limit, used, end in (
        ("day", limits.day, current.day_points, _day_end(current.day_time, zone)),
        ("minute", limits.minute, current.minute_points, current.minute_time + MINUTE),
    ):
        if limit is not None and used + points > limit:
            raise Refusal(
                Mnemonic.LIMIT_EXCEEDED,
                why=f"{used} of {limit} points a {limit_type} are spent, the request costs {points}",
                params={"limit_type": limit_type, "limit_max_value": str(limit)},
                retry_after_s=_seconds_until(end, now),
            )
    return _with(current, points)


def refund(spent: Spent | None, points: int, spend_time: datetime, zone: ZoneInfo) -> Spent | None:
    """What is spent when a request that took points at `spend_time` is not to count. What was taken in a minute or a day that is over stays there."""
    if spent is None:
        return None
    then = _current(None, spend_time, zone)
    minute = points if then.minute_time == spent.minute_time else 0
    day = points if then.day_time == spent.day_time else 0
    return Spent(
        minute_time=spent.minute_time,
        minute_points=max(0, spent.minute_points - minute),
        day_time=spent.day_time,
        day_points=max(0, spent.day_points - day),
    )


def left(limits: Limits, spent: Spent, now: datetime, zone: ZoneInfo) -> LimitsLeft:
    """What is left of the limits."""
    has_day, has_minute = limits.day is not None, limits.minute is not None
    return LimitsLeft(
        day_limit=limits.day,
        day_remaining=None if limits.day is None else max(0, limits.day - spent.day_points),
        day_reset=_seconds_until(_day_end(spent.day_time, zone), now) if has_day else None,
        minute_limit=limits.minute,
        minute_remaining=None if limits.minute is None else max(0, limits.minute - spent.minute_points),
        minute_reset=_seconds_until(spent.minute_time + MINUTE, now) if has_minute else None,
    )


def _current(spent: Spent | None, now: datetime, zone: ZoneInfo) -> Spent:
    """The count of the running minute and day: nothing when they have just begun."""
    minute_time = now.replace(second=0, microsecond=0)
    day_time = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    return Spent(
        minute_time=minute_time,
        minute_points=spent.minute_points if spent and spent.minute_time == minute_time else 0,
        day_time=day_time,
        day_points=spent.day_points if spent and spent.day_time == day_time else 0,
    )


def _with(spent: Spent, points: int) -> Spent:
    return Spent(
        minute_time=spent.minute_time,
        minute_points=spent.minute_points + points,
        day_time=spent.day_time,
        day_points=spent.day_points + points,
    )


def _day_end(day_time: datetime, zone: ZoneInfo) -> datetime:
    """The next midnight on the account's clock: a day of 23 or 25 hours is one day."""
    tomorrow = day_time.astimezone(zone).date() + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone).astimezone(UTC)


def _seconds_until(end: datetime, now: datetime) -> int:
    return max(0, math.ceil((end - now).total_seconds()))
