"""Posting to a receiver: one guarded HTTP exchange. The one door to aiohttp here."""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from services.notify.answers import Answer
from services.notify.notification import AttemptOutcome
from services.shared.addresses import AddressRefused
from services.shared.egress import DialledSockets, EgressGuard, GuardedResolver

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.tracing import Trace

READ_BYTES = 64 * 1024
"""A receiver's answer is read this far, so that its connection can be used again; nothing in it matters but the status."""
HEAD_BYTES = 1024
"""So much of an answer is kept."""
IDLE_S = 2.0
"""A connection is used again for so long: shorter than servers keep theirs, so that few end under a request."""
MOST_RETRY_AFTER_S = 10**9


class Receivers:
    """Posts to whatever URL an account named, within the egress guard. Connections are kept for a moment and used again."""

    def __init__(self, guard: EgressGuard, trust: ssl.SSLContext, timeout_s: float) -> None:
        self._guard = guard
        self._trust = trust
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._sockets = DialledSockets()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Posts the body once. Every failure is an answer; redirects are not followed."""
        began_s = time.monotonic()
        answer = await self._post(url, headers, body)
        return replace(answer, latency_ms=round((time.monotonic() - began_s) * 1000))

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(URL(url), headers, body)
        except TimeoutError:
            return Answer(outcome=AttemptOutcome.TIMEOUT, reason=f"no whole answer within {self._timeout_s:g} s")
        except AddressRefused as refused:
            return Answer(outcome=AttemptOutcome.ADDRESS_REFUSED, reason=str(refused))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(outcome=AttemptOutcome.CONNECTION, reason=_cause(error))

    async def close(self) -> None:
        """Hangs up."""
        if self._session is not None:
            await self._session.close()
            self._sockets.cut()
            await self._sockets.closed()

    async def _exchange(self, url: URL, headers: Mapping[str, str], body: bytes) -> Answer:
        if url.scheme not in ("http", "https") or not url.raw_host:
            raise aiohttp.InvalidURL(url)
        # The resolver checks names at each new connection; it is not asked about literal addresses.
        self._guard.check_written(url)
        dialled = _dialled.set([])
        try:
            return await self._once(url, headers, body)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if _dialled.get():
                raise
        finally:
            _dialled.reset(dialled)
        # The receiver let go of a connection that lay idle just when we used it again: that is no failure of its own.
        return await self._once(url, headers, body)

    async def _once(self, url: URL, headers: Mapping[str, str], body: bytes) -> Answer:
        async with self._opened().post(
            url, data=aiohttp.BytesPayload(body), headers=headers, allow_redirects=False
        ) as response:
            head = await _read_head(response)
            if 200 <= response.status < 300:
                return Answer(outcome=AttemptOutcome.DELIVERED, http_status=response.status, head=head)
            return Answer(
                outcome=AttemptOutcome.HTTP_STATUS,
                http_status=response.status,
                reason=f"the receiver answered {response.status}",
                head=head,
                retry_after_s=retry_after_s(response.headers.get("retry-after", ""), datetime.now(UTC)),
            )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=_Connector(
                    resolver=GuardedResolver(self._guard),
                    use_dns_cache=False,
                    ssl=self._trust,
                    limit=0,
                    keepalive_timeout=IDLE_S,
                    socket_factory=self._sockets.make,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None),
                skip_auto_headers=("accept", "accept-encoding"),
            )
        return self._session


_dialled: ContextVar[list[bool]] = ContextVar("dialled")
"""Whether this exchange dialled, or used a connection again."""


class _Connector(aiohttp.TCPConnector):
    """Notes when it dials, and cuts a connection that is not used again: a polite end of TLS would wait half a minute for a peer that may not answer."""

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: "list[Trace]",
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - not ours to name
    ) -> "ResponseHandler":
        if _dialled.get(None) is not None:
            _dialled.get().append(True)
        return await super()._create_connection(req, traces, timeout)

    def _release(self, key: "ConnectionKey", protocol: "ResponseHandler", *, should_close: bool = False) -> None:
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


def retry_after_s(text: str, now: datetime) -> float | None:
    """The seconds that a `Retry-After` asks for, as a number or a date (RFC 9110, 10.2.3); None for anything else."""
    if text.isascii() and text.isdigit():
        return float(min(int(text[:12]), MOST_RETRY_AFTER_S))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - now).total_seconds())


async def _read_head(response: aiohttp.ClientResponse) -> str:
    """What the body begins with. Beyond 64 KiB it is not read, and the connection is not used again."""
    head = b""
    length = 0
    while length < READ_BYTES:
        chunk = await response.content.read(READ_BYTES - length)
        if not chunk:
            break
        length += len(chunk)
        head += chunk[: HEAD_BYTES - len(head)]
    else:
        response.close()
    return head.decode("utf-8", "replace").replace("\0", "�")


def _cause(error: Exception) -> str:
    """What went wrong, without the address that was dialled."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | ssl.SSLError):
        return "TLS failed: the certificate is not trusted, or no common protocol"
    if isinstance(error, aiohttp.ClientConnectorDNSError | socket.gaierror):
        return "the host has no address"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "could not connect"
    if isinstance(error, aiohttp.InvalidURL | ValueError):
        return "not a link that can be posted to"
    return "the connection broke"
