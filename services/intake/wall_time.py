"""The account's clock: `YYYY-MM-DD hh:mm:ss` in its zone, to a moment in UTC and back (docs/contract.md 3)."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")

_NO_OFFSET = timedelta(0)

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
    if _WRITTEN.fullmatch(text) is None:
        raise BadTime("not a time: YYYY-MM-DD hh:mm:ss is due")
    try:
        wall = datetime.fromisoformat(text)
        before = zone.utcoffset(wall) or _NO_OFFSET
        after = zone.utcoffset(wall.replace(fold=1)) or _NO_OFFSET
        moment = (wall - before).replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise BadTime("there is no such date or time") from error
    # A time that the clocks skip is read by the offset of before, and with `fold` by the greater one of after; one that occurs twice by a smaller one (PEP 495).
    if before < after:
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
