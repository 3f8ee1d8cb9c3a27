"""Wake-ups between the processes that share a PostgreSQL database: who has committed something that may be work tells the others, so that they look at once instead of at their next poll.

NOTIFY after the commit, coalesced: it takes a lock over all databases of a server, which a busy process should not take once a transaction. Nothing depends on a wake-up that is lost: everybody polls as well.
"""

import asyncio
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection, text

from services.shared.db.postgres import PostgresDatabase
from services.shared.errors import Trouble

if TYPE_CHECKING:
    from services.shared.db.database import Database

log = structlog.get_logger()

BETWEEN_S = 0.05
"""Others are told this often at most."""
RECONNECT_S = 1.0


class WakeUps:
    """One process's ear and mouth. On a database that nobody shares it neither hears nor tells."""

    def __init__(self, db: "Database", heard: Callable[[], None]) -> None:
        """`heard` is called when another process has told."""
        self._db = db
        self._heard = heard
        self._me = str(uuid.uuid4())
        self._asked = asyncio.Event()

    def tell(self) -> None:
        """Something was committed that may be work."""
        self._asked.set()

    async def run_until_cancelled(self) -> None:
        """Hears and tells."""
        if not isinstance(self._db, PostgresDatabase):
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell_until_cancelled(self._db))
            group.create_task(self._hear_until_cancelled(self._db))

    async def _tell_until_cancelled(self, db: PostgresDatabase) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await db.write(_notify, db.channel, self._me)
            except Trouble as trouble:
                log.info("wake_up.not_told", reason=str(trouble))
            await asyncio.sleep(BETWEEN_S)

    async def _hear_until_cancelled(self, db: PostgresDatabase) -> None:
        while True:
            try:
                await db.hear(self._hear)
            except Trouble as trouble:
                log.info("wake_up.not_heard", reason=str(trouble))
            await asyncio.sleep(RECONNECT_S)
            # What was told meanwhile was not heard.
            self._heard()

    def _hear(self, teller: str) -> None:
        if teller != self._me:
            self._heard()


def _notify(connection: Connection, channel: str, teller: str) -> None:
    connection.execute(text("SELECT pg_notify(:channel, :teller)"), {"channel": channel, "teller": teller})
