"""Traces across gRPC: a span for each request of ours that comes in, and one for each that goes out while a span runs. Without tracing there are no interceptors at all."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
from grpc import aio
from opentelemetry.trace import Span, SpanKind, StatusCode

from services.shared.tracing import TRACEPARENT, entry, inner, is_on, traceparent_of

_OK = grpc.StatusCode.OK
_NOT_SAMPLED = ("00", "02")
"""The flags of a traceparent whose last bit is not set (w3.org/TR/trace-context-2)."""


def server_interceptors(*, is_public: bool) -> list[aio.ServerInterceptor]:
    """What a listener puts before everything else. Traces begin at a public one alone."""
    return [_ServerTracing(begins=is_public)] if is_on() else []


def client_interceptors() -> list[aio.ClientInterceptor]:
    """What a channel to another service puts before everything else."""
    return [_ClientTracing()] if is_on() else []


class _ServerTracing(aio.ServerInterceptor):
    def __init__(self, *, begins: bool) -> None:
        self._begins = begins

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith("/calldock."):
            return handler
        parent = _entry_of(handler_call_details.invocation_metadata or ())
        # Most requests are not sampled: they pay for this look alone.
        if parent[-2:] in _NOT_SAMPLED or not (parent or self._begins):
            return handler
        if handler.unary_stream is not None:
            stream = self._around(method, parent, handler.unary_stream)
            return grpc.unary_stream_rpc_method_handler(
                stream, handler.request_deserializer, handler.response_serializer
            )
        if handler.unary_unary is not None:
            unary = self._around(method, parent, handler.unary_unary)
            return grpc.unary_unary_rpc_method_handler(unary, handler.request_deserializer, handler.response_serializer)
        upload = self._around(method, parent, handler.stream_unary)
        return grpc.stream_unary_rpc_method_handler(upload, handler.request_deserializer, handler.response_serializer)

    def _around(self, method: str, parent: str, handle: Any) -> Any:
        async def around(request: Any, context: Any) -> Any:
            with entry(method[1:], parent, begins=self._begins, attributes=_attributes(method)) as span:
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


def _entry_of(metadata: "Sequence[tuple[str, str | bytes]]") -> str:
    for key, value in metadata:
        if key == TRACEPARENT and isinstance(value, str):
            return value
    return ""


def _attributes(method: str) -> dict[str, str]:
    service, _, name = method[1:].partition("/")
    return {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}


def _note_code(span: Span, context: Any) -> None:
    if not span.is_recording():
        return
    code = context.code() or 0
    number = code if isinstance(code, int) else code.value[0]
    span.set_attribute("rpc.grpc.status_code", number)
