"""What nothing needs any more goes: objects that were discarded, what notify kept of erased calls, changes that were kept for watchers."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from services.intake.peers import Media, Notify
from services.intake.store.change_log import FORGOTTEN_AT_ONCE, forget_changes
from services.intake.store.erasing import erasures, settle_erasures
from services.intake.store.garbage import due_keys, forget_keys
from services.shared.backoff import jittered
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.errors import Trouble
from services.shared.waiting import set_within

log = structlog.get_logger()

AT_ONCE = 200
PAUSE = timedelta(seconds=5)
CHANGES_KEPT = timedelta(days=7)
"""So long a watcher may be away without missing a change."""


class Discarding:
    """Deletes what is due, a small number at a time. Keys come from intake's own rows: no bucket is ever listed."""

    def __init__(self, db: Database, media: Media, notify: Notify, clock: Clock) -> None:
        self._db = db
        self._media = media
        self._notify = notify
        self._clock = clock

    async def discard_objects(self) -> bool:
        """Deletes objects that are due; they are written down until they are gone. Answers whether there may be more. Raises Trouble when media is away."""
        keys = await self._db.read(due_keys, self._clock.now(), AT_ONCE)
        if keys:
            await self._media.delete(keys)
            await self._db.write(forget_keys, keys)
            log.info("objects.deleted", objects=len(keys))
        return len(keys) == AT_ONCE

    async def erase_in_notify(self) -> bool:
        """Has notify forget calls that were erased; they are written down until it has. Answers whether there may be more. Raises Trouble when notify is away."""
        calls = await self._db.read(erasures, AT_ONCE)
        if calls:
            await self._notify.erase(calls)
            await self._db.write(settle_erasures, calls)
        return len(calls) == AT_ONCE

    async def forget_changes(self) -> bool:
        """Forgets changes that were kept long enough. Answers whether there may be more."""
        before = self._clock.now() - CHANGES_KEPT
        return await self._db.write(forget_changes, before) == FORGOTTEN_AT_ONCE


async def repeat_until_cancelled(
    step: Callable[[], Awaitable[bool]],
    rng: random.Random,
    asked: asyncio.Event,
    pause: timedelta = PAUSE,
) -> None:
    """Looks every few seconds, when it is asked to, and at once again while there is more."""
    name = getattr(step, "__name__", "step")
    while True:
        more = False
        asked.clear()
        try:
            more = await step()
        except Trouble as trouble:
            log.warning("upkeep.failed", step=name, reason=str(trouble))
        except Exception:
            log.exception("upkeep.failed", step=name)
        if not more:
            await set_within(asked, jittered(pause, rng, share=0.2).total_seconds())
