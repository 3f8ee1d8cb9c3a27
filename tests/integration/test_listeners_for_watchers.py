"""The listeners in the clear for those who watch, metrics and health: whoever is slow there holds little, and not for long."""

import asyncio
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from grpc import aio
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from prometheus_client import CollectorRegistry, Counter

from services.shared.metrics import READERS, serve_metrics
from services.shared.rpc.serve import HEALTH_CONNECTIONS, Listener
from services.shared.rpc.validate import check_rules
from tests.support.running import free_port, until

SOON_S = 1.0


@contextmanager
def drips(port: int, count: int, begin: bytes) -> Iterator[list[socket.socket]]:
    """Connections that have begun a request and do not end it."""
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            found.append(stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)))
            found[-1].sendall(begin)
        yield found


def is_closed(connection: socket.socket, drip: bytes = b"") -> bool:
    connection.setblocking(False)
    try:
        connection.sendall(drip)
        while connection.recv(4096):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def read(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            found: bytes = answer.read()
            return found.decode()
    except OSError:
        return ""


def test_slow_readers_of_metrics_hold_few_threads_and_none_for_long() -> None:
    registry = CollectorRegistry()
    Counter("seen", "Seen", registry=registry).inc()
    port = free_port()
    before = threading.active_count()
    stop = serve_metrics(f"127.0.0.1:{port}", registry, SOON_S)
    try:
        with drips(port, 50, b"GET /metr") as slow:
            until(lambda: sum(map(is_closed, slow)) >= 50 - READERS)
            # One accepts, and each place has one that answers and one that ends it.
            assert threading.active_count() - before <= 1 + 2 * READERS

            # A byte now and then prolongs nothing.
            until(lambda: all(is_closed(each, b"x") for each in slow), limit_s=10)
            until(lambda: "seen_total 1.0" in read(port))
        until(lambda: threading.active_count() - before <= 1)
    finally:
        stop()


@pytest.mark.timeout(60)
async def test_the_health_listener_turns_away_who_is_too_many_and_closes_who_says_nothing() -> None:
    listener = Listener(("calldock.media.v1.RecordingService",), [], check_rules())
    port, main = free_port(), free_port()
    await listener.start([f"127.0.0.1:{main}"])
    await listener.start_health(f"127.0.0.1:{port}")
    try:
        # As HTTP/2 begins.
        with drips(port, 2 * HEALTH_CONNECTIONS, b"PRI * HT") as slow:
            await wait_until(lambda: HEALTH_CONNECTIONS <= sum(map(is_closed, slow)) < len(slow))
            await wait_until(lambda: all(map(is_closed, slow)))
        async with aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
            stub: Any = HealthStub(channel)
            answer = await stub.Check(HealthCheckRequest(), timeout=10, wait_for_ready=True)
            assert answer.status == 1
    finally:
        await listener.drain(0)


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.05)
