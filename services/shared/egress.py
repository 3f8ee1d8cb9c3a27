"""Dialling on somebody's word: the guard of downloads and webhooks (docs/contract.md 6, 7).

A URL from outside may name anything: this machine, the operator's network, a cloud's metadata service. A host is resolved once, every address it
has must be allowed, and the connection goes to exactly those addresses, so that a second look-up cannot bring another answer.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakSet

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from services.shared.addresses import (
    Address,
    AddressPolicy,
    AddressRefused,
    literal_addresses,
    parse_address,
    plain_host,
)
from services.shared.descriptors import NOTHING_LEFT, is_our_shortage
from services.shared.errors import Trouble
from services.shared.look_ups import LookUps

Judge: TypeAlias = Callable[[Address, int], None]
"""Raises AddressRefused for an address and port that may not be dialled."""


@dataclass(slots=True)
class Dialling:
    """One exchange, while it finds its way. `lacks` is what this machine has too little of for it, and `refused` an address that it may not dial."""

    judge: Judge
    has_dialled: bool = False
    lacks: str = ""
    refused: AddressRefused | None = None


_dialling: ContextVar[Dialling | None] = ContextVar("dialling", default=None)


def dialling_now() -> Dialling:
    """The exchange under way here. Raises AddressRefused when there is none: nobody said where it may go."""
    dialling = _dialling.get()
    if dialling is None:
        raise AddressRefused("nobody said where this connection may go")
    return dialling


class EgressGuard:
    """Finds the addresses of hosts and lets through those that the policy allows."""

    def __init__(self, policy: AddressPolicy, *, look_ups: LookUps | None = None) -> None:
        self._policy = policy
        self._look_ups = look_ups or LookUps()

    async def resolve(self, url: URL) -> "PinnedResolver":
        """The checked addresses of the URL's host, for one connection.

        Raises AddressRefused when any of them may not be dialled, OSError when the host has none, Trouble when we lack what it takes to find out.
        """
        return PinnedResolver(await self.addresses(url.raw_host, url.port or 0))

    async def addresses(self, host: str | None, port: int) -> list[Address]:
        """The addresses of a host, all of which may be dialled, IPv4 first. Raises as `resolve`."""
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

    def dialling(self, url: URL) -> AbstractContextManager[Dialling]:
        """One exchange with the URL's host: its sockets are had for no address that the policy does not allow.

        Raises AddressRefused for one that was refused, and Trouble for what this machine lacks, whatever came of it in between.
        """
        name = plain_host(url.raw_host)
        return _dialling_within(lambda address, port: self._policy.check(name, port, (address,)))

    async def _look_up(self, host: str, port: int) -> frozenset[Address]:
        dialling = _dialling.get()
        if dialling is not None:
            # Stands if its time ends here.
            dialling.lacks = "no thread was free to look a host up"
        begun = await self._look_ups.begin(host, port)
        if dialling is not None:
            dialling.lacks = ""
        try:
            return await self._look_ups.finish(begun)
        except UnicodeError as error:
            raise OSError("the host's name cannot be looked up") from error
        except (OSError, MemoryError) as error:
            if is_our_shortage(error):
                raise Trouble(NOTHING_LEFT) from error
            raise


@contextmanager
def _dialling_within(judge: Judge) -> Iterator[Dialling]:
    dialling = Dialling(judge)
    token = _dialling.set(dialling)
    try:
        yield dialling
    except (AddressRefused, Trouble):
        raise
    except Exception as error:
        # What dials several addresses at once makes one error of theirs, in which the reason may be lost.
        if dialling.refused is not None:
            raise dialling.refused from error
        if dialling.lacks or is_our_shortage(error):
            raise Trouble(dialling.lacks or NOTHING_LEFT) from error
        raise
    finally:
        _dialling.reset(token)


class PinnedResolver(AbstractResolver):
    """Answers every look-up with the addresses that were checked."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = tuple(addresses)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The checked addresses, whatever the name."""
        return _results(host, port, self._addresses)

    def check(self, address: Address, port: int) -> None:
        """Raises AddressRefused for an address that is none of these."""
        if address not in self._addresses:
            raise AddressRefused("the connection would go to an address that was not checked")

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
        """The checked addresses of the host. Raises as `EgressGuard.resolve`."""
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
    """The sockets of a session, for the addresses alone that its exchanges may dial. Ends them all at once: a polite end of TLS would wait for peers that may not answer."""

    def __init__(self) -> None:
        self._open: WeakSet[socket.socket] = WeakSet()

    def make(self, address: tuple[Any, ...]) -> socket.socket:
        """A socket for an address as `getaddrinfo` has it. Raises AddressRefused, the last word on what is really dialled; OSError."""
        family, kind, protocol, _, (host, port, *_) = address
        dialling = dialling_now()
        try:
            dialling.judge(parse_address(host), port)
            made = socket.socket(family, kind, protocol)
        except AddressRefused as refused:
            dialling.refused = refused
            raise
        except OSError as error:
            if is_our_shortage(error):
                dialling.lacks = NOTHING_LEFT
            raise
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
        with _dialling_within(resolver.check):
            async with session:
                yield session
    finally:
        sockets.cut()
