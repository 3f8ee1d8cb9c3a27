"""Who may do what: the account that a token speaks for, and its role."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType, TypeAlias

from services.shared.errors import Mnemonic, Refusal

AccountId = NewType("AccountId", int)

MAX_TOKEN_CHARACTERS = 256


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
    """The account that a token speaks for, and what it may do."""

    account_id: AccountId
    role: Role

    def require(self, needed: Role) -> None:
        """Raises Refusal forbidden when the role does not cover the needed one."""
        if needed not in _ALLOWS[self.role]:
            why = f"this needs a token of role {needed}, this token's role is {self.role}"
            raise Refusal(Mnemonic.FORBIDDEN, why=why)


Authenticate: TypeAlias = Callable[[bytes], Awaitable[Identity]]
"""Answers whose token has this SHA-256. Raises Refusal access_token_* or account_inactive, Trouble when it cannot be known."""


def token_sha256(token: str) -> bytes:
    """The hash that tokens are stored and looked up by. Raises Refusal access_token_invalid for what cannot be a token."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise Refusal(Mnemonic.ACCESS_TOKEN_INVALID)
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
