"""Changing what becomes of a call that is stored: cancelling, reprocessing."""

from collections.abc import Callable

from services.intake.store.changes import cancel_call, reprocess_call
from services.intake.store.reading import StoredCall, get_call
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.identity import AccountId


class Changes:
    """What the doors change calls through. `changed` is called after commits that may make work."""

    def __init__(self, db: Database, clock: Clock, changed: Callable[[], None]) -> None:
        self._db = db
        self._clock = clock
        self._changed = changed

    async def cancel(self, account_id: AccountId, call_session_id: int) -> StoredCall:
        """The call, cancelled. Raises Refusal when there is none, or work began."""
        await self._db.write(cancel_call, account_id, call_session_id, self._clock.now())
        return await self._db.read(get_call, account_id, call_session_id)

    async def reprocess(self, account_id: AccountId, call_session_id: int) -> StoredCall:
        """The call, about to be judged anew. Raises Refusal when there is none, or it was cancelled."""
        await self._db.write(reprocess_call, account_id, call_session_id, self._clock.now())
        self._changed()
        return await self._db.read(get_call, account_id, call_session_id)
