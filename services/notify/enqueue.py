"""Taking notifications over from intake's outbox, durable before it is answered, and forgetting calls that it erased."""

from collections.abc import Callable, Sequence

from services.notify.notification import NewNotification
from services.notify.store.queue import enqueue
from services.notify.store.retention import erase_call
from services.shared.clock import Clock
from services.shared.db.database import Database


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

    async def erase(self, call_session_id: int) -> None:
        """Returns when nothing of the call is kept, and nothing will be taken over. Safe to repeat."""
        await self._db.write(erase_call, call_session_id)
