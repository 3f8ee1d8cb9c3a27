"""Posting to a receiver: one guarded HTTP exchange, and what is made of its end."""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import structlog
from yarl import URL

from services.notify.answers import Answer
from services.notify.connections import Connector
from services.notify.notification import AttemptOutcome
from services.shared.addresses import AddressRefused
from services.shared.egress import DialledSockets, Dialling, EgressGuard
from services.shared.errors import Trouble

BODY_S = 2.0
"""So long an answer's body is read, and only so that its connection can be used again; nothing in it matters but the status."""
READ_BYTES = 64 * 1024
"""And so far."""
HEAD_BYTES = 1024
"""So much of an answer is kept."""
MOST_RETRY_AFTER_S = 10**9

log = structlog.get_logger()


class Receivers:
    """Posts to whatever URL an account named, within the egress guard. Connections are kept for a moment and used again."""

    def __init__(self, guard: EgressGuard, trust: ssl.SSLContext, timeout_s: float) -> None:
        self._guard = guard
        self._trust = trust
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._sockets = DialledSockets()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Posts the body once. Every failure is an answer; redirects are not followed. Raises Trouble when this machine lacks what it takes."""
        began_s = time.monotonic()
        try:
            answer = await self._post(url, headers, body)
        except Trouble:
            raise
        except Exception:
            # Whatever an exchange meets, it ends no other.
            log.exception("receiver.failed")
            answer = Answer(outcome=AttemptOutcome.INTERNAL, reason="calldock failed")
        return replace(answer, latency_ms=round((time.monotonic() - began_s) * 1000))

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        ends_s = asyncio.get_running_loop().time() + self._timeout_s
        try:
            target = _target(url, headers)
            with self._guard.dialling(target) as dialling:
                async with asyncio.timeout_at(ends_s):
                    response = await self._exchange(target, headers, body, dialling)
        except TimeoutError:
            return Answer(outcome=AttemptOutcome.TIMEOUT, reason=f"no answer within {self._timeout_s:g} s")
        except AddressRefused as refused:
            return Answer(outcome=AttemptOutcome.ADDRESS_REFUSED, reason=str(refused))
        except aiohttp.InvalidURL:
            return _NO_LINK
        except (aiohttp.ClientError, OSError) as error:
            return Answer(outcome=AttemptOutcome.CONNECTION, reason=_cause(error))
        except ValueError:
            # After the errors of TLS, of which one is a ValueError too.
            return _NO_LINK
        return await _answer(response, ends_s)

    async def close(self) -> None:
        """Hangs up."""
        if self._session is not None:
            await self._session.close()
            self._sockets.cut()
            await self._sockets.closed()

    async def _exchange(
        self, url: URL, headers: Mapping[str, str], body: bytes, dialling: Dialling
    ) -> aiohttp.ClientResponse:
        # The resolver checks names at each new connection; it is not asked about literal addresses.
        self._guard.check_written(url)
        try:
            return await self._once(url, headers, body)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if dialling.has_dialled:
                raise
        # The receiver let go of a connection that lay idle just when we used it again: that is no failure of its own.
        return await self._once(url, headers, body)

    async def _once(self, url: URL, headers: Mapping[str, str], body: bytes) -> aiohttp.ClientResponse:
        return await self._opened().post(url, data=aiohttp.BytesPayload(body), headers=headers, allow_redirects=False)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=Connector(self._guard, self._trust, self._sockets),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None),
                skip_auto_headers=("accept", "accept-encoding"),
            )
        return self._session


_NO_LINK = Answer(outcome=AttemptOutcome.ADDRESS_REFUSED, reason="not a link that can be posted to")


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


def _target(url: str, headers: Mapping[str, str]) -> URL:
    """The link to post to. Raises InvalidURL, ValueError for one that nothing can be posted to."""
    target = URL(url)
    if target.scheme not in ("http", "https") or not target.raw_host:
        raise aiohttp.InvalidURL(target)
    # Two who say who we are would contradict each other: what the account stored counts.
    return target.with_user(None) if any(name.lower() == "authorization" for name in headers) else target


async def _answer(response: aiohttp.ClientResponse, ends_s: float) -> Answer:
    """What the receiver said. Its status counts, whatever becomes of the body."""
    head = await _read_head(response, ends_s)
    if 200 <= response.status < 300:
        return Answer(outcome=AttemptOutcome.DELIVERED, http_status=response.status, head=head)
    return Answer(
        outcome=AttemptOutcome.HTTP_STATUS,
        http_status=response.status,
        reason=f"the receiver answered {response.status}",
        head=head,
        retry_after_s=retry_after_s(response.headers.get("retry-after", ""), datetime.now(UTC)),
    )


async def _read_head(response: aiohttp.ClientResponse, ends_s: float) -> str:
    """What the body begins with, as far as it came. One that breaks, is slow or goes beyond 64 KiB is not read to its end, and the connection is not used again."""
    if response.content.at_eof() and response.content.exception() is None:
        return ""
    loop = asyncio.get_running_loop()
    # Closing wakes the reader; a time-out could strike together with that of the exchange.
    closing = loop.call_at(min(ends_s, loop.time() + BODY_S), response.close)
    head = b""
    length = 0
    is_whole = False
    try:
        with suppress(Exception):
            while length < READ_BYTES and not is_whole:
                chunk = await response.content.read(READ_BYTES - length)
                is_whole = not chunk
                length += len(chunk)
                head += chunk[: HEAD_BYTES - len(head)]
    finally:
        closing.cancel()
        if not is_whole:
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
    return "the connection broke"
