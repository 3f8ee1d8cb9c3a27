"""Sending notifications once more, by request."""

from collections.abc import Callable
from datetime import datetime

from services.notify.store.redelivery import redeliver, redeliver_buried
from services.shared.clock import Clock
from services.shared.db.database import Database


class Redelivery:
    """What the door asks for redeliveries. `stored` is called after each commit: there may be work."""

    def __init__(self, db: Database, clock: Clock, stored: Callable[[], None]) -> None:
        self._db = db
        self._clock = clock
        self._stored = stored

    async def redeliver(self, account_id: int, notification_id: str) -> None:
        """Returns when it is durably due. Raises Refusal."""
        await self._db.write(redeliver, account_id, notification_id, self._clock.now())
        self._stored()

    async def redeliver_buried(self, account_id: int, since: datetime, receiver_host: str | None) -> int:
        """Returns, with their count, when all are durably due that were buried from then until now."""
        until = self._clock.now()
        count = 0
        is_more = True
        while is_more:
            some, is_more = await self._db.write(
                redeliver_buried, account_id, since, until, receiver_host, self._clock.now()
            )
            count += some
            self._stored()
        return count
