"""From the domain's "no" to gRPC's: one interceptor round every method of ours (docs/contract.md 8, style S21-S23)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from math import ceil
from typing import Any, NoReturn, TypeAlias

import grpc
import structlog
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from grpc import aio
from grpc_status import rpc_status

from services.shared.errors import ERRORS, MISSING, Busy, Mnemonic, Path, Refusal, Refusals, Trouble
from services.shared.places import RETRY_AFTER_S
from services.shared.quota import Meter
from services.shared.rpc.tracing import Handle, traced
from services.shared.tracing import TRACEPARENT

log = structlog.get_logger()

DOMAIN = "calldock"
MAX_VIOLATIONS = 20
MAX_DETAILS_BYTES = 4096
"""Trailers beyond 8 KiB reach Python clients as another error; half of that leaves room for everything else in them."""
MAX_VALUE_BYTES = 64
MAX_WHY_CHARACTERS = 300
RETRY_AFTER = "retry-after"
STREAM_IDLE_S = 60.0
"""As Envoy's idle_timeout of the routes that stream."""

Context: TypeAlias = "aio.ServicerContext[Any, Any]"
Guard: TypeAlias = Callable[[str, Context], Awaitable[None]]
"""Looks at a call (method path, context) before its request is even parsed, and raises a Refusal to stop it."""
Check: TypeAlias = Callable[[str, Message], None]
"""Looks at a parsed request (method path, message), and raises Refusal or Refusals to stop it."""


_running: "ContextVar[Context | None]" = ContextVar("running", default=None)
_headers: ContextVar[Mapping[str, str] | None] = ContextVar("headers", default=None)


def time_left_s() -> float | None:
    """Seconds that the caller of the running method still waits, 0 at least; None when it set no deadline, and outside of methods."""
    context = _running.get()
    return None if context is None else context.time_remaining()


def unmetered(_method: str) -> AbstractAsyncContextManager[object]:
    """The meter of methods that cost nothing."""
    return nullcontext()


class _NothingTaken(Exception):
    """A caller does not read what it asked for."""


class StatusInterceptor(aio.ServerInterceptor):
    """Runs the guards, takes what the request costs, parses, runs the check, then the handler, and turns what they raise into a status with details.

    A handler may answer its message as it travels, in bytes. A stranger's bytes are not parsed. A bug answers INTERNAL with the request id and no more.
    """

    def __init__(
        self,
        guards: Sequence[Guard],
        check: Check,
        meter: Meter = unmetered,
        idle_s: float = STREAM_IDLE_S,
        *,
        begins_traces: bool = False,
    ) -> None:
        """`meter` goes round what comes after the guards. Whoever takes nothing of a stream for `idle_s` seconds is cut off. Traces may begin here with `begins_traces`."""
        self._guards = tuple(guards)
        self._check = check
        self._meter = meter
        self._idle_s = idle_s
        self._begins_traces = begins_traces
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """Wraps the handlers of our own methods, each once; health and reflection pass as they are."""
        # They are here already: asked of the context, gRPC makes them anew.
        _headers.set(_first_of_each(handler_call_details.invocation_metadata))
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None or not method.startswith("/calldock."):
                return handler
            wrapped = self._wrapped[method] = self._wrap(method, handler)
        return wrapped

    def _wrap(self, method: str, handler: "grpc.RpcMethodHandler[Any, Any]") -> "grpc.RpcMethodHandler[Any, Any]":
        if handler.unary_unary is not None:
            around = self._around_unary(method, handler.unary_unary, handler.request_deserializer)
            serialise = _unless_serialised(handler.response_serializer)
            return grpc.unary_unary_rpc_method_handler(self._traced(method, around), None, serialise)
        if handler.unary_stream is not None:
            stream = self._around_stream(method, handler.unary_stream, handler.request_deserializer)
            return grpc.unary_stream_rpc_method_handler(self._traced(method, stream), None, handler.response_serializer)
        if handler.stream_unary is not None:
            upload = self._around_upload(method, handler.stream_unary, handler.request_deserializer)
            return grpc.stream_unary_rpc_method_handler(self._traced(method, upload), None, handler.response_serializer)
        raise AssertionError(f"{method} streams both ways: it needs a wrapper of its own")

    def _traced(self, method: str, handle: Handle) -> Handle:
        return traced(method, handle, partial(header, name=TRACEPARENT), begins=self._begins_traces)

    def _around_unary(self, method: str, handle: Any, parse: Any) -> Callable[[bytes, Context], Awaitable[Message]]:
        async def around(data: bytes, context: Context) -> Message:
            _running.set(context)
            try:
                await self._guard(method, context)
                async with self._meter(method):
                    answer: Message = await handle(self._parsed(method, data, parse), context)
            except Exception as error:  # noqa: BLE001 - the edge
                await _abort(method, context, error)
            return answer

        return around

    def _around_stream(self, method: str, handle: Any, parse: Any) -> Callable[[bytes, Context], Awaitable[None]]:
        async def around(data: bytes, context: Context) -> None:
            _running.set(context)
            try:
                await self._guard(method, context)
                # However it ends, the handler has given back what it holds before the caller hears of it.
                async with self._meter(method), aclosing(handle(self._parsed(method, data, parse), context)) as pieces:
                    async for piece in pieces:
                        await self._write(piece, context)
            except Exception as error:  # noqa: BLE001 - the edge
                await _abort(method, context, error)

        return around

    async def _write(self, piece: Message, context: Context) -> None:
        try:
            async with asyncio.timeout(self._idle_s):
                await context.write(piece)
        except TimeoutError as error:
            raise _NothingTaken(f"nothing was taken for {self._idle_s:g} s") from error

    def _around_upload(
        self, method: str, handle: Any, parse: Any
    ) -> Callable[[AsyncIterator[bytes], Context], Awaitable[Message]]:
        async def around(pieces: AsyncIterator[bytes], context: Context) -> Message:
            _running.set(context)
            try:
                # Nothing of a stranger's is read: each piece is parsed and checked when the handler asks for it.
                await self._guard(method, context)
                requests = (self._parsed(method, data, parse) async for data in pieces)
                async with self._meter(method), aclosing(requests):
                    answer: Message = await handle(requests, context)
            except Exception as error:  # noqa: BLE001 - the edge
                await _abort(method, context, error)
            return answer

        return around

    async def _guard(self, method: str, context: Context) -> None:
        for guard in self._guards:
            await guard(method, context)

    def _parsed(self, method: str, data: bytes, parse: Callable[[bytes], Message]) -> Message:
        try:
            request = parse(data)
        except DecodeError as error:
            raise Refusal(Mnemonic.PARSE_ERROR, why="the request is not a message of this method") from error
        self._check(method, request)
        return request


def _unless_serialised(serialise: Any) -> Callable[[Message | bytes], bytes]:
    def serialised(answer: Message | bytes) -> bytes:
        data: bytes = answer if isinstance(answer, bytes) else serialise(answer)
        return data

    return serialised


async def _abort(method: str, context: Context, error: Exception) -> NoReturn:
    """Ends the call with the status of what its method raised."""
    match error:
        case Refusal() | Refusals():
            status = rpc_status.to_status(status_of(error))
            told = (status.trailing_metadata or ()) + _retry_after(_first(error).retry_after_s)
            await context.abort(status.code, status.details, told)
        case _NothingTaken():
            log.info("rpc.nothing_taken", method=method)
            # Waits behind what is not taken, and holds nothing but that: what the method held is given back. gRPC has no way to reset a stream from here, Envoy does.
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, str(error))
        case Busy():
            log.info("rpc.busy", method=method, reason=str(error))
            why = "no room at the moment, try again"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, why, _retry_after(RETRY_AFTER_S))
        case Trouble():
            log.warning("rpc.trouble", method=method, reason=str(error))
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not available at the moment, try again")
        case aio.AbortError():
            raise error
    # A bug: whatever it is, its words must not reach the caller.
    request_id = header(context, "x-request-id") or "none"
    log.exception("rpc.failed", method=method, request_id=request_id)
    await context.abort(grpc.StatusCode.INTERNAL, f"internal error, request id {request_id}")


def _first(refused: Refusal | Refusals) -> Refusal:
    return refused.first if isinstance(refused, Refusals) else refused


def _retry_after(seconds: float | None) -> tuple[tuple[str, str], ...]:
    """As RFC 9110, 10.2.3 has it: Envoy makes a header of it for who came by REST."""
    return () if seconds is None else ((RETRY_AFTER, str(ceil(seconds))),)


def header(context: Context, name: str) -> str:
    """The caller's metadata entry of this name, or an empty string."""
    return headers(context).get(name, "")


def headers(context: Context) -> Mapping[str, str]:
    """The caller's metadata, the first entry of each name; those that end in `-bin` are bytes, and nobody's here."""
    noted = _headers.get()
    return _first_of_each(context.invocation_metadata()) if noted is None else noted


def _first_of_each(metadata: Any) -> Mapping[str, str]:
    return dict(reversed(metadata or ()))


def status_of(refused: Refusal | Refusals) -> status_pb2.Status:
    """The google.rpc.Status of a refusal: ErrorInfo always; BadRequest with up to 20 violations when fields are wrong, within 4 KiB."""
    refusals = refused.refusals if isinstance(refused, Refusals) else (refused,)
    first = refusals[0]
    info = error_details_pb2.ErrorInfo(reason=first.mnemonic.upper(), domain=DOMAIN, metadata=_metadata(refusals))
    status = status_pb2.Status(code=grpc_code(first).value[0], message=_sentence(first))
    status.details.append(_packed(info))
    if first.retry_after_s is not None:
        status.details.append(_packed(_quota_failure(first)))
        status.details.append(_packed(_retry_info(first.retry_after_s)))
    if len(refusals) > 1 or first.path:
        status.details.append(_packed(_bad_request(refusals, MAX_DETAILS_BYTES - status.ByteSize())))
    return status


def grpc_code(first: Refusal) -> grpc.StatusCode:
    """A refused upload is INVALID_ARGUMENT whatever its fields say; a refusal that has a code of its own keeps it."""
    if first.grpc_code is not None:
        return grpc.StatusCode[first.grpc_code]
    if first.path and first.path[0] == "calls":
        return grpc.StatusCode.INVALID_ARGUMENT
    return grpc.StatusCode[ERRORS[first.mnemonic].grpc_code]


def spelled(path: Path) -> str:
    """A path as gRPC spells it, `calls[0].start_time`; a member's name is cut to 64 bytes."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{_cut(part)}" if text else _cut(part)
    return text


def _metadata(refusals: Sequence[Refusal]) -> dict[str, str]:
    metadata = {"total_violations": str(len(refusals))} if refusals[0].path else {}
    return metadata | {name: _cut(value) for name, value in refusals[0].params.items()}


def _sentence(refusal: Refusal) -> str:
    why = refusal.why[:MAX_WHY_CHARACTERS]
    return f"{spelled(refusal.path)}: {why}" if refusal.path else why


def _bad_request(refusals: Sequence[Refusal], room_bytes: int) -> error_details_pb2.BadRequest:
    bad = error_details_pb2.BadRequest()
    for refusal in refusals[:MAX_VIOLATIONS]:
        came = "" if refusal.value is MISSING else f" (came: {_cut(_shown(refusal.value))})"
        why = f"{refusal.why[:MAX_WHY_CHARACTERS]}{came}"
        bad.field_violations.add(field=spelled(refusal.path), description=why, reason=refusal.mnemonic.upper())
        if bad.ByteSize() > room_bytes and len(bad.field_violations) > 1:
            del bad.field_violations[-1]
            break
    return bad


def _quota_failure(refusal: Refusal) -> error_details_pb2.QuotaFailure:
    failure = error_details_pb2.QuotaFailure()
    failure.violations.add(subject="account", description=refusal.why[:MAX_WHY_CHARACTERS])
    return failure


def _retry_info(retry_after_s: float) -> error_details_pb2.RetryInfo:
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromTimedelta(timedelta(seconds=retry_after_s))
    return retry


def _shown(value: object) -> str:
    # Not str() of a whole list: it may be long, and hold what must not be told.
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, list | dict) else str(value)


def _cut(text: str) -> str:
    encoded = text.encode("utf-8", "replace")
    return text if len(encoded) <= MAX_VALUE_BYTES else encoded[:MAX_VALUE_BYTES].decode("utf-8", "ignore") + "…"


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
