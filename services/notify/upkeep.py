"""What notify does by itself beside posting: it frees, wakes, gives up, forgets, and tells the operator of receivers that fail for long."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from services.notify.metrics import NotifyMetrics
from services.notify.schedule import whole_schedule
from services.notify.store.queue import find_forsaken, give_up, sweep_notifications
from services.notify.store.receivers import count_standing, report_failing
from services.notify.store.retention import FORGOTTEN_AT_ONCE, forget_ended
from services.shared.clock import Clock
from services.shared.db.database import Database

log = structlog.get_logger()

FAILING_FOR_LONG = timedelta(days=1)
TOLD_EVERY = timedelta(days=1)
SHORTEST_WAIT = timedelta(days=1)
"""Nothing is given up unsent before it waited so long for its paused receiver."""
BETWEEN_UPKEEP = timedelta(seconds=30)


class Upkeep:
    """Run about twice a second by the sweep; what is rarely due is looked at every 30 s."""

    def __init__(
        self, db: Database, clock: Clock, metrics: NotifyMetrics, *, schedule_s: Sequence[float], keep: timedelta
    ) -> None:
        """Notifications that ended are kept for `keep`."""
        self._db = db
        self._clock = clock
        self._metrics = metrics
        self._wait = max(whole_schedule(schedule_s), SHORTEST_WAIT)
        self._keep = keep
        self._started = clock.now()
        self._last: datetime | None = None

    async def sweep(self) -> None:
        """Raises Trouble when the database failed."""
        now = self._clock.now()
        swept = await self._db.write(sweep_notifications, now)
        self._metrics.expired(swept.expired)
        for call_session_id in swept.given_up:
            log.error("notification.given_up", call_session_id=call_session_id)
            self._metrics.gave_up(1)
        if self._last is None or now - self._last >= BETWEEN_UPKEEP:
            self._last = now
            await self._rarely(now)

    async def _rarely(self, now: datetime) -> None:
        for receiver in await self._db.write(report_failing, now - FAILING_FOR_LONG, now - TOLD_EVERY, now):
            log.warning(
                "receiver.failing",
                account_id=receiver.account_id,
                receiver_host=receiver.host,
                failing_since=receiver.health.failing_since and receiver.health.failing_since.isoformat(),
                failures=receiver.health.failures,
                reason=receiver.health.reason,
            )
        while forsaken := await self._db.read(find_forsaken, now - self._wait, self._started):
            count = await self._db.write(give_up, forsaken, now - self._wait, now)
            log.warning("notification.waited_too_long", count=count)
            self._metrics.gave_up(count)
        count = FORGOTTEN_AT_ONCE
        while count == FORGOTTEN_AT_ONCE:
            count = await self._db.write(forget_ended, now - self._keep)
        self._metrics.stands(*await self._db.read(count_standing, now - FAILING_FOR_LONG))
