"""Listeners who do not read, over real sockets: how many there may be, whom they hold up, and what becomes of their places."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web
from calldock.media.v1.recording_service_pb2 import GetRecordingAudioRequest
from calldock.media.v1.recording_service_pb2_grpc import RecordingServiceStub, add_RecordingServiceServicer_to_server
from grpc import aio

from services.media.http_edge import HttpEdge
from services.media.listen import Listening
from services.media.listeners import Listeners, ListeningBounds
from services.media.playback import PATH, Playback, sign
from services.media.playback_door import PlaybackDoor
from services.media.server import ROLES
from services.media.servicer import RecordingServicer
from services.shared.identity import AccountId, Identity, Role, token_sha256
from services.shared.rpc.identity import identity_guard
from services.shared.rpc.serve import Listener
from services.shared.rpc.validate import check_rules
from tests.support.makers import HandClock
from tests.support.running import free_port

KEY = b"k" * 32
NOW = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
PIECE = b"a" * 65_536
SIZE_BYTES = 512 * len(PIECE)
FEW = {"of_link": 2, "of_account": 3, "most": 4}
SOON_S = 0.5
"""How long listeners may take nothing where they are to be cut off."""
NEVER_S = 600.0
LARGE_BYTES = 1 << 20

pytestmark = pytest.mark.timeout(60)


class Intake:
    """Knows every recording."""

    async def audio_key(self, account_id: int, recording_id: int) -> str:
        return f"{account_id}/1/{recording_id}/token.mp3"


class Store:
    """Has one large object under every key, and counts what was asked of it and who still asks."""

    def __init__(self) -> None:
        self.given = 0
        self.open = 0

    def signed_url(self, key: str, method: str, lifetime: timedelta) -> None:
        return None

    async def size(self, key: str) -> int:
        return SIZE_BYTES

    async def stream(self, key: str) -> tuple[int, AsyncIterator[bytes]]:
        return SIZE_BYTES, self.part(key, 0, SIZE_BYTES)

    async def part(self, key: str, start: int, stop: int) -> AsyncIterator[bytes]:
        self.open += 1
        try:
            for begin in range(start, stop, len(PIECE)):
                piece = PIECE[: stop - begin]
                self.given += len(piece)
                yield piece
        finally:
            self.open -= 1


@asynccontextmanager
async def a_door(
    ears: "Ears", store: Any, idle_s: float = NEVER_S, *, at: str = "", **bounds: int
) -> AsyncIterator[str]:
    """Serves links at an address, by default a port, until all ears have left."""
    app, intake = web.Application(), Intake()
    listeners = Listeners(ListeningBounds(**{**FEW, **bounds}, idle_s=idle_s))
    PlaybackDoor(intake, store, listeners, KEY, HandClock(NOW)).add_routes(app)  # type: ignore[arg-type]
    edge = HttpEdge(app, drain_s=0.1)
    address = at or f"127.0.0.1:{free_port()}"
    await edge.start(address)
    try:
        yield address
    finally:
        ears.leave()
        async with asyncio.timeout(20):
            while (server := edge._runner.server) is not None and server.connections:
                await asyncio.sleep(0.01)
        await edge.drain()


def a_link(account: int, recording: int = 1) -> str:
    until = NOW + timedelta(minutes=15)
    return PATH + sign(Playback(account_id=AccountId(account), recording_id=recording, expire_time=until), KEY)


class Ear:
    """Somebody who asks by a link, and reads when told to, with little room for what comes unread."""

    def __init__(self, address: str, room_bytes: int) -> None:
        self._is_unix = address.startswith("unix:")
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX if self._is_unix else socket.AF_INET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room_bytes)
        self._socket.setblocking(False)
        self.head = ""

    async def ask(self, link: str) -> int:
        """The status that comes."""
        loop = asyncio.get_running_loop()
        host, _, port = self._address.rpartition(":")
        await loop.sock_connect(self._socket, port if self._is_unix else (host, int(port)))
        await loop.sock_sendall(self._socket, f"GET {link} HTTP/1.1\r\nhost: calldock\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await loop.sock_recv(self._socket, 1)
        self.head = head.decode().lower()
        return int(head.split()[1])

    async def take(self) -> int:
        """How many bytes of the recording come next; 0 when it ended early."""
        try:
            return len(await asyncio.get_running_loop().sock_recv(self._socket, 65_536))
        except ConnectionResetError:
            return 0

    async def hear(self) -> int:
        """Reads to the end; how many bytes came."""
        heard = 0
        while heard < SIZE_BYTES and (size := await self.take()):
            heard += size
        return heard

    def leave(self) -> None:
        self._socket.close()


class Ears:
    """All who listen in a test."""

    def __init__(self) -> None:
        self._all: list[Ear] = []

    async def ask(self, door: str, link: str, room_bytes: int = 4096) -> tuple[Ear, int]:
        ear = Ear(door, room_bytes)
        self._all.append(ear)
        return ear, await ear.ask(link)

    async def ask_until_let_in(self, door: str, link: str, room_bytes: int = 4096) -> Ear:
        async with asyncio.timeout(20):
            while True:
                ear, status = await self.ask(door, link, room_bytes)
                if status == 200:
                    return ear
                ear.leave()

    def leave(self) -> None:
        for ear in self._all:
            ear.leave()


@pytest.fixture
def ears() -> Ears:
    return Ears()


async def test_a_link_an_account_and_all_have_so_many_places_and_no_more(ears: Ears) -> None:
    async with a_door(ears, Store()) as door:
        links = [
            (a_link(1, 1), 200), (a_link(1, 1), 200), (a_link(1, 1), 429), (a_link(1, 2), 200), (a_link(1, 3), 429),
            (a_link(2), 200), (a_link(3), 429),
        ]  # fmt: skip
        asked = [(await ears.ask(door, link), expected) for link, expected in links]

        for (ear, status), expected in asked:
            assert status == expected
            assert ("\r\nretry-after: 1\r\n" in ear.head) == (expected == 429)

        ears.leave()
        for account in (4, 5, 6, 7):
            await ears.ask_until_let_in(door, a_link(account))
        assert (await ears.ask(door, a_link(8)))[1] == 429


async def test_who_takes_nothing_is_cut_off_and_another_account_has_the_place(ears: Ears) -> None:
    async with a_door(ears, Store(), SOON_S, most=2) as door:
        slow = [(await ears.ask(door, a_link(1, recording)))[0] for recording in (1, 2)]
        assert (await ears.ask(door, a_link(2)))[1] == 429

        fast = await ears.ask_until_let_in(door, a_link(2), LARGE_BYTES)

        assert await fast.hear() == SIZE_BYTES
        for ear in slow:
            assert await ear.hear() < SIZE_BYTES


async def test_who_goes_on_reading_hears_it_to_the_end_though_it_takes_longer_than_one_may_take_nothing(
    ears: Ears,
) -> None:
    loop = asyncio.get_running_loop()
    async with a_door(ears, Store(), SOON_S) as door:
        steady, _ = await ears.ask(door, a_link(1), LARGE_BYTES)
        slow_until = loop.time() + 3 * SOON_S
        heard = 0
        while heard < SIZE_BYTES and (size := await steady.take()):
            heard += size
            if loop.time() < slow_until:
                await asyncio.sleep(SOON_S / 100)

        assert heard == SIZE_BYTES
        assert loop.time() > slow_until


async def test_for_a_hundred_who_take_nothing_little_is_read_and_nothing_kept(ears: Ears, tmp_path: Path) -> None:
    store = Store()
    room = {"of_link": 100, "of_account": 100, "most": 100}
    async with a_door(ears, store, SOON_S, at=f"unix:{tmp_path}/door.sock", **room) as door:
        for _ in range(3):
            for _ in range(100):
                await ears.ask_until_let_in(door, a_link(1))
            async with asyncio.timeout(20):
                while store.open:
                    await asyncio.sleep(0.01)

        # A unix socket holds a little more than 200 KiB, and three pieces are on their way.
        assert store.given <= 300 * 512 * 1024
        assert (await ears.ask(door, a_link(2)))[1] == 200


def a_caller(account: int) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {account}"),)


async def authenticate(sha256: bytes, _acting_for: AccountId | None) -> Identity:
    account = next(each for each in range(1, 10) if token_sha256(str(each)) == sha256)
    return Identity(account_id=AccountId(account), role=Role.READ)


@asynccontextmanager
async def a_service(store: Any, idle_s: float, **bounds: int) -> AsyncIterator[RecordingServiceStub]:
    nobody: Any = None
    intake: Any = Intake()
    listeners = Listeners(ListeningBounds(**{**FEW, **bounds}, idle_s=idle_s))
    service = ("calldock.media.v1.RecordingService",)
    listener = Listener(service, [identity_guard(authenticate, ROLES)], check_rules(), stream_idle_s=idle_s)
    servicer = RecordingServicer(Listening(intake, store), listeners, nobody, nobody, nobody)
    add_RecordingServiceServicer_to_server(servicer, listener.server)
    address = f"127.0.0.1:{free_port()}"
    await listener.start([address])
    try:
        async with aio.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
            yield RecordingServiceStub(channel)
    finally:
        await listener.drain(0)


async def to_the_end(stream: Any) -> int:
    size = 0
    while (piece := await stream.read()) is not aio.EOF:
        size += len(piece.data)
    return size


async def test_a_stream_that_nobody_reads_ends_and_its_place_comes_back() -> None:
    store = Store()
    request = GetRecordingAudioRequest(recording_id=1)
    async with a_service(store, SOON_S, most=1) as service:
        slow: Any = service.GetRecordingAudio(request, metadata=a_caller(1))
        assert (await slow.read()).data == PIECE
        refused: Any = service.GetRecordingAudio(request, metadata=a_caller(2))
        assert await refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert dict(await refused.trailing_metadata())["retry-after"] == "1"

        async with asyncio.timeout(20):
            while store.open:
                await asyncio.sleep(0.01)
        heard: Any = service.GetRecordingAudio(request, metadata=a_caller(2))
        assert await to_the_end(heard) == SIZE_BYTES
        with pytest.raises(aio.AioRpcError, match=r"nothing was taken for 0\.5 s"):
            await to_the_end(slow)
        assert await slow.code() is grpc.StatusCode.DEADLINE_EXCEEDED
