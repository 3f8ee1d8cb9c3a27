"""What the benchmarks of uploads share: calls, and clients in processes of their own that send them as fast as they are answered."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from calldock.intake.v1.call_pb2 import CallDraft
from calldock.intake.v1.call_service_pb2 import UploadCallsRequest, UploadCallsResponse, UploadedCall
from google.protobuf.json_format import ParseDict
from grpc import aio

from benchmarks.notifying import serving
from tests.support.makers import a_json_call

UPLOAD_CALLS = "/calldock.intake.v1.CallService/UploadCalls"
TAGS = 20
_TICKS = os.sysconf("SC_CLK_TCK")


def a_call(number: int) -> dict[str, Any]:
    """A call without recordings in the JSON of the REST door: an ext_id and a number of its own, one tag of twenty, no callback."""
    return {
        **a_json_call(
            ext_id=f"call-{number}",
            calling_phone_number=f"8926{number % 10_000_000:07}",
            wait_duration=4.5,
            talk_duration=40,
        ),
        "tags": [{"tag_name": f"tag {number % TAGS}"}],
    }


def a_draft(number: int) -> CallDraft:
    """The same call as a message."""
    call = a_call(number)
    for moment in ("start", "finish"):
        call[f"{moment}_wall_time"] = call.pop(f"{moment}_time")
    for span in ("wait_duration", "talk_duration"):
        call[span] = f"{call[span]}s"
    return ParseDict(call, CallDraft())


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one client shall send: uploads of `batch` calls each, numbered from `first`, with `at_once` under way."""

    port: int
    token: str
    first: int
    uploads: int
    batch: int = 1
    at_once: int = 32


class Sent(NamedTuple):
    """Uploads that were all answered well: when the first went and the last was answered (monotonic seconds), and the CPU that the client took."""

    began_s: float
    ended_s: float
    cpu_s: float


class Clients:
    """Clients in processes of their own, which begin together."""

    def __init__(self, pipes: "Sequence[Connection[Any, Any]]") -> None:
        self._pipes = pipes

    def send(self, order: Order) -> tuple[float, float]:
        """Has the clients share an order. Answers calls a second, and the share of a core that the busiest client was on."""
        each, lanes = order.uploads // len(self._pipes), order.at_once // len(self._pipes)
        for place, pipe in enumerate(self._pipes):
            pipe.send(
                Order(
                    port=order.port,
                    token=order.token,
                    first=order.first + place * each * order.batch,
                    uploads=each,
                    batch=order.batch,
                    at_once=max(1, lanes),
                )
            )
        for pipe in self._pipes:
            assert pipe.recv() == "ready"
        for pipe in self._pipes:
            pipe.send("go")
        sent: list[Sent] = [pipe.recv() for pipe in self._pipes]
        took_s = max(one.ended_s for one in sent) - min(one.began_s for one in sent)
        return each * len(self._pipes) * order.batch / took_s, max(one.cpu_s for one in sent) / took_s


@contextmanager
def grpc_clients(processes: int) -> Iterator[Clients]:
    """So many processes with a `grpc.aio` channel each."""
    with ExitStack() as stack:
        yield Clients([stack.enter_context(serving(_serve, "grpc")) for _ in range(processes)])


@contextmanager
def http_clients(processes: int) -> Iterator[Clients]:
    """So many processes that POST JSON, a kept HTTP/1.1 connection for each upload under way."""
    with ExitStack() as stack:
        yield Clients([stack.enter_context(serving(_serve, "http")) for _ in range(processes)])


def cpu_s(pid: int) -> float:
    """User and system time that a process has taken so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _serve(kind: str, orders: "Connection[Any, Any]") -> None:
    run = {"grpc": _over_grpc, "http": _over_http}[kind]
    while (order := orders.recv()) != "stop":
        orders.send(asyncio.run(run(order, orders)))


def _numbers(order: Order) -> Iterator[range]:
    for upload in range(order.uploads):
        first = order.first + upload * order.batch
        yield range(first, first + order.batch)


async def _over_grpc(order: Order, orders: "Connection[Any, Any]") -> Sent:
    requests = [UploadCallsRequest(calls=map(a_draft, numbers)).SerializeToString() for numbers in _numbers(order)]
    metadata = (("authorization", f"Bearer {order.token}"),)
    answers: list[bytes] = []
    waiting = iter(requests)
    async with aio.insecure_channel(
        f"127.0.0.1:{order.port}", options=[("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    ) as channel:
        await channel.channel_ready()
        upload: aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(UPLOAD_CALLS)

        async def lane() -> None:
            for request in waiting:
                answers.append(await upload(request, metadata=metadata, timeout=60))

        sent = await _all_lanes(lane, order, orders)
    for answer in answers:
        calls = UploadCallsResponse.FromString(answer).calls
        assert [call.outcome for call in calls] == [UploadedCall.OUTCOME_CREATED] * order.batch
    return sent


async def _over_http(order: Order, orders: "Connection[Any, Any]") -> Sent:
    head = f"POST /v1/calls:upload HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {order.token}\r\ncontent-type: application/json\r\ncontent-length: "
    bodies = [json.dumps({"calls": list(map(a_call, numbers))}).encode() for numbers in _numbers(order)]
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
    answers: list[bytes] = []
    waiting = iter(requests)

    async def lane() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", order.port, limit=2**22)
        for request in waiting:
            writer.write(request)
            heading = await reader.readuntil(b"\r\n\r\n")
            length = int(heading.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
            assert heading.startswith(b"HTTP/1.1 200"), body[:2000]
            answers.append(body)
        writer.close()
        await writer.wait_closed()

    sent = await _all_lanes(lane, order, orders)
    for answer in answers:
        calls = json.loads(answer)["calls"]
        assert [call["outcome"] for call in calls] == ["OUTCOME_CREATED"] * order.batch
    return sent


async def _all_lanes(
    lane: Callable[[], Coroutine[None, None, None]], order: Order, orders: "Connection[Any, Any]"
) -> Sent:
    """Runs the lanes when all clients are ready."""
    orders.send("ready")
    assert orders.recv() == "go"
    began_s, cpu_before_s = time.monotonic(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(order.at_once):
            group.create_task(lane())
    return Sent(began_s, time.monotonic(), time.process_time() - cpu_before_s)
