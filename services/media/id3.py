"""Tags before an MP3 (ID3v2.4.0 structure, id3.org): the one of ours that says which call it is, and where those of others end."""

from collections.abc import Mapping
from datetime import datetime

_UTF8 = b"\x03"
_HEADER_BYTES = 10
_HAS_FOOTER = 0x10


def id3_tag(recorded: datetime, facts: Mapping[str, str]) -> bytes:
    """An ID3v2.4 tag: TDRC with the moment, a TXXX frame for each named fact."""
    frames = _frame(b"TDRC", _UTF8 + recorded.strftime("%Y-%m-%dT%H:%M:%S").encode())
    for name, text in facts.items():
        frames += _frame(b"TXXX", _UTF8 + name.encode() + b"\0" + text.encode("utf-8", "replace"))
    return b"ID3\x04\x00\x00" + _synchsafe(len(frames)) + frames


class BadTag(Exception):
    """A tag cannot be passed over; the message says why, in words that begin in lower case."""


def tags_end(data: bytes) -> int:
    """Where the tags at the beginning of a file end, whatever is in them; 0 when there are none. Raises BadTag for one that is longer than the file."""
    at = 0
    while data[at : at + 3] == b"ID3":
        header = data[at : at + _HEADER_BYTES]
        if len(header) < _HEADER_BYTES or max(header[6:]) > 0x7F:
            raise BadTag("the ID3 tag has no length")
        size = 0
        for byte in header[6:]:
            size = size << 7 | byte
        end = at + _HEADER_BYTES + size + (_HEADER_BYTES if header[5] & _HAS_FOOTER else 0)
        if end > len(data):
            raise BadTag(f"the ID3 tag is longer than the file: {end - at:,} bytes, {len(data) - at:,} are there")
        at = end
    return at


def _frame(name: bytes, content: bytes) -> bytes:
    return name + _synchsafe(len(content)) + b"\0\0" + content


def _synchsafe(number: int) -> bytes:
    """28 bits in four bytes whose top bits are zero (ID3v2.4.0 structure, 6.2)."""
    return bytes((number >> shift) & 0x7F for shift in (21, 14, 7, 0))
