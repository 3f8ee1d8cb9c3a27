"""Metrics for Prometheus, on an address of their own: never at the front door."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, start_http_server


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
