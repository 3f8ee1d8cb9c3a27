"""Metrics for Prometheus, on an address of their own: never at the front door. What every service counts; each has a few of its own beside."""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, start_http_server

LOOKED_AT_EVERY = timedelta(seconds=15)
"""How often what stands in a database is counted anew: once for each look of a Prometheus that comes by its default."""
METRICS_LISTEN = r"^$|^[^\s]+:\d{1,5}$"


class Ending(StrEnum):
    """How a piece of work left a loop's hands."""

    DONE = "done"
    DELAYED = "delayed"
    FAILED = "failed"
    LOST = "lost"


class WorkMetrics:
    """What loops over leased work tell, in a registry that tells of the process too: CPU, memory, open files."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._pieces = Counter(
            "calldock_work_pieces",
            "Pieces of work that left a loop's hands",
            ["loop", "ending"],
            registry=self.registry,
        )
        self._expired = Counter(
            "calldock_work_expired_leases", "Leases that ran out and were freed", registry=self.registry
        )
        self._waiting = Gauge(
            "calldock_work_waiting_pieces",
            "Pieces of work that are ready and wait, as far as 10,000",
            ["loop"],
            registry=self.registry,
        )
        self._oldest = Gauge(
            "calldock_work_oldest_seconds",
            "How long the oldest of these has waited",
            ["loop"],
            registry=self.registry,
        )

    def ended(self, loop: str, ending: Ending) -> None:
        """A piece was finished, put off by trouble, failed by a bug, or lost its lease meanwhile."""
        self._pieces.labels(loop, ending).inc()

    def expired(self, leases: int) -> None:
        """Leases ran out: whoever held them died, or was held up."""
        self._expired.inc(leases)

    def waits(self, loop: str, pieces: int, oldest: datetime | None, now: datetime) -> None:
        """What is ready, and since when the oldest is."""
        self._waiting.labels(loop).set(pieces)
        age = timedelta() if oldest is None else max(now - oldest, timedelta())
        self._oldest.labels(loop).set(age.total_seconds())


def serve_metrics(listen: str, registry: CollectorRegistry) -> Callable[[], None]:
    """Serves a registry at `host:port` in a thread of its own, until what is answered is called. An empty address serves nothing. Raises OSError when it is taken."""
    if not listen:
        return lambda: None
    host, _, port = listen.rpartition(":")
    server, thread = start_http_server(int(port), host.removeprefix("[").removesuffix("]"), registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
