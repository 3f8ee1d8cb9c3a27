"""An account's signing secret: made once, kept sealed."""

import os

from services.notify.signature import SECRET_BYTES, new_secret
from services.notify.store.secrets import any_secret, ensure_secret, find_secret
from services.shared.clock import Clock
from services.shared.db.engine import SqliteDatabase
from services.shared.sealing import Sealer


class Secrets:
    """Signing secrets by account."""

    def __init__(self, db: SqliteDatabase, sealer: Sealer, clock: Clock) -> None:
        self._db = db
        self._sealer = sealer
        self._clock = clock

    async def check_key(self) -> None:
        """At the start: raises CannotUnseal when what is stored was sealed with another key, before anybody waits for a signature."""
        found = await self._db.read(any_secret)
        if found is not None:
            account_id, sealed = found
            self._sealer.unseal(sealed, _purpose(account_id))

    async def ensure(self, account_id: int) -> str:
        """The account's secret, made on the first call. Raises CannotUnseal when it was sealed with another key."""
        purpose = _purpose(account_id)
        sealed = await self._db.read(find_secret, account_id)
        if sealed is None:
            fresh = self._sealer.seal(new_secret(os.urandom(SECRET_BYTES)), purpose)
            sealed = await self._db.write(ensure_secret, account_id, fresh, self._clock.now())
        return self._sealer.unseal(sealed, purpose)


def _purpose(account_id: int) -> str:
    return f"webhook secret of account {account_id}"
