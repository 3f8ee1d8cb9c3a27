"""Receivers that fail at random, verify every signature, and keep a log of all that came; in a process of their own."""

import asyncio
import base64
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from benchmarks.notifying import serving

ANSWERS = {
    "204": (0.66, b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"),
    "200": (0.10, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n<garbage>"),
    "500": (0.08, b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"),
    "503": (0.05, b"HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n"),
    "302": (0.04, b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n"),
    "reset": (0.05, b""),
    "hang": (0.02, b""),
}
"""What is done with a request, how often, and the answer that is written."""
TAKEN = ("204", "200")


@dataclass(frozen=True, slots=True)
class Request:
    """A POST that came whole: the notification, call and place that it tells of, what was done with it, whether all signatures were right, and whether others came by its connection before."""

    notification_id: str
    call: str
    seq: int
    done: str
    is_signed: bool
    is_on_used: bool

    @property
    def is_taken(self) -> bool:
        """True when it was answered 2xx."""
        return self.done in TAKEN


@dataclass(frozen=True, slots=True)
class FlakyReceivers:
    """Their ports, and how to ask what came."""

    ports: Sequence[int]
    orders: "Connection[Any, Any]"

    def log(self) -> list[Request]:
        """All that came so far, in the order in which it came."""
        self.orders.send("log")
        found: list[Request] = self.orders.recv()
        return found

    def open(self) -> int:
        """How many connections are open."""
        self.orders.send("open")
        found: int = self.orders.recv()
        return found

    def taken(self) -> int:
        """How many notifications were answered 2xx at least once."""
        self.orders.send("taken")
        found: int = self.orders.recv()
        return found


@contextmanager
def flaky_receivers(number: int, secret: str, public_key: str, seed: int) -> Iterator[FlakyReceivers]:
    """So many receivers that hold the account's secret and public key."""
    with serving(_serve, number, secret, public_key, seed) as orders:
        yield FlakyReceivers(orders.recv(), orders)


class _Book:
    """The log, and what is done next."""

    def __init__(self, secret: str, public_key: str, seed: int) -> None:
        self._webhook = Webhook(secret)
        self._key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
        self._rng = random.Random(seed)
        self.log: list[Request] = []
        self.taken: set[str] = set()
        self.open = 0

    def enter(self, headers: dict[str, str], body: bytes, *, is_on_used: bool) -> str:
        told = json.loads(body)
        call, _, seq = told["ext_id"].partition("/")
        (done,) = self._rng.choices(list(ANSWERS), [share for share, _ in ANSWERS.values()])
        request = Request(headers["webhook-id"], call, int(seq), done, self._is_signed(headers, body), is_on_used)
        self.log.append(request)
        if request.is_taken:
            self.taken.add(request.notification_id)
        return done

    def _is_signed(self, headers: dict[str, str], body: bytes) -> bool:
        """True when there is one signature of either scheme, and both are right."""
        signatures = headers["webhook-signature"].split(" ")
        by_scheme = {scheme: value for scheme, _, value in (each.partition(",") for each in signatures)}
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        try:
            self._webhook.verify(body, {**headers, "webhook-signature": f"v1,{by_scheme['v1']}"})
            self._key.verify(base64.b64decode(by_scheme["v1a"]), signed)
        except (WebhookVerificationError, InvalidSignature, KeyError):
            return False
        return len(signatures) == 2


class _Flaky(asyncio.Protocol):
    """Enters each request when its body is whole; understands what aiohttp sends and no more."""

    def __init__(self, book: _Book) -> None:
        self._book = book
        self._is_used = False
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._book.open += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._book.open -= 1

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if not found or self._transport is None:
            return
        lines = (line.partition(": ") for line in head.decode().split("\r\n")[1:])
        headers = {name.lower(): value for name, _, value in lines}
        size = int(headers["content-length"])
        if len(rest) < size:
            return
        self._data = rest[size:]
        done = self._book.enter(headers, rest[:size], is_on_used=self._is_used)
        self._is_used = True
        if done == "reset":
            self._transport.abort()
        elif done != "hang":
            self._transport.write(ANSWERS[done][1])


def _serve(number: int, secret: str, public_key: str, seed: int, orders: "Connection[Any, Any]") -> None:
    asyncio.run(_run(number, _Book(secret, public_key, seed), orders))


async def _run(number: int, book: _Book, orders: "Connection[Any, Any]") -> None:
    loop = asyncio.get_running_loop()
    ports = []
    for _ in range(number):
        server = await loop.create_server(lambda: _Flaky(book), "127.0.0.1", 0, backlog=1024)
        ports.append(server.sockets[0].getsockname()[1])
    orders.send(ports)
    stopped = asyncio.Event()

    def obey() -> None:
        match orders.recv():
            case "log":
                orders.send(book.log)
            case "taken":
                orders.send(len(book.taken))
            case "open":
                orders.send(book.open)
            case _:
                stopped.set()

    loop.add_reader(orders.fileno(), obey)
    await stopped.wait()
