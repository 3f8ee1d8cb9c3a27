"""Traces across gRPC: a span for each request of ours that comes in, and one for each that goes out while a span runs. Without tracing nothing is put around anything."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc
from grpc import aio
from opentelemetry.trace import Span, SpanKind, StatusCode

from services.shared.tracing import TRACEPARENT, entry, inner, is_on, traceparent_of

Handle: TypeAlias = Callable[[Any, Any], Awaitable[Any]]
"""What runs a request: its message or messages, its context."""

_OK = grpc.StatusCode.OK
_NOT_SAMPLED = ("00", "02")
"""The flags of a traceparent whose last bit is not set (w3.org/TR/trace-context-2)."""


def client_interceptors() -> list[aio.ClientInterceptor]:
    """What a channel to another service puts before everything else."""
    return [_ClientTracing()] if is_on() else []


def traced(method: str, handle: Handle, parent_of: Callable[[Any], str], *, begins: bool) -> Handle:
    """A handler of ours within the span of its request; as it is where nothing is traced. `parent_of` finds what the caller says of its trace (a traceparent, or nothing) in a call's context; traces begin here where `begins` says so."""
    if not is_on():
        return handle

    async def around(request: Any, context: Any) -> Any:
        parent = parent_of(context)
        # Most requests are not sampled: they pay for this look alone.
        if parent[-2:] in _NOT_SAMPLED or not (parent or begins):
            return await handle(request, context)
        with entry(method[1:], parent, begins=begins, attributes=_attributes(method)) as span:
            try:
                return await handle(request, context)
            finally:
                _note_code(span, context)

    return around


class _ClientTracing(aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        method = client_call_details.method
        name = (method.decode() if isinstance(method, bytes) else method)[1:]
        with inner(name, {"rpc.system": "grpc"}, SpanKind.CLIENT) as span:
            if not span.is_recording():
                return await continuation(client_call_details, request)
            metadata = [*(client_call_details.metadata or ()), (TRACEPARENT, traceparent_of(span.get_span_context()))]
            call = await continuation(client_call_details._replace(metadata=aio.Metadata(*metadata)), request)
            # Waited for here, so that the span is as long as the request.
            code = await call.code()
            span.set_attribute("rpc.grpc.status_code", code.value[0])
            if code is not _OK:
                span.set_status(StatusCode.ERROR, code.name)
            return call


def _attributes(method: str) -> dict[str, str]:
    service, _, name = method[1:].partition("/")
    return {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}


def _note_code(span: Span, context: Any) -> None:
    if not span.is_recording():
        return
    code = context.code() or 0
    number = code if isinstance(code, int) else code.value[0]
    span.set_attribute("rpc.grpc.status_code", number)
