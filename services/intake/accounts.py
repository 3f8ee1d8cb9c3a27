"""Making accounts, and telling whose token it is."""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

from services.intake.account import Account, AccountChange, NewAccount, NewToken, OperatorChange, Token, check_change
from services.intake.peers import Notify
from services.intake.store.accounts import (
    add_agent_token,
    add_token,
    block_token,
    create_account,
    get_account,
    identify,
    list_accounts,
    list_tokens,
    set_account,
    update_account,
)
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.errors import Mnemonic, Refusal
from services.shared.identity import AccountId, Identity, token_sha256

TOKEN_BYTES = 32
MOST_ACCOUNTS = 10_000
MOST_TOKENS = 1_000

# The first argument is the store's connection.
_AddToken: TypeAlias = Callable[[Any, AccountId, bytes, NewToken, datetime], Token]


class Accounts:
    """What the operator and the other services ask about accounts."""

    def __init__(self, db: Database, notify: Notify, clock: Clock) -> None:
        self._db = db
        self._notify = notify
        self._clock = clock

    async def create(self, new: NewAccount, request_id: str | None) -> tuple[Account, str, str]:
        """The account, its access token and its webhook secret. The account is durable before its secret is asked for; a repeat with one request_id mends a half."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        account = await self._db.write(create_account, new, token_sha256(token), request_id, self._clock.now())
        return account, token, await self._notify.ensure_secret(account.account_id)

    async def list_all(self) -> list[Account]:
        """All accounts, oldest first."""
        return await self._db.read(list_accounts, MOST_ACCOUNTS)

    async def set(self, account_id: AccountId, change: OperatorChange) -> Account:
        """Changes what the operator decides. Raises Refusal entity_not_found."""
        return await self._db.write(set_account, account_id, change)

    async def get(self, account_id: AccountId) -> Account:
        """The caller's account."""
        return await self._db.read(get_account, account_id)

    async def update(self, account_id: AccountId, change: AccountChange, caller_address: str) -> Account:
        """Changes what the account itself decides. Raises Refusal for a wrong value."""
        return await self._db.write(update_account, account_id, check_change(change, caller_address))

    async def create_token(self, account_id: AccountId, new: NewToken) -> tuple[Token, str]:
        """A new token and its text. Raises Refusal for an expiry that has passed."""
        return await self._add_token(add_token, account_id, new)

    async def create_agent_token(self, account_id: AccountId, new: NewToken) -> tuple[Token, str]:
        """A new agent's token and its text. Raises Refusal for an expiry that has passed, and for an account that is not there."""
        return await self._add_token(add_agent_token, account_id, new)

    async def list_tokens(self, account_id: AccountId) -> list[Token]:
        """The account's tokens, newest first."""
        return await self._db.read(list_tokens, account_id, MOST_TOKENS)

    async def block_token(self, identity: Identity, token_id: int) -> Token:
        """The token, stopped. Raises Refusal when there is none, or it is the caller's own."""
        if token_id == identity.token_id:
            why = "this is the token that asks: block it by another one"
            path = ("token_id",)
            raise Refusal(
                Mnemonic.INVALID_PARAMETER_VALUE, path=path, value=token_id, why=why, grpc_code="FAILED_PRECONDITION"
            )
        return await self._db.write(block_token, identity.account_id, token_id)

    async def authenticate(self, sha256: bytes, acting_for: AccountId | None) -> Identity:
        """Whose token has this hash, acting for an account. Raises Refusal access_token_* and forbidden."""
        return await self._db.read(identify, sha256, acting_for, self._clock.now())

    async def _add_token(self, add: _AddToken, account_id: AccountId, new: NewToken) -> tuple[Token, str]:
        if new.expire_time is not None and new.expire_time <= self._clock.now():
            raise Refusal(Mnemonic.INVALID_DATE_TIME, path=("expire_time",), why="this moment has passed")
        text = secrets.token_urlsafe(TOKEN_BYTES)
        return await self._db.write(add, account_id, token_sha256(text), new, self._clock.now()), text
