"""Where spans go: in batches, from a thread of their own, to an OTLP collector. What it does not take is dropped; nobody waits for it."""

from collections.abc import Sequence
from importlib.metadata import version
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

QUEUED_SPANS = 8192
"""About 10 MB: a collector that is away for longer misses spans."""


def start_export(service: str, endpoint: str, share: float) -> TracerProvider:
    """A provider whose spans go to the collector; sampled as their parent is, or by share where they begin a trace."""
    provider = TracerProvider(
        # Named here and not read from the environment: settings are ours alone.
        resource=Resource({"service.name": f"calldock-{service}", "service.version": version("calldock")}),
        sampler=ParentBased(_AsLinked(share)),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=urlsplit(endpoint).scheme == "http", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=QUEUED_SPANS, max_export_batch_size=512))
    return provider


class _AsLinked(Sampler):
    """By share, but a trace that links to another is sampled: only what is sampled is linked to (the calls of one upload)."""

    def __init__(self, share: float) -> None:
        self._by_share = TraceIdRatioBased(share)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """The library asks for each span that begins a trace."""
        sampler = ALWAYS_ON if links else self._by_share
        return sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """As the library shows it."""
        return f"AsLinked{{{self._by_share.get_description()}}}"
