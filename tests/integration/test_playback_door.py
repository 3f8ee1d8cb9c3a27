"""The HTTP edge of playback over a real socket, in front of a store that a test has in its hands."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from services.media.http_edge import HttpEdge
from services.media.listeners import Listeners, ListeningBounds
from services.media.playback import PATH, Playback, sign
from services.media.playback_door import PlaybackDoor
from services.shared.errors import Trouble
from services.shared.identity import AccountId
from tests.support.makers import HandClock

KEY = b"k" * 32
NOW = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
SIZE_BYTES = 10_000_000


class Intake:
    """Knows every recording."""

    async def audio_key(self, account_id: int, recording_id: int) -> str:
        return f"{account_id}/1/{recording_id}/token.mp3"


class Store:
    """Gives a little of each object, then waits or breaks off."""

    def __init__(self, *, breaks: bool) -> None:
        self._breaks = breaks

    def signed_url(self, key: str, method: str, lifetime: timedelta) -> None:
        return None

    async def size(self, key: str) -> int:
        return SIZE_BYTES

    async def part(self, key: str, start: int, stop: int) -> AsyncIterator[bytes]:
        yield b"a" * 1000
        if self._breaks:
            raise Trouble("the file went in the middle")
        await asyncio.Event().wait()


@asynccontextmanager
async def a_door(folder: Path, store: Any) -> AsyncIterator[Path]:
    """Serves links at a socket."""
    app, intake = web.Application(), Intake()
    listeners = Listeners(ListeningBounds(of_link=8, of_account=50, most=200, idle_s=60.0))
    PlaybackDoor(intake, store, listeners, KEY, HandClock(NOW)).add_routes(app)  # type: ignore[arg-type]
    edge = HttpEdge(app, drain_s=0.1)
    await edge.start(f"unix:{folder}/door.sock")
    try:
        yield folder / "door.sock"
    finally:
        await edge.drain()


def a_link(account: int = 1, recording: int = 1) -> str:
    until = NOW + timedelta(minutes=15)
    return PATH + sign(Playback(account_id=AccountId(account), recording_id=recording, expire_time=until), KEY)


async def ask(socket: Path, link: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(f"GET {link} HTTP/1.1\r\nhost: calldock\r\n\r\n".encode())
    return reader, writer


@pytest.mark.timeout(20)
async def test_what_breaks_off_ends_its_connection_and_says_nothing_amid_the_audio(tmp_path: Path) -> None:
    async with a_door(tmp_path, Store(breaks=True)) as socket:
        reader, writer = await ask(socket, a_link())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            heard = bytearray()
            try:
                while piece := await reader.read(65536):
                    heard += piece
            except ConnectionResetError:
                pass
        finally:
            writer.close()

    assert head.startswith(b"HTTP/1.1 200 ")
    # How much comes before the reset is the system's affair.
    assert not heard.strip(b"a")
