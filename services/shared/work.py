"""The loop over leased work: a number of pieces at once, leases renewed, everything given back or finished at a stop."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

import structlog

from services.shared.backoff import exponential, jittered
from services.shared.clock import Clock
from services.shared.db.work_table import Claim
from services.shared.errors import Busy, Trouble
from services.shared.metrics import Ending
from services.shared.waiting import set_within

log = structlog.get_logger()

POLL_S = 1.0
"""How long a loop sleeps when nobody wakes it: delayed rows and freed leases are found this late at most."""

SWEEP_PAUSE = timedelta(seconds=0.5)

AGAIN_S = 0.5
"""How long until leases that could not be renewed are renewed again."""

FIRST_PAUSE = timedelta(seconds=0.2)
LONGEST_PAUSE = timedelta(seconds=30)
MAX_REMEMBERED = 10_000
LONGEST_BUSY_PAUSE = timedelta(seconds=3)


def _unheard(_loop: str, _ending: Ending) -> None:
    return


C = TypeVar("C", bound=Claim)
Taken = TypeVar("Taken", bound=Claim, covariant=True)


class Queue(Protocol[Taken]):
    """Where a loop takes its pieces from."""

    async def claim(self, most: int, lease_end: datetime) -> Sequence[Taken]:
        """Takes up to `most` pieces. Raises Trouble."""

    async def renew(self, held: Sequence[Claim], lease_end: datetime) -> set[int]:
        """Lengthens leases; answers the tokens that still hold. Raises Trouble."""

    async def delay(self, claim: Claim, until: datetime) -> None:
        """Puts a piece off. Raises Trouble."""

    async def release(self, claim: Claim) -> None:
        """Gives a piece back. Raises Trouble."""


class WorkLoop(Generic[C]):
    """Runs `handle` over claimed work, at most `concurrency` pieces at once.

    A handler ends its piece by itself (finish, advance or delay). Trouble puts the piece off with a growing pause; any other exception is a bug: it is
    logged and the lease runs out, which the sweep counts, so that a piece which always fails comes to an end. What the database did not take (a renewal, a
    delay) is written when it is back: a lease must not be counted as run out because nobody could write.
    """

    def __init__(
        self,
        name: str,
        queue: Queue[C],
        handle: Callable[[C], Awaitable[None]],
        *,
        concurrency: int,
        lease: timedelta,
        clock: Clock,
        rng: random.Random,
        ahead: int = 0,
        ended: Callable[[str, Ending], None] = _unheard,
    ) -> None:
        """`ended` is told the loop's name and how each piece left its hands. Up to `ahead` pieces are claimed beyond those that run, so that short ones follow each other without waiting for a claim."""
        self._ahead = ahead
        self._ended = ended
        self._next: deque[C] = deque()
        self._name = name
        self._queue = queue
        self._handle = handle
        self._concurrency = concurrency
        self._lease = lease
        self._clock = clock
        self._rng = rng
        self._wake = asyncio.Event()
        self._running: dict[int, tuple[C, asyncio.Task[None]]] = {}
        self._troubles: dict[int, int] = {}
        self._is_late = False
        self._stopping = False

    def wake(self) -> None:
        """There may be work: look now instead of at the next poll."""
        self._wake.set()

    def stop(self) -> None:
        """Takes no more work; `run` returns when the running pieces are done or `run` is cancelled."""
        self._stopping = True
        self._wake.set()

    async def hold(self) -> None:
        """Renews what could not be renewed in its time; to be called before leases that ran out are freed. Raises Trouble."""
        if self._is_late:
            await self._renew()

    async def run(self) -> None:
        """Works until `stop`. Cancelling it gives what is held back."""
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(self._renew_until_cancelled())
            try:
                while not self._stopping:
                    self._wake.clear()
                    took = await self._take(group)
                    if took == 0 and not self._stopping:
                        await set_within(self._wake, POLL_S)
                await self._give_back_next()
                if self._running:
                    await asyncio.wait([task for _, task in self._running.values()])
            except asyncio.CancelledError:
                await asyncio.shield(self._give_back_next())
                raise
            finally:
                renewing.cancel()

    async def _take(self, group: asyncio.TaskGroup) -> int:
        # Those whose pieces were lost under them leave others lying.
        self._start_next(group)
        room = self._concurrency + self._ahead - len(self._running) - len(self._next)
        if room <= self._ahead // 2:
            return 0
        try:
            claims = await self._queue.claim(room, self._clock.now() + self._lease)
        except Trouble as trouble:
            log.warning("work.claim_failed", loop=self._name, reason=str(trouble))
            return 0
        self._next.extend(claims)
        self._start_next(group)
        return len(claims)

    def _start_next(self, group: asyncio.TaskGroup) -> None:
        # A stop may have come while a claim was under way: what it took is given back.
        while self._next and len(self._running) < self._concurrency and not self._stopping:
            claim = self._next.popleft()
            self._running[claim.token] = (claim, group.create_task(self._work_until_none_is_next(claim)))

    async def _give_back_next(self) -> None:
        while self._next:
            await self._give_back(self._next.popleft())

    async def _work_until_none_is_next(self, claim: C) -> None:
        while True:
            await self._work_on(claim)
            if not self._next or self._stopping:
                return
            claim = self._next.popleft()
            task = asyncio.current_task()
            assert task is not None
            self._running[claim.token] = (claim, task)

    async def _work_on(self, claim: C) -> None:
        try:
            await self._handle(claim)
            self._troubles.pop(claim.key, None)
            self._ended(self._name, Ending.DONE)
        except Trouble as trouble:
            self._ended(self._name, Ending.DELAYED)
            await self._put_off(claim, trouble)
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(claim))
            raise
        except Exception:
            self._ended(self._name, Ending.FAILED)
            log.exception("work.failed", loop=self._name, key=claim.key)
        finally:
            del self._running[claim.token]
            self._wake.set()

    async def _put_off(self, claim: C, trouble: Trouble) -> None:
        if len(self._troubles) > MAX_REMEMBERED:
            self._troubles.clear()
        failures = self._troubles[claim.key] = self._troubles.get(claim.key, 0) + 1
        longest = LONGEST_BUSY_PAUSE if isinstance(trouble, Busy) else LONGEST_PAUSE
        pause = jittered(exponential(failures, FIRST_PAUSE, longest), self._rng, share=0.5)
        log.info(
            "work.delayed", loop=self._name, key=claim.key, reason=str(trouble), pause_s=round(pause.total_seconds(), 2)
        )
        until = self._clock.now() + pause
        while True:
            if await self._is_delayed(claim, until) or self._stopping:
                return
            await asyncio.sleep(POLL_S)

    async def _is_delayed(self, claim: C, until: datetime) -> bool:
        try:
            await self._queue.delay(claim, until)
        except Trouble as failed:
            log.warning("work.delay_failed", loop=self._name, key=claim.key, reason=str(failed))
            return False
        return True

    async def _give_back(self, claim: C) -> None:
        try:
            await self._queue.release(claim)
        except Trouble as failed:
            log.warning("work.release_failed", loop=self._name, key=claim.key, reason=str(failed))

    async def _renew_until_cancelled(self) -> None:
        pause_s = self._lease.total_seconds() / 3
        while True:
            await asyncio.sleep(min(AGAIN_S, pause_s) if self._is_late else pause_s)
            try:
                await self._renew()
            except Trouble as trouble:
                log.warning("work.renew_failed", loop=self._name, reason=str(trouble))

    async def _renew(self) -> None:
        held = [*(claim for claim, _ in self._running.values()), *self._next]
        self._is_late = True
        ours = await self._queue.renew(held, self._clock.now() + self._lease)
        self._is_late = False
        lost = {claim.token for claim in held} - ours
        self._next = deque(claim for claim in self._next if claim.token not in lost)
        for claim in held:
            running = self._running.get(claim.token)
            if claim.token not in ours and running is not None:
                self._ended(self._name, Ending.LOST)
                log.warning("work.lease_lost", loop=self._name, key=claim.key)
                running[1].cancel()


async def sweep_until_cancelled(
    sweep: Callable[[], Awaitable[object]],
    loops: Sequence[WorkLoop[Any]],
    swept: Callable[[], None],
    rng: random.Random,
) -> None:
    """Sweeps about twice a second: delayed work whose time has come, leases that ran out but for those that `loops` hold. `swept` is called after each, so that loops look."""
    while True:
        try:
            for loop in loops:
                await loop.hold()
            await sweep()
            swept()
        except Trouble as trouble:
            log.warning("sweep.failed", reason=str(trouble))
        await asyncio.sleep(jittered(SWEEP_PAUSE, rng, share=0.2).total_seconds())
