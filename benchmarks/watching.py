"""What watching costs: the CPU of a whole instance with metrics and traces, beside one without, in the same run.

Run: `python -m benchmarks.watching [--uploads 3000] [--rounds 5] [--share 0.1]`. Two instances take the same single calls and batches of 100 through Envoy in turns; the calls have no recordings and no
callback, which is the dearest case: there is nothing else that a span could be small beside. The watched one sends its spans to a collector in this process and its metrics are read every second; what
collector and reader take is not counted. CPU is that of Envoy, the three services and the process that stores uploads, in user and system time.
"""

import argparse
import statistics
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.calls import Clients, Order, cpu_s, grpc_clients
from tests.support.collector import Collector, a_collector
from tests.support.running import Calldock, a_calldock, free_port

MOST = 1.05
WARM_UP = 500
BATCH = 100
SERVICES = ("intake", "media", "notify")


class Side:
    """One of the two instances."""

    def __init__(self, clients: Clients, calldock: Calldock) -> None:
        self._clients = clients
        self._port = calldock.port
        self._token = calldock.account().token
        found = [calldock.child_pid("envoy"), *map(calldock.service_pid, SERVICES), calldock.writer_pid()]
        self._pids = [pid for pid in found if pid is not None]
        self._first = 1_000_000

    def us_a_call(self, uploads: int, batch: int) -> float:
        """CPU of the whole instance for each call, in microseconds. All are new calls."""
        before_s = sum(map(cpu_s, self._pids))
        self._clients.send(
            Order(port=self._port, token=self._token, first=self._first, uploads=uploads, batch=batch, at_once=8)
        )
        self._first += uploads * batch
        return (sum(map(cpu_s, self._pids)) - before_s) / (uploads * batch) * 1e6


@contextmanager
def a_watched(folder: Path, collector: Collector, share: float) -> Iterator[Calldock]:
    """An instance that is watched in every way."""
    ports = {service: free_port() for service in SERVICES}
    settings = {f"{service.upper()}_METRICS_LISTEN": f"127.0.0.1:{port}" for service, port in ports.items()}
    stopped = threading.Event()

    def read() -> None:
        while not stopped.wait(1):
            for port in ports.values():
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                    answer.read()

    with a_calldock(folder, TRACES_ENDPOINT=collector.url, TRACES_SHARE=str(share), **settings) as calldock:
        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield calldock
        finally:
            stopped.set()
            reader.join()


def main() -> None:
    """Runs the rounds and prints their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=3000, help="single calls of a round; as many go in batches")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.1, help="share of uploads that are traced")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(TemporaryDirectory())) for _ in range(2)]
        collector = stack.enter_context(a_collector())
        clients = stack.enter_context(grpc_clients(1))
        plain = Side(clients, stack.enter_context(a_calldock(folders[0])))
        watched = Side(clients, stack.enter_context(a_watched(folders[1], collector, arguments.share)))
        for side in (plain, watched):
            side.us_a_call(WARM_UP, 1)
            side.us_a_call(5, BATCH)
        print(f"{arguments.share:.0%} traced.\n\n| round | kind | without, µs a call | watched, µs a call | ratio |")
        print("|---|---|---|---|---|")
        ratios: dict[str, list[float]] = {"single": [], "batch": []}
        for number in range(1, arguments.rounds + 1):
            for kind, uploads, batch in (
                ("single", arguments.uploads, 1),
                ("batch", arguments.uploads * 5 // BATCH, BATCH),
            ):
                # Each round begins with the other side: what the machine does meanwhile meets both.
                sides = [plain, watched] if number % 2 else [watched, plain]
                us = {id(side): side.us_a_call(uploads, batch) for side in sides}
                ratio = us[id(watched)] / us[id(plain)]
                ratios[kind].append(ratio)
                print(f"| {number} | {kind} | {us[id(plain)]:.0f} | {us[id(watched)]:.0f} | {ratio:.3f} |", flush=True)
        for kind, found in ratios.items():
            middle = statistics.median(found)
            verdict = "kept" if middle <= MOST else "MISSED"
            print(
                f"\n{kind}: median {middle:.3f} ({min(found):.3f} to {max(found):.3f}), at most {MOST} is due: {verdict}."
            )
        print(f"\n{len(collector.spans)} spans came.")


if __name__ == "__main__":
    main()
