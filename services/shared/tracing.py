"""Traces: what happened to one call, from the front door to its receiver, as OpenTelemetry spans.

Off unless `set_up_tracing` was told where spans go; then the context of a trace travels as a W3C traceparent: in gRPC's metadata between processes, in a column beside what is stored. What has no
context, or one that is not sampled, makes no span and costs a look. The provider is the process's own, as the library has it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.util.types import AttributeValue

TRACEPARENT = "traceparent"
"""The header, metadata entry and column (w3.org/TR/trace-context)."""

_LENGTH = 55
_ZEROS = frozenset("0-")
_HEX = frozenset("0123456789abcdef")
_OFF = trace.INVALID_SPAN

Attributes = Mapping[str, AttributeValue]


class _State:
    """The tracer of this process, once there is one."""

    tracer: trace.Tracer | None = None


def set_up_tracing(service: str, endpoint: str, share: float) -> Callable[[], None]:
    """Sends spans to `http://host:port` (OTLP over gRPC), of that share of what begins here. Answers what ends it, which sends what is left; an empty endpoint turns nothing on."""
    if not endpoint:
        return lambda: None
    # Loading the library takes a third of a second of CPU: whoever does not trace does without.
    from services.shared.tracing_export import start_export

    provider = start_export(service, endpoint, share)
    _State.tracer = provider.get_tracer("calldock")

    def stop() -> None:
        _State.tracer = None
        provider.shutdown()

    return stop


def is_on() -> bool:
    """True when spans are made at all."""
    return _State.tracer is not None


def is_traced() -> bool:
    """True within a span that is recorded."""
    return is_on() and trace.get_current_span().is_recording()


def traceparent_of(context: SpanContext) -> str:
    """A context in the form in which it travels."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def read_traceparent(text: str | None) -> SpanContext | None:
    """The context that a traceparent names; None for nothing, for what is none, and for a trace that is not sampled."""
    if not text or len(text) != _LENGTH or not text.startswith("00-"):
        return None
    trace_id, span_id, flags = text[3:35], text[36:52], text[53:]
    if not _HEX.issuperset(trace_id + span_id + flags) or text[35] != "-" or text[52] != "-":
        return None
    if not int(flags, 16) & TraceFlags.SAMPLED or _ZEROS.issuperset(trace_id) or _ZEROS.issuperset(span_id):
        return None
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def trace_id_of(traceparent: str | None) -> str | None:
    """The trace that a stored traceparent names, in hex; None for none."""
    return traceparent[3:35] if traceparent else None


def current_trace_id() -> str | None:
    """The trace of the running span, in hex; None without one."""
    span = trace.get_current_span()
    return f"{span.get_span_context().trace_id:032x}" if span.is_recording() else None


@contextmanager
def step(
    name: str, traceparent: str | None, attributes: Attributes | None = None, kind: SpanKind = SpanKind.INTERNAL
) -> Iterator[Span]:
    """A step of stored work, as a child of what the work's row says; with no sampled context, or tracing off, no span. What is asked of others meanwhile belongs to it."""
    parent = read_traceparent(traceparent) if _State.tracer is not None else None
    if parent is None or _State.tracer is None:
        yield _OFF
        return
    with _State.tracer.start_as_current_span(name, _context_of(parent), kind, attributes) as span:
        yield span


@contextmanager
def inner(name: str, attributes: Attributes | None = None, kind: SpanKind = SpanKind.INTERNAL) -> Iterator[Span]:
    """A part of the running span; nothing when none runs."""
    if _State.tracer is None or not trace.get_current_span().is_recording():
        yield _OFF
        return
    with _State.tracer.start_as_current_span(name, kind=kind, attributes=attributes) as span:
        yield span


@contextmanager
def entry(name: str, traceparent: str, *, begins: bool, attributes: Attributes) -> Iterator[Span]:
    """A request that came in, as a child of what its caller says. Without a word of that a trace may begin here where `begins` says so; one that the caller does not sample makes no span."""
    tracer = _State.tracer
    parent = read_traceparent(traceparent)
    if tracer is None or (parent is None and (traceparent or not begins)):
        yield _OFF
        return
    context = _context_of(parent) if parent is not None else Context()
    with tracer.start_as_current_span(name, context, SpanKind.SERVER, attributes) as span:
        yield span


def happened(
    name: str, traceparent: str | None, began: datetime, ended: datetime, attributes: Attributes, error: str = ""
) -> None:
    """A request to the outside that is over, as a child of what its row says."""
    parent = read_traceparent(traceparent) if _State.tracer is not None else None
    if parent is None or _State.tracer is None:
        return
    span = _State.tracer.start_span(
        name, _context_of(parent), SpanKind.CLIENT, attributes, start_time=_nanoseconds(began)
    )
    if error:
        span.set_status(trace.StatusCode.ERROR, error)
    span.end(_nanoseconds(ended))


def contexts_of_calls(calls: Mapping[str, bool]) -> dict[str, str]:
    """The contexts that calls of an upload are stored with, by ext_id, of those after whose upload more is to come (True): the upload's own for a single call; for each of several the first span, `call`, of a
    trace of its own, which links to the upload. Nothing when the upload is not traced."""
    span = trace.get_current_span()
    if _State.tracer is None or not span.is_recording():
        return {}
    upload = span.get_span_context()
    if len(calls) == 1:
        ((ext_id, goes_on),) = calls.items()
        span.set_attribute("calldock.ext_id", ext_id)
        return {ext_id: traceparent_of(upload)} if goes_on else {}
    span.set_attribute("calldock.calls", len(calls))
    found = {}
    for ext_id in (ext_id for ext_id, goes_on in calls.items() if goes_on):
        call = _State.tracer.start_span("call", Context(), attributes={"calldock.ext_id": ext_id}, links=[Link(upload)])
        found[ext_id] = traceparent_of(call.get_span_context())
        call.end()
    return found


def _context_of(parent: SpanContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(parent), Context())


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
