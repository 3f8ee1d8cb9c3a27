"""Bytes that travel between our own processes over a socket: a length, then as many bytes."""

import struct
from asyncio import StreamReader
from collections.abc import Iterator

MOST_BYTES = 64 * 1024 * 1024

_LENGTH = struct.Struct(">I")


def frame(data: bytes) -> bytes:
    """The bytes as they travel."""
    return _LENGTH.pack(len(data)) + data


async def read_frame(reader: StreamReader) -> bytes:
    """The bytes of the next frame. Raises IncompleteReadError at the end, ValueError for what is no frame."""
    length = _length(await reader.readexactly(_LENGTH.size))
    return await reader.readexactly(length)


class Frames:
    """The frames of what a socket gave, piece by piece."""

    def __init__(self) -> None:
        self._left = bytearray()

    def of(self, piece: bytes) -> Iterator[bytes]:
        """Those that are whole with this piece. Raises ValueError for what is no frame."""
        self._left += piece
        while len(self._left) >= _LENGTH.size:
            end = _LENGTH.size + _length(bytes(self._left[: _LENGTH.size]))
            if len(self._left) < end:
                return
            data = bytes(self._left[_LENGTH.size : end])
            del self._left[:end]
            yield data


def _length(head: bytes) -> int:
    (length,) = _LENGTH.unpack(head)
    if length > MOST_BYTES:
        raise ValueError(f"a frame of {length} bytes")
    return int(length)
