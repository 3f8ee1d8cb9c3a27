"""An OTLP collector on loopback that keeps the spans it is sent."""

from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)


@dataclass(frozen=True)
class SeenSpan:
    """A span as it came, ids in hex; `parent_id` is empty for the first of a trace."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    began_ns: int
    ended_ns: int
    links: tuple[tuple[str, str], ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)


class Collector(TraceServiceServicer):
    """What came so far."""

    def __init__(self) -> None:
        self.spans: list[SeenSpan] = []
        self.changed = Condition()
        self.url = ""

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:  # noqa: N802
        with self.changed:
            for resource in request.resource_spans:
                service = _plain(resource.resource.attributes)["service.name"]
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        self.spans.append(
                            SeenSpan(
                                service=service,
                                name=span.name,
                                trace_id=span.trace_id.hex(),
                                span_id=span.span_id.hex(),
                                parent_id=span.parent_span_id.hex(),
                                began_ns=span.start_time_unix_nano,
                                ended_ns=span.end_time_unix_nano,
                                links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                                attributes=_plain(span.attributes),
                            )
                        )
            self.changed.notify_all()
        return ExportTraceServiceResponse()

    def named(self, name: str, **attributes: object) -> list[SeenSpan]:
        """The spans of this name with these attributes, dots given as underscores after `calldock`."""
        wanted = {f"calldock.{key}": value for key, value in attributes.items()}
        with self.changed:
            return [span for span in self.spans if span.name == name and wanted.items() <= span.attributes.items()]

    def wait(self, name: str, limit_s: float = 30, **attributes: object) -> SeenSpan:
        """The first span of this name with these attributes, once it has come. Raises TimeoutError."""
        with self.changed:
            if not self.changed.wait_for(lambda: bool(self.named(name, **attributes)), limit_s):
                raise TimeoutError(f"{name} did not come; {[each.name for each in self.spans]} did")
            return self.named(name, **attributes)[0]

    def trace(self, trace_id: str) -> list[SeenSpan]:
        """All spans of a trace, by when they began."""
        with self.changed:
            return sorted((each for each in self.spans if each.trace_id == trace_id), key=lambda each: each.began_ns)


def tree(spans: list[SeenSpan]) -> str:
    """A trace as text: each span under its parent, with its service and how long it took."""
    lines = []

    def add(parent_id: str, depth: int) -> None:
        for span in spans:
            if span.parent_id == parent_id:
                took_ms = (span.ended_ns - span.began_ns) / 1e6
                lines.append(f"{'  ' * depth}{span.name}  [{span.service}] {took_ms:.1f} ms")
                add(span.span_id, depth + 1)

    add("", 0)
    return "\n".join(lines)


@contextmanager
def a_collector() -> Iterator[Collector]:
    """A running collector."""
    collector = Collector()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    collector.url = f"http://127.0.0.1:{port}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
