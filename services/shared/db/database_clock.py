"""One clock for all who share a database: its own. Leases are compared by it, so processes whose machines disagree about the time still agree about who holds what."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from services.shared.clock import Clock, SystemClock
from services.shared.db.database import Database
from services.shared.errors import CannotRun, Trouble

SET_EVERY_S = 10.0
"""A quartz is off by 1 s in a day or less: by some 0.1 ms in this time."""
LOOKS = 3
"""Of which the shortest counts: half of its length is what may be wrong about it (RFC 5905, 8)."""


def time_of(connection: Connection) -> datetime:
    """The clock of a PostgreSQL server, aware."""
    found: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return found


class DatabaseClock:
    """What the database's clock said when it was last looked at, and what this machine's steady clock has counted since. A step of this machine's own wall clock changes nothing."""

    def __init__(self, db: Database, steady: Callable[[], float] = time.monotonic) -> None:
        """Tells no time before it was first set."""
        self._db = db
        self._steady = steady
        self._then: datetime | None = None
        self._counted = 0.0

    def now(self) -> datetime:
        """The moment."""
        assert self._then is not None, "the clock was never set"
        return self._then + timedelta(seconds=self._steady() - self._counted)

    def monotonic(self) -> float:
        """Seconds since the machine started."""
        return self._steady()

    async def set(self) -> None:
        """Looks at the database's clock. Raises Trouble when it does not answer: then the time goes on as it was."""
        shortest: float | None = None
        for _ in range(LOOKS):
            asked = self._steady()
            then = await self._db.read(time_of)
            took = self._steady() - asked
            if shortest is None or took < shortest:
                shortest, best = took, (then, asked + took / 2)
        self._then, self._counted = best

    async def set_until_cancelled(self) -> None:
        """Sets it now and then."""
        while True:
            await asyncio.sleep(SET_EVERY_S)
            with suppress(Trouble):
                await self.set()


async def clock_of(db: Database) -> Clock:
    """The clock by which a process works on this database: the machine's own where it is the only one. Raises CannotRun when a shared database does not tell its time."""
    if not db.is_shared:
        return SystemClock()
    clock = DatabaseClock(db)
    try:
        await clock.set()
    except Trouble as error:
        raise CannotRun("the database does not tell its time") from error
    return clock


async def keep_right_until_cancelled(clock: Clock) -> None:
    """Keeps a clock of `clock_of` at the database's time."""
    if isinstance(clock, DatabaseClock):
        await clock.set_until_cancelled()
