"""How intake stands, for its metrics: what waits in each loop's queue, and how much is stored for whom."""

from collections import Counter

from services.intake.metrics import IntakeMetrics
from services.intake.store.standing import SLICE, stored_bytes
from services.intake.store.tables import CALL_WORK, FETCH, OUTBOX_WORK, PROCESS
from services.shared.clock import Clock
from services.shared.db.database import Database

SLICES_AT_ONCE = 10
"""Then the next look is waited for: however much is stored, counting it takes no more than 1 % or so of a core."""
QUEUES = {"fetch": (CALL_WORK, FETCH), "process": (CALL_WORK, PROCESS), "relay": (OUTBOX_WORK, 0)}


class Standing:
    """Looked at in turns. Answers whether there is more to look at now."""

    def __init__(self, db: Database, metrics: IntakeMetrics, clock: Clock) -> None:
        self._db = db
        self._metrics = metrics
        self._clock = clock
        self._after = 0
        self._slices = 0
        self._stored: Counter[int] = Counter()

    async def look_at_queues(self) -> bool:
        """What waits, and for how long."""
        for loop, (work, stage) in QUEUES.items():
            pieces, oldest = await self._db.read(work.waiting, stage)
            self._metrics.waits(loop, pieces, oldest, self._clock.now())
        return False

    async def look_at_storage(self) -> bool:
        """The next 10,000 recordings; told when all have been looked at."""
        last, sizes = await self._db.read(stored_bytes, self._after, SLICE)
        self._stored.update(sizes)
        if last is not None:
            self._after = last
            self._slices += 1
            return self._slices % SLICES_AT_ONCE != 0
        self._metrics.stores(self._stored)
        self._after, self._slices, self._stored = 0, 0, Counter()
        return False
