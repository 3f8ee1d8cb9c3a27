"""Dialling on somebody's word: the guard of downloads and webhooks (docs/contract.md 6, 7).

A URL from outside may name anything: this machine, the operator's network, a cloud's metadata service. A host is resolved once, every address it
has must be allowed, and the connection goes to exactly those addresses, so that a second look-up cannot bring another answer.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from services.shared.addresses import Address, AddressPolicy, AddressRefused, literal_addresses, look_up, plain_host

LOOKUPS_AT_ONCE = 64


class EgressGuard:
    """Finds the addresses of hosts and lets through those that the policy allows."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        # Threads of its own: names that resolve slowly keep nothing else of the process waiting.
        self._lookups = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="look-up")

    async def resolve(self, url: URL) -> "PinnedResolver":
        """The checked addresses of the URL's host, for one connection.

        Raises AddressRefused when any of them may not be dialled, OSError when the host has none.
        """
        return PinnedResolver(await self.addresses(url.raw_host, url.port or 0))

    async def addresses(self, host: str | None, port: int) -> list[Address]:
        """The addresses of a host, all of which may be dialled, IPv4 first. Raises AddressRefused and OSError as `resolve`."""
        name = plain_host(host)
        if not name:
            raise AddressRefused("the link names no host")
        # A literal address needs no server and no thread.
        found = literal_addresses(name, port) or await self._look_up(name, port)
        self._policy.check(name, port, found)
        return sorted(found, key=lambda address: (address.version, int(address)))

    def check_written(self, url: URL) -> None:
        """Raises AddressRefused for a link whose host spells an address out that may not be dialled. Asks nobody."""
        self._policy.check_written(url.raw_host or "", url.port or 0)

    async def _look_up(self, host: str, port: int) -> set[Address]:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._lookups, look_up, host, port)
        except UnicodeError as error:
            raise OSError("the host's name cannot be looked up") from error


class PinnedResolver(AbstractResolver):
    """Answers every look-up with the addresses that were checked."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = tuple(addresses)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The checked addresses, whatever the name."""
        return _results(host, port, self._addresses)

    async def close(self) -> None:
        """Nothing is held."""


class GuardedResolver(AbstractResolver):
    """Looks hosts up through the guard, for a session that many exchanges share: each new connection goes to addresses that were checked for it.

    aiohttp asks no resolver about literal addresses: whoever uses this checks the link by `EgressGuard.check_written` too.
    """

    def __init__(self, guard: EgressGuard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The checked addresses of the host. Raises AddressRefused, OSError."""
        return _results(host, port, await self._guard.addresses(host, port))

    async def close(self) -> None:
        """Nothing is held."""


def _results(host: str, port: int, addresses: Iterable[Address]) -> list[ResolveResult]:
    return [
        ResolveResult(
            hostname=host,
            host=str(address),
            port=port,
            family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
            proto=socket.IPPROTO_TCP,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for address in addresses
    ]


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """The machine's certificate authorities, and one file of further ones."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


class DialledSockets:
    """The sockets of a session, to end them all at once: a polite end of TLS would wait for peers that may not answer."""

    def __init__(self) -> None:
        self._open: WeakSet[socket.socket] = WeakSet()

    def make(self, address: tuple[Any, ...]) -> socket.socket:
        """A socket for an address as `getaddrinfo` has it."""
        family, kind, protocol, *_ = address
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        self._open.add(made)
        return made

    def cut(self) -> None:
        """Cuts all connections; the event loop closes them in its next turns."""
        for each in list(self._open):
            # Not by the transport: aborting one that has just ended fails on some Pythons.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    async def closed(self) -> None:
        """Returns when all are closed, within a second."""
        for _ in range(100):
            if all(each.fileno() < 0 for each in list(self._open)):
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def open_session(
    resolver: PinnedResolver, trust: ssl.SSLContext, timeout_s: float
) -> AsyncIterator[ClientSession]:
    """An HTTP session for one exchange: only the checked addresses, no proxy of the environment, no cookies, bodies as they come.

    Its connections are cut when it ends: a polite end of TLS would wait for a peer that may not answer.
    """
    sockets = DialledSockets()
    connector = TCPConnector(
        resolver=resolver, use_dns_cache=False, force_close=True, ssl=trust, socket_factory=sockets.make
    )
    session = ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        timeout=ClientTimeout(total=timeout_s),
    )
    try:
        async with session:
            yield session
    finally:
        sockets.cut()
