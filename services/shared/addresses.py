"""Which addresses are nobody's business but ours: the rules of the egress guard, apart from any dialling (docs/contract.md 6, 7)."""

import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

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
_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))


MAX_REMEMBERED = 10_000


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


class AddressPolicy:
    """Decides which addresses may be dialled on somebody's word. `setting` is the name an operator changes, for the refusal's text."""

    def __init__(self, allowed: Sequence[str], *, setting: str) -> None:
        """Raises ValueError for what is no allow entry."""
        self._written = tuple(allowed)
        self._allowed = tuple(parse_allow_entry(text) for text in allowed)
        self._setting = setting
        self._fine: set[tuple[str, int]] = set()

    def __reduce__(self) -> "tuple[Callable[[tuple[str, ...], str], AddressPolicy], tuple[tuple[str, ...], str]]":
        """Pickled by what was written: a process that gets the same again and again has one policy."""
        return _policy, (self._written, self._setting)

    def check(self, host: str, port: int, addresses: Iterable[Address]) -> None:
        """Raises AddressRefused when one of the addresses that a host has may not be dialled on a port."""
        for address in addresses:
            if not self._allows(host, port, address):
                raise AddressRefused(
                    f"the address of {host}:{port} is not public and not allowed; the operator can allow it in {self._setting}"
                )

    def check_written(self, host: str, port: int) -> None:
        """Raises AddressRefused for what can be told from the name alone, without asking anybody: literal addresses in every spelling, and `localhost` (RFC 6761, 6.3) unless one of its addresses is allowed."""
        if (host, port) in self._fine:
            return
        name = plain_host(host)
        if name != "localhost" and not name.endswith(".localhost"):
            self.check(name, port, literal_addresses(name, port))
        elif not any(self._allows(name, port, address) for address in _LOOPBACK):
            self.check(name, port, _LOOPBACK)
        if len(self._fine) >= MAX_REMEMBERED:
            self._fine.clear()
        self._fine.add((host, port))

    def _allows(self, host: str, port: int, address: Address) -> bool:
        return not is_denied(address) or any(entry.covers(host, address, port) for entry in self._allowed)


@lru_cache
def _policy(allowed: tuple[str, ...], setting: str) -> AddressPolicy:
    return AddressPolicy(allowed, setting=setting)


def plain_host(host: str | None) -> str:
    """A host as allow entries spell it; empty when there is none."""
    return (host or "").rstrip(".").lower()


@lru_cache(maxsize=4096)
def literal_addresses(host: str, port: int) -> frozenset[Address]:
    """The addresses that a host spells out, also in the octal, hexadecimal and short forms of IPv4 that the C library dials; none for a name."""
    with suppress(ValueError):
        # Whatever its zone: the C library knows one only while its interface is there.
        return frozenset({parse_address(host)})
    try:
        return frozenset(look_up(host, port, socket.AI_NUMERICHOST))
    except (socket.gaierror, UnicodeError):
        return frozenset()


def look_up(host: str, port: int, flags: int = 0) -> set[Address]:
    """The addresses of a host. Raises OSError when it has none, UnicodeError for a name that cannot be looked up."""
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


@lru_cache(maxsize=4096)
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
