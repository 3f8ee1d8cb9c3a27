"""What the benchmarks of notify share: a database that is filled beforehand, a notify process on it, fast receivers in a process of their own."""

import asyncio
import base64
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from services.notify.notification import NewNotification
from services.notify.payload import Event
from services.notify.server import MIGRATIONS
from services.notify.store.queue import enqueue
from services.shared.db.engine import SqliteDatabase
from services.shared.db.migrate import migrate
from services.shared.ids import uuid7

ENQUEUED_AT_ONCE = 500
ACCOUNT_ID = 1
KEY = b"k" * 32
STUCK_S = 60.0
ANSWER = b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Receivers:
    """Receivers in a process of their own: their ports, and how to ask what came."""

    ports: Sequence[int]
    orders: "Connection[Any, Any]"

    def heard(self) -> dict[int, list[float]]:
        """When each port's requests came, in monotonic seconds."""
        self.orders.send("heard")
        found: dict[int, list[float]] = self.orders.recv()
        return found

    def count(self) -> int:
        """How many requests came."""
        self.orders.send("count")
        found: int = self.orders.recv()
        return found

    def forget(self) -> None:
        """Starts counting anew."""
        self.orders.send("forget")
        self.orders.recv()


@contextmanager
def serving(serve: Callable[..., None], *arguments: object) -> Iterator["Connection[Any, Any]"]:
    """A process that serves until it hears "stop": our end of its pipe. Whoever waits for one that died has EOFError."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(*arguments, theirs))
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        with suppress(OSError):
            ours.send("stop")
        process.join()


@contextmanager
def receivers(number: int, *, answer_after_s: float = 0) -> Iterator[Receivers]:
    """So many receivers that answer 204 as fast as they can, or after a time."""
    with serving(_serve_receivers, number, answer_after_s) as orders:
        yield Receivers(orders.recv(), orders)


@contextmanager
def notify(data_dir: Path, **settings: object) -> Iterator["subprocess.Popen[bytes]"]:
    """A notify process on a filled database, until the end."""
    environment = {
        **os.environ,
        "CALLDOCK_DATA_DIR": str(data_dir),
        "CALLDOCK_SECRET_KEY": base64.b64encode(KEY).decode(),
        "CALLDOCK_PUBLIC_LISTEN": f"unix:{data_dir}/public.sock",
        "CALLDOCK_INTERNAL_LISTEN": f"unix:{data_dir}/internal.sock",
        "CALLDOCK_INTAKE_ADDRESS": f"unix:{data_dir}/nobody.sock",
        "CALLDOCK_EGRESS_ALLOW": "127.0.0.1",
        **{f"CALLDOCK_{name.upper()}": str(value) for name, value in settings.items()},
    }
    with (data_dir / "notify.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "services.notify"], env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait()


async def fill(data_dir: Path, new: Sequence[NewNotification]) -> None:
    """Puts notifications into notify's database, as intake's relay would."""
    db = SqliteDatabase(data_dir / "notify.db")
    migrate(db.engine, MIGRATIONS)
    db.start()
    for start in range(0, len(new), ENQUEUED_AT_ONCE):
        await db.write(enqueue, new[start : start + ENQUEUED_AT_ONCE], datetime.now(UTC))
    db.close()


def a_notification(number: int, call: int, seq: int, port: int, account: int = 1) -> NewNotification:
    """One that tells a port of a call."""
    now = datetime.now(UTC)
    event = Event(name="processed", ext_id=f"call-{call}", call_session_id=call, event_time=now)
    return NewNotification(
        notification_id=uuid7(now, number.to_bytes(10, "big")),
        account_id=account,
        seq=seq,
        previous_seq=seq - 1,
        url=f"http://127.0.0.1:{port}/hook",
        event=event,
    )


def wait_for(heard: Receivers, count: int) -> None:
    """Returns when so many requests came. Raises TimeoutError when nothing comes any more."""
    last, moved_s = heard.count(), time.monotonic()
    while last < count:
        time.sleep(0.05)
        now = heard.count()
        if now > last:
            last, moved_s = now, time.monotonic()
        elif time.monotonic() - moved_s > STUCK_S:
            raise TimeoutError(f"{last} of {count} came, and nothing for {STUCK_S:g} s")


def middle_rate(moments: Sequence[float]) -> float:
    """Requests a second between the first tenth and the last."""
    ordered = sorted(moments)
    first, last = len(ordered) // 10, len(ordered) * 9 // 10
    return (last - first) / (ordered[last] - ordered[first])


class _Hook(asyncio.Protocol):
    """Answers each request when its body is whole; understands what aiohttp sends and no more."""

    def __init__(self, heard: list[float], answer_after_s: float) -> None:
        self._heard = heard
        self._answer_after_s = answer_after_s
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while True:
            head, found, rest = self._data.partition(b"\r\n\r\n")
            if not found:
                return
            _, _, length = head.lower().partition(b"content-length: ")
            size = int(length.partition(b"\r\n")[0])
            if len(rest) < size:
                return
            self._data = rest[size:]
            self._heard.append(time.monotonic())
            if self._answer_after_s:
                asyncio.get_running_loop().call_later(self._answer_after_s, self._answer)
            else:
                self._answer()

    def _answer(self) -> None:
        assert self._transport is not None
        self._transport.write(ANSWER)


def _serve_receivers(number: int, answer_after_s: float, orders: "Connection[Any, Any]") -> None:
    asyncio.run(_run_receivers(number, answer_after_s, orders))


async def _run_receivers(number: int, answer_after_s: float, orders: "Connection[Any, Any]") -> None:
    loop = asyncio.get_running_loop()
    heard: dict[int, list[float]] = {}
    for _ in range(number):
        came: list[float] = []
        server = await loop.create_server(partial(_Hook, came, answer_after_s), "127.0.0.1", 0, backlog=1024)
        heard[server.sockets[0].getsockname()[1]] = came
    orders.send(list(heard))
    stopped = asyncio.Event()

    def obey() -> None:
        match orders.recv():
            case "heard":
                orders.send(heard)
            case "count":
                orders.send(sum(map(len, heard.values())))
            case "forget":
                for came in heard.values():
                    came.clear()
                orders.send(None)
            case _:
                stopped.set()

    loop.add_reader(orders.fileno(), obey)
    await stopped.wait()
