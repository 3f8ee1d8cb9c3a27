"""Taking notifications over from intake's outbox, durable before it is answered, and forgetting calls that it erased."""

from collections.abc import Callable, Sequence
from datetime import datetime

from services.notify.notification import NewNotification
from services.notify.store.queue import enqueue
from services.notify.store.retention import FORGOTTEN_AT_ONCE, erase_calls, forget_ended_of
from services.shared.clock import Clock
from services.shared.db.database import Database

ERASED_AT_ONCE = 50
"""Calls of one transaction: so that none holds others up for more than a few milliseconds."""


class Enqueueing:
    """What intake hands its notifications to. `stored` is called after each commit: there may be work."""

    def __init__(self, db: Database, clock: Clock, stored: Callable[[], None]) -> None:
        self._db = db
        self._clock = clock
        self._stored = stored

    async def enqueue(self, new: Sequence[NewNotification]) -> None:
        """Returns when they are durable. Safe to repeat."""
        await self._db.write(enqueue, new, self._clock.now())
        self._stored()

    async def erase(self, call_session_ids: Sequence[int]) -> None:
        """Returns when nothing of the calls is kept, and nothing will be taken over. Safe to repeat."""
        for start in range(0, len(call_session_ids), ERASED_AT_ONCE):
            await self._db.write(erase_calls, call_session_ids[start : start + ERASED_AT_ONCE])

    async def forget(self, accounts: Sequence[tuple[int, datetime]]) -> list[int]:
        """Deletes notifications of accounts that ended before a moment, up to 200 of each. Answers the accounts that have more."""
        return [
            account_id
            for account_id, ended_before in accounts
            if await self._db.write(forget_ended_of, account_id, ended_before) == FORGOTTEN_AT_ONCE
        ]
