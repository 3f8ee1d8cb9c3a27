"""How fast calls are taken beside what a user would write instead: a FastAPI and SQLModel endpoint with the same checks (`benchmarks/peers/fastapi_calls.py`), on SQLite as durable as ours.

Run: `make .venv-peers/.ready`, then `python -m benchmarks.against_fastapi [--batches 12] [--singles 1500] [--rounds 3]`. In turns within each round: batches of 500, two under way, and single calls from 32
clients. Calldock is measured through Envoy at its natural door, gRPC, whose messages are small and typed, and at `POST /v1/calls:upload` with the very bytes that the peer gets. The peer runs by uvicorn
with uvloop and httptools and two workers, without a proxy; its endpoint is `async def`, which was faster than `def` in threads. The client is a process of its own, and says how much of a core it was on.
"""

import argparse
import os
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.calls import Clients, Order, grpc_clients, http_clients
from tests.support.running import a_calldock, free_port, until

PEERS = Path(".venv-peers/bin")
APP = Path(__file__).parent / "peers"
TOKEN = "a-token-of-the-peer"
WORKERS = 2
"""Of 1, 2 and 4 the fastest on two cores."""
DUE = {"batches of 500": 2.0, "single calls": 3.0}
WARM_UP = 320


@contextmanager
def fastapi(folder: Path) -> Iterator[int]:
    """The peer, until the end: its port. Raises FileNotFoundError when its environment was not made."""
    port = free_port()
    environment = {**os.environ, "CALLS_DB": str(folder / "calls.db")}
    subprocess.run([PEERS / "python", APP / "fastapi_calls.py"], env=environment, check=True)  # noqa: S603
    command = [
        str(PEERS / "uvicorn"), "fastapi_calls:app", "--app-dir", str(APP), "--port", str(port), "--workers", str(WORKERS),
        "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning",
    ]  # fmt: skip
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603
    try:
        until(lambda: _is_healthy(port))
        yield port
    finally:
        process.terminate()
        process.wait()


class Door:
    """One way to upload, and where its numbers go on."""

    def __init__(self, clients: Clients, port: int, token: str, first: int) -> None:
        self._clients = clients
        self._port = port
        self._token = token
        self._next = first

    def rate(self, uploads: int, batch: int) -> tuple[float, float]:
        """Calls a second, and the client's share of a core."""
        first, self._next = self._next, self._next + uploads * batch
        return self._clients.send(
            Order(
                port=self._port,
                token=self._token,
                first=first,
                uploads=uploads,
                batch=batch,
                at_once=2 if batch > 1 else 32,
            )
        )


def main() -> None:
    """Runs the rounds and prints their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=12)
    parser.add_argument("--singles", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    kinds = {"batches of 500": (arguments.batches, 500), "single calls": (arguments.singles, 1)}
    with (
        TemporaryDirectory() as ours,
        TemporaryDirectory() as theirs,
        grpc_clients(1) as over_grpc,
        http_clients(1) as over_http,
        a_calldock(Path(ours)) as calldock,
        fastapi(Path(theirs)) as port,
    ):
        token = calldock.account().token
        doors = {
            "FastAPI": Door(over_http, port, TOKEN, 1_000_000),
            "calldock, gRPC": Door(over_grpc, calldock.port, token, 1_000_000),
            "calldock, REST JSON": Door(over_http, calldock.port, token, 5_000_000),
        }
        for door in doors.values():
            door.rate(WARM_UP, 1)
        for kind, (uploads, batch) in kinds.items():
            ratios: dict[str, list[float]] = {name: [] for name in doors}
            print(
                f"| {kind}: round | {', calls/s | '.join(doors)}, calls/s | ratio, gRPC | ratio, REST | busiest client |"
            )
            print("|---" * (len(doors) + 4) + "|")
            for number in range(1, arguments.rounds + 1):
                found = {name: door.rate(uploads, batch) for name, door in doors.items()}
                for name, (rate, _) in found.items():
                    ratios[name].append(rate / found["FastAPI"][0])
                rates = " | ".join(f"{rate:.0f}" for rate, _ in found.values())
                shares = " | ".join(f"{of_door[-1]:.2f}" for name, of_door in ratios.items() if name != "FastAPI")
                busiest = max(share for _, share in found.values())
                print(f"| {number} | {rates} | {shares} | {busiest:.0%} of a core |", flush=True)
            middle = statistics.median(ratios["calldock, gRPC"])
            verdict = "kept" if middle >= DUE[kind] else "MISSED"
            rest = statistics.median(ratios["calldock, REST JSON"])
            print(
                f"\nMedian {middle:.2f} times over gRPC, {rest:.2f} over REST JSON, at least {DUE[kind]:g} is due: {verdict}.\n"
            )


def _is_healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main()
