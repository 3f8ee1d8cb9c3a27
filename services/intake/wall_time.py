"""The account's clock: `YYYY-MM-DD hh:mm:ss` in its zone, to a moment in UTC and back (docs/contract.md 3)."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_WRITTEN = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})")

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)
"""Moments outside are nobody's call, and leave room for every zone's offset."""


class BadTime(ValueError):
    """The text is no time on this clock; the message says why."""


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo | None:
    """The IANA zone of this name; None when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def to_moment(text: str, zone: ZoneInfo) -> datetime:
    """The moment of a wall-clock time, in UTC. A time that occurs twice is the earlier one.

    Raises BadTime for another format, a date that does not exist, a time that the clocks skip, and years outside 1970-9998.
    """
    match = _WRITTEN.fullmatch(text)
    if match is None or not text.isascii():
        raise BadTime("not a time: YYYY-MM-DD hh:mm:ss is due")
    try:
        year, month, day, hour, minute, second = map(int, match.groups())
        wall = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        moment = wall.astimezone(UTC)
        came_back = moment.astimezone(zone)
    except (ValueError, OverflowError) as error:
        raise BadTime("there is no such date or time") from error
    if came_back.replace(tzinfo=None) != wall.replace(tzinfo=None):
        raise BadTime(f"this time does not exist in {zone.key}: the clocks went forward over it")
    return check_moment(moment)


def check_moment(moment: datetime) -> datetime:
    """The moment itself. Raises BadTime when it is outside 1970-9998 or has a fraction of a second."""
    if not EARLIEST <= moment <= LATEST:
        raise BadTime("the year is outside 1970-9998")
    if moment.microsecond:
        raise BadTime("times are whole seconds")
    return moment


def to_wall(moment: datetime, zone: ZoneInfo) -> str:
    """The moment on the account's clock."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
