"""Posting to a receiver: one guarded HTTP exchange. The one door to aiohttp here."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from services.notify.notification import AttemptOutcome
from services.shared.egress import AddressRefused, EgressGuard, open_session

READ_BYTES = 64 * 1024
"""A receiver's answer is read this far, so that its connection ends cleanly; nothing in it matters but the status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How the exchange ended."""

    outcome: AttemptOutcome
    http_status: int | None = None
    reason: str = ""


class Receivers:
    """Posts to whatever URL an account named, within the egress guard."""

    def __init__(self, guard: EgressGuard, trust: ssl.SSLContext, timeout_s: float) -> None:
        self._guard = guard
        self._trust = trust
        self._timeout_s = timeout_s

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Posts the body once. Every failure is an answer; redirects are not followed."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(URL(url), headers, body)
        except TimeoutError:
            return Answer(outcome=AttemptOutcome.TIMEOUT, reason=f"no whole answer within {self._timeout_s:g} s")
        except AddressRefused as refused:
            return Answer(outcome=AttemptOutcome.ADDRESS_REFUSED, reason=str(refused))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(outcome=AttemptOutcome.CONNECTION, reason=_cause(error))

    async def _exchange(self, url: URL, headers: Mapping[str, str], body: bytes) -> Answer:
        resolver = await self._guard.resolve(url)
        async with (
            open_session(resolver, self._trust, self._timeout_s) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            await response.content.read(READ_BYTES)
            if 200 <= response.status < 300:
                return Answer(outcome=AttemptOutcome.DELIVERED, http_status=response.status)
            return Answer(
                outcome=AttemptOutcome.HTTP_STATUS,
                http_status=response.status,
                reason=f"the receiver answered {response.status}",
            )


def host_of(url: str) -> str | None:
    """The host of a link, for the log; None when it has none."""
    try:
        return URL(url).host
    except ValueError:
        return None


def _cause(error: Exception) -> str:
    """What went wrong, without the address that was dialled."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | ssl.SSLError):
        return "TLS failed: the certificate is not trusted, or no common protocol"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "could not connect"
    if isinstance(error, aiohttp.InvalidURL | ValueError):
        return "not a link that can be posted to"
    if isinstance(error, socket.gaierror):
        return "the host has no address"
    return "the connection broke"
