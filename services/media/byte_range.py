"""One range of bytes of a file, as a request names it (RFC 9110, 14)."""

import re
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from `start` up to but without `stop`."""

    start: int
    stop: int


class NotSatisfiable(Exception):
    """The file has no byte of the range."""


def read_range(header: str, size_bytes: int) -> Part | None:
    """The part that a Range header asks for; None for what is answered with the whole file: no range, one that is malformed, several.

    Raises NotSatisfiable.
    """
    found = _ONE_RANGE.fullmatch(header.strip())
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        start, stop = max(0, size_bytes - int(suffix)), size_bytes
    else:
        start, stop = int(first), min(size_bytes, int(last) + 1) if last else size_bytes
        if last and int(last) < start:
            return None
    if start >= stop:
        raise NotSatisfiable
    return Part(start, stop)
