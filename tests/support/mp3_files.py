"""MP3s and their tags, whole and wrong, to build the corpus from."""

import struct
import zlib
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np

from services.cli.demo.speech import RATE_HZ, conversation
from services.media.encode import encode_mp3
from services.media.id3 import id3_tag

TAG = id3_tag(datetime(2026, 11, 2, 7, tzinfo=UTC), {"ext_id": "звонок-1"})
PNG = b"\x89PNG\r\n\x1a\n"
ID3V1 = b"TAG" + b"speech".ljust(125, b"\0")
_COMPRESSED = 0x0009


@lru_cache(maxsize=32)
def mp3_frames(seconds: float = 3, *, rate: int = RATE_HZ, channels: int = 2) -> bytes:
    """Speech as MP3 frames without a tag. At another rate than 8000 Hz it is that much faster."""
    return encode_mp3(np.ascontiguousarray(conversation(seconds * rate / RATE_HZ)[:channels]), rate)


def id3(frames: bytes = b"", *, version: int = 4, flags: int = 0, size: int | None = None) -> bytes:
    """An ID3v2 tag of the frames; its size can lie."""
    return b"ID3" + bytes([version, 0, flags]) + synchsafe(len(frames) if size is None else size) + frames


def id3_frame(name: bytes, content: bytes, *, version: int = 4, flags: int = 0) -> bytes:
    """A frame of an ID3v2 tag."""
    if version == 2:
        return name + struct.pack(">I", len(content))[1:] + content
    size = synchsafe(len(content)) if version == 4 else struct.pack(">I", len(content))
    return name + size + struct.pack(">H", flags) + content


def noise_bytes(count: int, seed: int = 2) -> bytes:
    """Bytes of every value, the same each time."""
    return np.random.default_rng(seed).bytes(count)


def many_facts() -> bytes:
    """A tag of frames with a name each: a list of names that is searched for each of them takes long."""
    return id3(b"".join(id3_frame(b"PRIV", b"owner %d\0x" % number) for number in range(100_000)))


def art(picture: bytes) -> bytes:
    """A picture."""
    return id3_frame(b"APIC", picture)


def bomb(unpacked_bytes: int, declared_bytes: int) -> bytes:
    """A picture that is packed, with the size that it says it unpacks to (ID3v2.4.0 structure, 4.1.2)."""
    picture = zlib.compress((b"\0image/png\0\3\0" + PNG).ljust(unpacked_bytes, b"\0"), 9)
    return id3_frame(b"APIC", synchsafe(declared_bytes) + picture, flags=_COMPRESSED)


def ape() -> bytes:
    """An APEv2 tag of one item."""
    item = struct.pack("<II", 6, 0) + b"Title\0speech"
    head, foot = (
        b"APETAGEX" + struct.pack("<IIII", 2000, len(item) + 32, 1, flags) + bytes(8)
        for flags in (0xA0000000, 0x80000000)
    )
    return head + item + foot


def xing(name: bytes, frames: int, size: int) -> bytes:
    """A frame without sound that says how many follow: it lies behind the side information, of 17 bytes at 8000 Hz in stereo."""
    head = mp3_frames()[:4] + bytes(17) + name + struct.pack(">III", 3, frames, size)
    return head.ljust(288, b"\0")


def each_frame(keep: int, put: int) -> bytes:
    """The third byte of each frame head changed: bit rate, sample rate and padding. Frames of 32 kbit/s at 8000 Hz have 288 bytes."""
    frames = bytearray(mp3_frames())
    for start in range(0, len(frames), 288):
        frames[start + 2] = frames[start + 2] & keep | put
    return bytes(frames)


def synchsafe(number: int) -> bytes:
    """28 bits in four bytes whose top bits are zero (ID3v2.4.0 structure, 6.2)."""
    return bytes((number >> shift) & 0x7F for shift in (21, 14, 7, 0))
