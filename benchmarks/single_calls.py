"""How fast single calls are taken from 32 clients at once through Envoy, beside an empty `grpc.aio` servicer behind the same Envoy with the same configuration.

Run: `python -m benchmarks.single_calls [--uploads 8000] [--rounds 5] [--clients 1]`. Each upload holds one call without recordings and with one tag, and is answered when it is
durable in SQLite. Both sides hear the same client: `grpc.aio` with requests that were serialised before, in so many processes of its own that share the 32. They run on the
same cores as what is measured, so the CPU of each side's processes is told too.
"""

import argparse
import statistics
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.calls import Clients, Order, cpu_s, grpc_clients
from benchmarks.peers.empty import empty_servicer
from tests.support.running import a_calldock

DUE = 0.5
WARM_UP = 1000


class Side:
    """One of the two that are measured, with what its processes took."""

    def __init__(self, clients: Clients, port: int, token: str, processes: Mapping[str, int]) -> None:
        self._clients = clients
        self._port = port
        self._token = token
        self._processes = processes
        self._first = 1_000_000
        self.us: dict[str, list[float]] = {name: [] for name in (*processes, "busiest client")}
        """CPU of each process for each upload, in microseconds."""

    def rate(self, uploads: int) -> float:
        """Uploads a second. All are new calls."""
        before = {name: cpu_s(pid) for name, pid in self._processes.items()}
        rate, client = self._clients.send(Order(port=self._port, token=self._token, first=self._first, uploads=uploads))
        self._first += uploads
        for name, pid in self._processes.items():
            self.us[name].append((cpu_s(pid) - before[name]) / uploads * 1e6)
        self.us["busiest client"].append(client / rate * 1e6)
        return rate

    def forget(self) -> None:
        """What was only a warm-up does not count."""
        for figures in self.us.values():
            figures.clear()


def main() -> None:
    """Runs the rounds and prints their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=1, help="processes, which share the 32")
    arguments = parser.parse_args()
    with (
        TemporaryDirectory() as ours,
        TemporaryDirectory() as theirs,
        grpc_clients(arguments.clients) as clients,
        a_calldock(Path(ours)) as calldock,
        empty_servicer(Path(theirs)) as (port, processes),
    ):
        account = calldock.account()
        children = {
            "server": calldock.service_pid("intake"),
            "envoy": calldock.child_pid("envoy"),
            "the process that stores": calldock.writer_pid(),
        }
        our_side = Side(clients, calldock.port, account.token, {name: pid for name, pid in children.items() if pid})
        their_side = Side(clients, port, account.token, processes)
        for side in (our_side, their_side):
            side.rate(WARM_UP)
            side.forget()
        ratios = []
        print("| round | an empty servicer, calls/s | calldock, calls/s | ratio |\n|---|---|---|---|")
        for number in range(1, arguments.rounds + 1):
            bare, full = their_side.rate(arguments.uploads), our_side.rate(arguments.uploads)
            ratios.append(full / bare)
            print(f"| {number} | {bare:.0f} | {full:.0f} | {full / bare:.3f} |", flush=True)
    middle = statistics.median(ratios)
    verdict = "kept" if middle >= DUE else "MISSED"
    print(f"\nMedian {middle:.3f} ({min(ratios):.3f} to {max(ratios):.3f}), at least {DUE} is due: {verdict}.")
    print("\n| CPU, µs an upload | an empty servicer | calldock |\n|---|---|---|")
    for name, figures in our_side.us.items():
        theirs_us = f"{statistics.median(their_side.us[name]):.0f}" if name in their_side.us else ""
        print(f"| {name} | {theirs_us} | {statistics.median(figures):.0f} |")


if __name__ == "__main__":
    main()
