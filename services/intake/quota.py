"""Points spent and given back, for intake's own doors and for the other services."""

from dataclasses import dataclass
from datetime import datetime

from services.intake.points import LimitsLeft
from services.intake.store.points import refund_points, spend_points
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.identity import AccountId


@dataclass(frozen=True, slots=True)
class Taken:
    """Points that a request took: when, and what the account has left. Nothing is left, and nothing was taken, where there are no limits."""

    spend_time: datetime
    left: LimitsLeft | None


class Quota:
    """The accounts' points."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def spend(self, account_id: AccountId, points: int) -> Taken:
        """Takes the points of a request before it runs. Raises Refusal limit_exceeded."""
        now = self._clock.now()
        return Taken(now, await self._db.write(spend_points, account_id, points, now))

    async def refund(self, account_id: AccountId, points: int, taken: Taken) -> None:
        """Gives back what a request took and did not succeed."""
        if taken.left is not None:
            await self.give_back(account_id, points, taken.spend_time)

    async def give_back(self, account_id: AccountId, points: int, spend_time: datetime) -> None:
        """Gives back points that were taken at a moment."""
        await self._db.write(refund_points, account_id, points, spend_time)
