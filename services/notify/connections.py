"""Connections to receivers: dialled within the guard, kept for a moment, and cut without a word when nobody uses them again."""

import re
import socket
import ssl
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from services.shared.egress import DialledSockets, EgressGuard, GuardedResolver, dialling_now

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.http import RawResponseMessage
    from aiohttp.streams import StreamReader
    from aiohttp.tracing import Trace

IDLE_S = 2.0
"""A connection is used again for so long: shorter than servers keep theirs, so that few end under a request."""

_HEAD_END = re.compile(rb"(?:\A|\n)\r?\n")
"""Where a head may end, also one whose first half came before."""


class Connector(aiohttp.TCPConnector):
    """Notes when it dials, and cuts a connection that is not used again: a polite end of TLS would wait half a minute for a peer that may not answer."""

    def __init__(self, guard: EgressGuard, trust: ssl.SSLContext, sockets: DialledSockets) -> None:
        super().__init__(
            resolver=GuardedResolver(guard),
            use_dns_cache=False,
            ssl=trust,
            limit=0,
            keepalive_timeout=IDLE_S,
            socket_factory=sockets.make,
        )
        protocol: type[ResponseHandler] = _HeadFirst
        self._factory = partial(protocol, loop=self._loop)

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: "list[Trace]",
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - not ours to name
    ) -> ResponseHandler:
        dialling = dialling_now()
        dialling.has_dialled = True
        connected = await super()._create_connection(req, traces, timeout)
        # Had after all, by another address.
        dialling.lacks = ""
        return connected

    def _release(self, key: "ConnectionKey", protocol: ResponseHandler, *, should_close: bool = False) -> None:
        transport = protocol.transport
        connected = None
        # One of TLS that has just been lost knows its socket no more.
        with suppress(AttributeError):
            connected = transport.get_extra_info("socket") if transport is not None else None
        super()._release(key, protocol, should_close=should_close)
        if connected is not None and protocol.transport is None:
            # Not by the transport: aborting one that has just ended fails on some Pythons.
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)


class _HeadFirst(ResponseHandler):
    """Reads the head of an answer before it looks at what came with it: a body that is no HTTP does not take the status away."""

    _has_head = True

    def set_response_params(self, **params: Any) -> None:
        """As aiohttp has it, before each answer."""
        self._has_head = False
        super().set_response_params(**params)

    def feed_data(self, data: "tuple[RawResponseMessage, StreamReader]", size: int = 0) -> None:
        """Takes a head. After one that only asks for patience (1xx) another one comes."""
        self._has_head = self._has_head or data[0].code >= 200 or data[0].code == 101
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """Takes what came, in pieces that end where a head may."""
        begin = 0
        while not self._has_head and (found := _HEAD_END.search(data, begin)) is not None:
            super().data_received(data[begin : found.end()])
            begin = found.end()
            if self._exception is not None:
                return
        if begin < len(data) or not begin:
            super().data_received(data[begin:])
        if self._exception is not None and self._payload is not None and not self._payload.is_eof():
            # Nothing more comes: wakes who reads it.
            self._payload.set_exception(self._exception)
