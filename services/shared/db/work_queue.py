"""One stage of a work table, as a loop takes pieces from it and gives them back."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import Connection

from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.db.work_table import Claim, WorkTable

LetGo: TypeAlias = Callable[[Connection, Claim, int, datetime], None]


class WorkQueue:
    """One stage of one work table, as a loop uses it."""

    def __init__(self, db: Database, work: WorkTable, *, stage: int, clock: Clock, let_go: LetGo | None = None) -> None:
        """`let_go` runs in the transaction that gives a piece back or puts it off, with the piece and its stage."""
        self._db = db
        self._let_go = let_go
        self._work = work
        self._stage = stage
        self._clock = clock
        self._after_account = 0

    async def claim(self, most: int, lease_end: datetime) -> Sequence[Claim]:
        """Takes up to `most` pieces, in turns over the accounts after the one where the last claim ended."""
        claims = await self._db.write(
            self._work.claim,
            stage=self._stage,
            most=most,
            after_account=self._after_account,
            now=self._clock.now(),
            lease_end=lease_end,
        )
        if claims:
            self._after_account = claims[-1].account_id
        return claims

    async def renew(self, held: Sequence[Claim], lease_end: datetime) -> set[int]:
        """Lengthens leases; answers the tokens that still hold."""
        if not held:
            return set()
        return await self._db.write(self._work.renew, [(claim.key, claim.token) for claim in held], lease_end)

    async def delay(self, claim: Claim, until: datetime) -> None:
        """Puts a piece off."""

        def put_off(connection: Connection) -> None:
            if self._work.delay(connection, claim.key, claim.token, until) and self._let_go:
                self._let_go(connection, claim, self._stage, self._clock.now())

        await self._db.write(put_off)

    async def release(self, claim: Claim) -> None:
        """Gives a piece back."""

        def give_back(connection: Connection) -> None:
            if self._work.release(connection, claim.key, claim.token, self._clock.now()) and self._let_go:
                self._let_go(connection, claim, self._stage, self._clock.now())

        await self._db.write(give_back)
