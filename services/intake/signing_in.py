"""Signing in by one-time links: media opens a link, intake knows whether it was used (docs/client-area.md)."""

from datetime import datetime

from services.intake.store.used_links import forget_links, take_link
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.identity import AccountId

AT_ONCE = 200


class OneTimeLinks:
    """Remembers used links for as long as anybody could use them again."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def take(self, link_id: bytes, account_id: AccountId, expire_time: datetime, request_id: str) -> bool:
        """Uses a link up; whether that was its first use, once it is durable. Raises Refusal limit_exceeded."""
        return await self._db.write(take_link, link_id, account_id, expire_time, request_id, self._clock.now())

    async def forget_links(self) -> bool:
        """Forgets links whose time is over. Answers whether there may be more."""
        return await self._db.write(forget_links, self._clock.now(), AT_ONCE) == AT_ONCE
