"""When a notification is tried again (docs/contract.md 7; the intervals are those of the Standard Webhooks specification)."""

from collections.abc import Sequence
from datetime import timedelta

STANDARD_SCHEDULE_S = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""Pauses in seconds after each failed attempt: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h. After the last comes the burial."""


def pause_after(failures: int, schedule_s: Sequence[float]) -> timedelta | None:
    """The pause after so many failed attempts (1 or more); None when it is given up."""
    return timedelta(seconds=schedule_s[failures - 1]) if failures <= len(schedule_s) else None
