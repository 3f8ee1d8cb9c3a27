"""Who may do what: the account that a token speaks for, and its role."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NewType, TypeAlias

from services.shared.errors import Mnemonic, Refusal

AccountId = NewType("AccountId", int)

MAX_TOKEN_CHARACTERS = 256


EVERYWHERE = ("0.0.0.0/0", "::/0")
"""The networks of a new account: all."""


class Role(StrEnum):
    """What a token may do; proto `Role`."""

    ADMIN = "admin"
    UPLOAD = "upload"
    READ = "read"
    AGENT = "agent"


_ALLOWS: Mapping[Role, frozenset[Role]] = {
    Role.ADMIN: frozenset({Role.ADMIN, Role.UPLOAD, Role.READ}),
    Role.UPLOAD: frozenset({Role.UPLOAD, Role.READ}),
    Role.AGENT: frozenset({Role.UPLOAD, Role.READ}),
    Role.READ: frozenset({Role.READ}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The account that a token speaks for in a request, and what it may do."""

    account_id: AccountId
    role: Role
    allowed_networks: tuple[str, ...] = EVERYWHERE
    token_id: int = 0
    is_active: bool = True
    components: frozenset[str] = frozenset()
    has_limits: bool = False
    """Whether the account's requests cost points."""

    def admit(self, address: str) -> None:
        """Raises Refusal ip_not_whitelisted when the token does not work from this address, account_inactive when its account is disabled."""
        if self.allowed_networks != EVERYWHERE and not is_within(address, self.allowed_networks):
            why = f"address {address} is not in the account's allowed networks"
            raise Refusal(Mnemonic.IP_NOT_WHITELISTED, why=why, params={"ip": address})
        if not self.is_active:
            raise Refusal(Mnemonic.ACCOUNT_INACTIVE)

    def require(self, needed: Role) -> None:
        """Raises Refusal forbidden when the role does not cover the needed one."""
        if needed not in _ALLOWS[self.role]:
            why = f"this needs a token of role {needed}, this token's role is {self.role}"
            raise Refusal(Mnemonic.FORBIDDEN, why=why)

    def require_component(self, needed: str) -> None:
        """Raises Refusal method_component_disabled when the account does not have the component that a method needs."""
        if needed not in self.components:
            why = f"the account does not have the component {needed}"
            raise Refusal(Mnemonic.METHOD_COMPONENT_DISABLED, why=why, params={"components": needed})


Authenticate: TypeAlias = Callable[[bytes, AccountId | None], Awaitable[Identity]]
"""Answers whose token has this SHA-256, acting for the given account or, with None, for its own.

Raises Refusal access_token_*, forbidden for an account for which it does not act, account_inactive; Trouble when it cannot be known.
"""


def is_within(address: str, networks: Sequence[str]) -> bool:
    """True when an address lies in one of the networks; an IPv4 address in IPv6 clothes counts as IPv4. False for what is no address."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip in ip_network(network) for network in networks)


def token_sha256(token: str) -> bytes:
    """The hash that tokens are stored and looked up by. Raises Refusal access_token_invalid for what cannot be a token."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise Refusal(Mnemonic.ACCESS_TOKEN_INVALID)
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
