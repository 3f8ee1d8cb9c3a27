"""What becomes of uploads when far more come than can be stored: how many are stored a second, how fast the others are refused, and what it costs in memory.

Run: `python -m benchmarks.overload [--seconds 8] [--rounds 2]`. Batches of 100 calls through Envoy into SQLite, over gRPC, by two clients in processes of their own. First with 8 under way, then, in the same run,
with 800: eight times what intake takes at once of an account. Those that are refused come again after a tenth of a second, as no client should.
"""

import argparse
import asyncio
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from calldock.intake.v1.call_service_pb2 import UploadCallsRequest
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub
from grpc import aio

from benchmarks.calls import a_draft
from benchmarks.notifying import serving
from tests.support.running import a_calldock

BATCH = 100
PAUSE_S = 0.1
CLIENTS = 2
FEW, MANY = 8, 800
DUE = 0.5
"""What of the calls a second is to be left under overload, on cores that the clients share."""


@dataclass(slots=True)
class Seen:
    """What a client was answered, in seconds from asking."""

    stored: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)


def _serve(_kind: str, orders: "Connection[Any, Any]") -> None:
    while (order := orders.recv()) != "stop":
        orders.send(asyncio.run(_send(*order)))


async def _send(port: int, token: str, first: int, lanes: int, seconds: float) -> Seen:
    seen = Seen()
    numbers = iter(range(first, first + 100_000_000, BATCH))
    drafts = [a_draft(0)] * BATCH
    ends = time.monotonic() + seconds
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    async with aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        stub = CallServiceStub(channel)

        async def lane() -> None:
            while time.monotonic() < ends:
                number = next(numbers)
                request = UploadCallsRequest(calls=drafts)
                for place, call in enumerate(request.calls):
                    call.ext_id = f"call-{number + place}"
                began = time.monotonic()
                try:
                    await stub.UploadCalls(request, timeout=60, metadata=(("authorization", f"Bearer {token}"),))
                except aio.AioRpcError as error:
                    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                        seen.refused.append(time.monotonic() - began)
                    else:
                        seen.others[error.code().name] = seen.others.get(error.code().name, 0) + 1
                    await asyncio.sleep(PAUSE_S)
                else:
                    seen.stored.append(time.monotonic() - began)

        async with asyncio.TaskGroup() as group:
            for _ in range(lanes):
                group.create_task(lane())
    return seen


def _share(times: list[float], share: float) -> str:
    return f"{sorted(times)[int(len(times) * share)] * 1000:.0f} ms" if times else "-"


def _rss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(peak.split()[1]) / 1024


def main() -> None:
    """Prints a table and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    ratios = []
    with (
        TemporaryDirectory() as folder,
        serving(_serve, "grpc") as one,
        serving(_serve, "grpc") as other,
        a_calldock(Path(folder)) as calldock,
    ):
        token, first = calldock.account().token, 0
        intake = calldock.service_pid("intake")
        assert intake is not None
        print(
            "| round | batches under way | stored, calls/s | stored, median and 99 % | refused a second | refused, median and 99 % | other answers | intake's peak, MiB |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for number in range(1, arguments.rounds + 1):
            rates = []
            for at_once in (FEW, MANY):
                for place, pipe in enumerate((one, other)):
                    pipe.send(
                        (calldock.port, token, first + place * 500_000_000, at_once // CLIENTS, arguments.seconds)
                    )
                began = time.monotonic()
                all_seen: list[Seen] = [pipe.recv() for pipe in (one, other)]
                took = time.monotonic() - began
                first += 20_000_000
                stored = [each for seen in all_seen for each in seen.stored]
                refused = [each for seen in all_seen for each in seen.refused]
                others = {name: count for seen in all_seen for name, count in seen.others.items()} or "none"
                rates.append(len(stored) * BATCH / took)
                print(
                    f"| {number} | {at_once} | {rates[-1]:.0f} | {_share(stored, 0.5)}, {_share(stored, 0.99)} | {len(refused) / took:.0f} "
                    f"| {_share(refused, 0.5)}, {_share(refused, 0.99)} | {others} | {_rss_mib(intake):.0f} |",
                    flush=True,
                )
            ratios.append(rates[1] / rates[0])
    kept = "kept" if min(ratios) >= DUE else "MISSED"
    print(
        f"\nUnder overload {', '.join(f'{ratio:.2f}' for ratio in ratios)} of what is stored without, at least {DUE} is due: {kept}."
    )


if __name__ == "__main__":
    main()
