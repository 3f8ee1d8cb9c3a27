"""What travels between our own processes comes as it went, however it is cut on the way."""

import asyncio
import struct

import pytest

from services.shared.frames import MOST_BYTES, Frames, frame, read_frame

SENT = [b"", b"one", b"\0" * 70_000, b"last"]


def reading(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=2**20)
    reader.feed_data(data)
    reader.feed_eof()
    return reader


async def test_frames_are_read_one_after_the_other() -> None:
    reader = reading(b"".join(map(frame, SENT)))

    assert [await read_frame(reader) for _ in SENT] == SENT


@pytest.mark.parametrize("size", [1, 3, 4, 5, 4096, 100_000])
def test_frames_come_out_of_pieces_of_any_size(size: int) -> None:
    data = b"".join(map(frame, SENT))
    frames = Frames()

    assert [each for start in range(0, len(data), size) for each in frames.of(data[start : start + size])] == SENT


@pytest.mark.parametrize("data", [b"", b"\0\0", struct.pack(">I", 5) + b"[]"])
async def test_a_frame_that_is_cut_ends_the_reading(data: bytes) -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        await read_frame(reading(data))
    assert list(Frames().of(data)) == []


async def test_a_frame_that_is_too_long_is_not_waited_for() -> None:
    data = struct.pack(">I", MOST_BYTES + 1)

    with pytest.raises(ValueError, match="a frame of"):
        await read_frame(reading(data))
    with pytest.raises(ValueError, match="a frame of"):
        list(Frames().of(data))
