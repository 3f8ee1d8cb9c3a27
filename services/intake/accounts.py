"""Making accounts, and telling whose token it is."""

import secrets

from services.intake.account import Account, NewAccount
from services.intake.peers import Notify
from services.intake.store.accounts import create_account, identify
from services.shared.clock import Clock
from services.shared.db.engine import SqliteDatabase
from services.shared.identity import Identity, token_sha256

TOKEN_BYTES = 32


class Accounts:
    """What the operator and the other services ask about accounts."""

    def __init__(self, db: SqliteDatabase, notify: Notify, clock: Clock) -> None:
        self._db = db
        self._notify = notify
        self._clock = clock

    async def create(self, new: NewAccount, request_id: str | None) -> tuple[Account, str, str]:
        """The account, its access token and its webhook secret. The account is durable before its secret is asked for; a repeat with one request_id mends a half."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        account = await self._db.write(create_account, new, token_sha256(token), request_id, self._clock.now())
        return account, token, await self._notify.ensure_secret(account.account_id)

    async def authenticate(self, sha256: bytes) -> Identity:
        """Whose token has this hash. Raises Refusal access_token_* and account_inactive."""
        return await self._db.read(identify, sha256, self._clock.now())
