"""Which addresses we dial on somebody's word: the guard of downloads and webhooks (docs/contract.md 6, 7).

A URL from outside may name anything: this machine, the operator's network, a cloud's metadata service. A host is resolved once, every address it
has must be allowed, and the connection goes to exactly those addresses, so that a second look-up cannot bring another answer.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from pathlib import Path
from typing import Any, TypeAlias

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_DENIED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network (RFC 791)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # carrier-grade NAT (RFC 6598)
        "127.0.0.0/8",  # loopback (RFC 1122)
        "168.63.129.16/32",  # a cloud's metadata service on a public address
        "169.254.0.0/16",  # link-local, metadata services (RFC 3927)
        "172.16.0.0/12",  # private (RFC 1918)
        "192.0.0.0/24",  # protocol assignments (RFC 6890)
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private (RFC 1918)
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation (RFC 5737)
        "203.0.113.0/24",  # documentation (RFC 5737)
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved, broadcast (RFC 1112)
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_DENIED_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them (RFC 2928)
        "2001:db8::/32",  # documentation (RFC 3849)
        "3fff::/20",  # documentation (RFC 9637)
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")


LOOKUPS_AT_ONCE = 64


class AddressRefused(Exception):
    """The address may not be dialled; the text says which and what the operator can change. It names no address that a caller did not send."""


@dataclass(frozen=True, slots=True)
class AllowEntry:
    """One entry of an allow-list: a network or a host name, and a port or any."""

    network: Network | None
    host: str | None
    port: int | None

    def covers(self, host: str, address: Address, port: int) -> bool:
        """True when a connection to `address` of `host` on `port` is allowed by this entry."""
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            return address in self.network
        return self.host == host


class EgressGuard:
    """Decides which addresses may be dialled. `setting` is the name an operator changes, for the refusal's text."""

    def __init__(self, allowed: Sequence[str], *, setting: str) -> None:
        self._allowed = tuple(parse_allow_entry(text) for text in allowed)
        self._setting = setting
        # Threads of its own: names that resolve slowly keep nothing else of the process waiting.
        self._lookups = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="look-up")

    async def resolve(self, url: URL) -> "PinnedResolver":
        """The checked addresses of the URL's host, for one connection.

        Raises AddressRefused when any of them may not be dialled, OSError when the host has none.
        """
        host = (url.raw_host or "").rstrip(".").lower()
        port = url.port or 0
        if not host:
            raise AddressRefused("the link names no host")
        try:
            # getaddrinfo also reads the octal, hexadecimal and short spellings of IPv4 that the C library dials.
            addresses = await self._look_up(host, port)
        except UnicodeError as error:
            raise OSError("the host's name cannot be looked up") from error
        for address in addresses:
            if is_denied(address) and not any(entry.covers(host, address, port) for entry in self._allowed):
                raise AddressRefused(
                    f"the address of {host}:{port} is not public and not allowed; the operator can allow it in {self._setting}"
                )
        return PinnedResolver(sorted(addresses, key=lambda address: (address.version, int(address))))

    async def _look_up(self, host: str, port: int) -> set[Address]:
        try:
            # A literal address needs no server and no thread.
            return _addresses(host, port, socket.AI_NUMERICHOST)
        except socket.gaierror:
            return await asyncio.get_running_loop().run_in_executor(self._lookups, _addresses, host, port, 0)


class PinnedResolver(AbstractResolver):
    """Answers every look-up with the addresses that were checked."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = tuple(addresses)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The checked addresses, whatever the name."""
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _addresses(host: str, port: int, flags: int) -> set[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return {parse_address(str(entry[4][0])) for entry in found}


def parse_allow_entry(text: str) -> AllowEntry:
    """Reads `host`, `host:port`, `address`, `network/bits`, `[v6]:port` or `[v6/bits]:port`. Raises ValueError with the entry for anything else."""
    rest, port = text.strip(), None
    if rest.startswith("["):
        rest, bracket, tail = rest[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            raise ValueError(f"not an allow entry: {text}")
        port = _parse_port(tail[1:], text) if tail else None
    elif rest.count(":") == 1:
        rest, _, tail = rest.partition(":")
        port = _parse_port(tail, text)
    if not rest:
        raise ValueError(f"not an allow entry: {text}")
    try:
        return AllowEntry(network=ip_network(rest), host=None, port=port)
    except ValueError:
        if "/" in rest or ":" in rest:
            raise ValueError(f"not an allow entry: {text}") from None
        return AllowEntry(network=None, host=rest.rstrip(".").lower(), port=port)


def parse_address(text: str) -> Address:
    """An address as the resolver prints it; a zone id (`fe80::1%eth0`) does not count."""
    return ip_address(text.partition("%")[0])


def is_denied(address: Address) -> bool:
    """True for every address that is not plainly a public unicast one. IPv4 inside IPv6 (mapped, NAT64, 6to4) is judged as IPv4.

    `ipaddress.is_global` is not enough: on Python 3.11 it is true for NAT64, multicast and several special networks.
    """
    if isinstance(address, IPv4Address):
        return any(address in network for network in _DENIED_V4)
    inner = _inner_v4(address)
    if inner is not None:
        return is_denied(inner)
    return address not in _GLOBAL_V6 or any(address in network for network in _DENIED_V6)


def _inner_v4(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
    return None


def _parse_port(text: str, entry: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ValueError(f"not an allow entry: {entry}")
    return int(text)


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """The machine's certificate authorities, and one file of further ones."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


@asynccontextmanager
async def open_session(
    resolver: PinnedResolver, trust: ssl.SSLContext, timeout_s: float
) -> AsyncIterator[ClientSession]:
    """An HTTP session for one exchange: only the checked addresses, no proxy of the environment, no cookies, bodies as they come.

    Its connections are cut when it ends: a polite end of TLS would wait for a peer that may not answer.
    """
    sockets: list[socket.socket] = []

    def make_socket(address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, *_ = address
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        sockets.append(made)
        return made

    connector = TCPConnector(
        resolver=resolver, use_dns_cache=False, force_close=True, ssl=trust, socket_factory=make_socket
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
        for each in sockets:
            # Not by the transport: aborting one that has just ended fails on some Pythons.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
