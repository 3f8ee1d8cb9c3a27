"""Moments and spans of time as a person types and reads them: `2026-11-02T10:00:00Z`, `30m`, `3d`."""

import re
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

_SPAN = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def span_of(text: str) -> timedelta:
    """A span such as 90s, 30m, 24h or 3d; 0 needs no unit. Raises ValueError."""
    if text == "0":
        return timedelta()
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text} is no span of time such as 30m, 2h or 3d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def moment_of(text: str, now: datetime) -> datetime:
    """An ISO 8601 moment, in UTC when it names no zone, or a span back from now. Aware, in UTC. Raises ValueError."""
    try:
        if _SPAN.fullmatch(text):
            return now - span_of(text)
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        due = "2026-11-02T10:00:00Z, nor a span back from now such as 30m, 2h or 3d"
        raise ValueError(f"{text} is no moment such as {due}") from error


def shown(moment: Timestamp) -> str:
    """A moment as tables have it: `2026-11-02 10:00:00`, in UTC."""
    return moment.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")
