"""The tag before an MP3 that says which call it is (ID3v2.4.0, id3.org)."""

from collections.abc import Mapping
from datetime import datetime

_UTF8 = b"\x03"


def id3_tag(recorded: datetime, facts: Mapping[str, str]) -> bytes:
    """An ID3v2.4 tag: TDRC with the moment, a TXXX frame for each named fact."""
    frames = _frame(b"TDRC", _UTF8 + recorded.strftime("%Y-%m-%dT%H:%M:%S").encode())
    for name, text in facts.items():
        frames += _frame(b"TXXX", _UTF8 + name.encode() + b"\0" + text.encode("utf-8", "replace"))
    return b"ID3\x04\x00\x00" + _synchsafe(len(frames)) + frames


def _frame(name: bytes, content: bytes) -> bytes:
    return name + _synchsafe(len(content)) + b"\0\0" + content


def _synchsafe(number: int) -> bytes:
    """28 bits in four bytes whose top bits are zero (ID3v2.4.0 structure, 6.2)."""
    return bytes((number >> shift) & 0x7F for shift in (21, 14, 7, 0))
