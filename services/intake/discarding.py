"""What nothing needs any more goes: objects that were discarded, downloaded files some time after their call ended, changes that were kept for watchers."""

import asyncio
import random
from datetime import timedelta

import structlog

from services.intake.peers import Media
from services.intake.store.change_log import FORGOTTEN_AT_ONCE, forget_changes
from services.intake.store.garbage import calls_with_sources, drop_sources, due_keys, forget_keys
from services.shared.backoff import jittered
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.errors import Trouble

log = structlog.get_logger()

AT_ONCE = 200
PAUSE = timedelta(seconds=5)
CHANGES_KEPT = timedelta(days=7)
"""So long a watcher may be away without missing a change."""


class Discarding:
    """Deletes what is due, a small number at a time. Keys come from intake's own rows: no bucket is ever listed."""

    def __init__(self, db: Database, media: Media, clock: Clock, source_keep: timedelta) -> None:
        self._db = db
        self._media = media
        self._clock = clock
        self._source_keep = source_keep

    async def discard_due(self) -> int:
        """Lets sources go whose time is over, and deletes what is due. Answers how many objects went; AT_ONCE when there may be more. Raises Trouble when media is away."""
        now = self._clock.now()
        while await self._db.write(forget_changes, now - CHANGES_KEPT) == FORGOTTEN_AT_ONCE:
            # A day of many calls leaves more than one look would forget.
            continue
        kept_until = now - self._source_keep
        ended = await self._db.read(calls_with_sources, kept_until, AT_ONCE)
        if ended:
            await self._db.write(drop_sources, ended, kept_until, now)
        keys = await self._db.read(due_keys, now, AT_ONCE)
        if keys:
            await self._media.delete(keys)
            await self._db.write(forget_keys, keys)
            log.info("objects.deleted", objects=len(keys))
        return len(keys)


async def discard_until_cancelled(discarding: Discarding, rng: random.Random, pause: timedelta = PAUSE) -> None:
    """Looks every few seconds, and at once again while there is more."""
    while True:
        more = False
        try:
            more = await discarding.discard_due() == AT_ONCE
        except Trouble as trouble:
            log.warning("objects.not_deleted", reason=str(trouble))
        except Exception:
            log.exception("objects.not_deleted")
        if not more:
            await asyncio.sleep(jittered(pause, rng, share=0.2).total_seconds())
