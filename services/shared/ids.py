"""Ids that sort by time."""

from datetime import datetime
from uuid import UUID


def uuid7(now: datetime, random: bytes) -> str:
    """A UUID that sorts by time: 48 bits of milliseconds, then 74 of the given 10 random bytes (RFC 9562, 5.7)."""
    milliseconds = int(now.timestamp() * 1000)
    value = (milliseconds << 80) | int.from_bytes(random[:10], "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return str(UUID(int=value))
