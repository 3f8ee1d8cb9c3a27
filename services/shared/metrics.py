"""Metrics for Prometheus, on an address of their own: never at the front door. What every service counts; each has a few of its own beside."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from socket import AF_INET, AF_INET6, SHUT_RDWR, socket
from socketserver import ThreadingMixIn
from threading import BoundedSemaphore, Thread, Timer
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, make_wsgi_app

LOOKED_AT_EVERY = timedelta(seconds=15)
"""How often what stands in a database is counted anew: once for each look of a Prometheus that comes by its default."""
READERS = 8
REQUEST_S = 10.0
"""How many may look at once, and for how long each: Prometheus waits for 10 s by default."""
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


class _Handler(WSGIRequestHandler):
    """Logs nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Who looks at metrics does so all day."""


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each who asks, as many as there are places; a connection lasts no longer than a request may."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], request_s: float) -> None:
        self.address_family = AF_INET6 if ":" in address[0] else AF_INET
        self._request_s = request_s
        self._places = BoundedSemaphore(READERS)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Takes a place, or closes the connection where there is none."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answers, and gives the place back. A drip of bytes prolongs nothing."""
        end = Timer(self._request_s, _cut, (request,))
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever is cut off, or leaves, is no fault of ours."""


def _cut(request: socket) -> None:
    with suppress(OSError):
        request.shutdown(SHUT_RDWR)


def serve_metrics(listen: str, registry: CollectorRegistry, request_s: float = REQUEST_S) -> Callable[[], None]:
    """Serves a registry at `host:port` in threads of its own, a few, until what is answered is called. An empty address serves nothing. Raises OSError when it is taken."""
    if not listen:
        return lambda: None
    host, _, port = listen.rpartition(":")
    server = _Server((host.removeprefix("[").removesuffix("]"), int(port)), request_s)
    server.set_app(make_wsgi_app(registry))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
