"""The loop over leased work: long work keeps its lease, a stop gives back what is held, a bug is counted and not repeated at once."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, select

from services.intake.store.tables import CALL_WORK
from services.shared.clock import SystemClock
from services.shared.db.database import Database
from services.shared.db.work_queue import WorkQueue
from services.shared.db.work_table import READY, Claim
from services.shared.errors import Trouble
from services.shared.work import WorkLoop, sweep_until_cancelled

LEASE = timedelta(seconds=0.6)


def a_loop(
    db: Database, handle: Callable[[Claim], Awaitable[None]], *, concurrency: int = 4, ahead: int = 0
) -> WorkLoop[Claim]:
    clock = SystemClock()
    queue = WorkQueue(db, CALL_WORK, stage=0, clock=clock)
    rng = random.Random(1)
    return WorkLoop("test", queue, handle, concurrency=concurrency, lease=LEASE, clock=clock, rng=rng, ahead=ahead)


async def add(db: Database) -> None:
    await db.write(CALL_WORK.add, [(1, 1)], datetime.now(UTC))


async def test_work_that_takes_longer_than_its_lease_keeps_it(intake_db: Database) -> None:
    await add(intake_db)
    held: list[bool] = []

    async def slow(claim: Claim) -> None:
        until = datetime.now(UTC) + LEASE * 2.5
        while datetime.now(UTC) < until:
            assert await intake_db.write(CALL_WORK.sweep, datetime.now(UTC)) == []
            await asyncio.sleep(0.02)
        held.append(await intake_db.write(CALL_WORK.finish, claim.key, claim.token))
        loop.stop()

    loop = a_loop(intake_db, slow)
    await loop.run()

    assert held == [True]


async def test_what_is_held_when_the_loop_is_cancelled_is_given_back_at_once(intake_db: Database) -> None:
    await add(intake_db)
    started = asyncio.Event()

    async def for_ever(_claim: Claim) -> None:
        started.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(a_loop(intake_db, for_ever).run())
    await started.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    now = datetime.now(UTC)
    claims = await intake_db.write(CALL_WORK.claim, stage=0, most=1, after_account=0, now=now, lease_end=now + LEASE)
    assert [(claim.key, claim.expiries) for claim in claims] == [(1, 0)]


async def test_trouble_puts_off_and_a_bug_waits_for_its_lease_to_run_out(intake_db: Database) -> None:
    await add(intake_db)
    tries: list[int] = []

    async def fails(claim: Claim) -> None:
        tries.append(claim.expiries)
        if len(tries) == 1:
            raise Trouble("away")
        if len(tries) == 2:
            raise LookupError("a bug")
        await intake_db.write(CALL_WORK.finish, claim.key, claim.token)
        loop.stop()

    async def sweep() -> None:
        while True:
            await intake_db.write(CALL_WORK.sweep, datetime.now(UTC))
            loop.wake()
            await asyncio.sleep(0.02)

    loop = a_loop(intake_db, fails)
    sweeping = asyncio.create_task(sweep())
    await loop.run()
    sweeping.cancel()
    await asyncio.gather(sweeping, return_exceptions=True)

    assert tries == [0, 0, 1]


async def held(db: Database) -> list[tuple[int, int]]:
    """(state, expiries) of all work."""
    work = CALL_WORK.table.c

    def read(connection: Connection) -> list[tuple[int, int]]:
        return [(row.state, row.expiries) for row in connection.execute(select(work.state, work.expiries))]

    return await db.read(read)


async def test_what_is_claimed_ahead_follows_without_a_claim_and_keeps_its_lease(intake_db: Database) -> None:
    await intake_db.write(CALL_WORK.add, [(key, 1) for key in range(1, 6)], datetime.now(UTC))
    done: list[int] = []

    async def slow(claim: Claim) -> None:
        # Longer than a lease: what waits behind it is renewed too.
        await asyncio.sleep(LEASE.total_seconds() * 1.5 if not done else 0)
        done.append(claim.key)
        assert await intake_db.write(CALL_WORK.finish, claim.key, claim.token)
        if len(done) == 5:
            loop.stop()

    loop = a_loop(intake_db, slow, concurrency=1, ahead=4)
    await loop.run()

    assert done == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("ends", ["stopped", "cancelled"])
async def test_what_is_claimed_ahead_is_given_back_at_the_end(intake_db: Database, ends: str) -> None:
    await intake_db.write(CALL_WORK.add, [(key, 1) for key in range(1, 6)], datetime.now(UTC))
    started, go_on = asyncio.Event(), asyncio.Event()

    async def waits(claim: Claim) -> None:
        started.set()
        await go_on.wait()
        assert await intake_db.write(CALL_WORK.finish, claim.key, claim.token)

    loop = a_loop(intake_db, waits, concurrency=1, ahead=4)
    running = asyncio.create_task(loop.run())
    await started.wait()
    if ends == "stopped":
        loop.stop()
        go_on.set()
    else:
        running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert await held(intake_db) == [(READY, 0)] * (4 if ends == "stopped" else 5)


async def test_what_is_claimed_ahead_and_lost_is_not_worked_on(intake_db: Database) -> None:
    await intake_db.write(CALL_WORK.add, [(1, 1), (2, 1)], datetime.now(UTC))
    done: list[int] = []

    async def slow(claim: Claim) -> None:
        done.append(claim.key)
        await intake_db.write(CALL_WORK.drop, [2])
        await asyncio.sleep(LEASE.total_seconds())
        await intake_db.write(CALL_WORK.finish, claim.key, claim.token)
        loop.stop()

    loop = a_loop(intake_db, slow, concurrency=1, ahead=2)
    await loop.run()

    assert done == [1]


async def test_what_a_claim_takes_at_a_stop_is_given_back_and_not_begun(intake_db: Database) -> None:
    await intake_db.write(CALL_WORK.add, [(key, 1) for key in range(1, 6)], datetime.now(UTC))
    begun: list[int] = []

    async def note(claim: Claim) -> None:
        begun.append(claim.key)

    class Slow(WorkQueue):
        async def claim(self, most: int, lease_end: datetime) -> Sequence[Claim]:
            claims = await super().claim(most, lease_end)
            loop.stop()
            return claims

    clock = SystemClock()
    queue = Slow(intake_db, CALL_WORK, stage=0, clock=clock)
    loop = WorkLoop("test", queue, note, concurrency=4, lease=LEASE, clock=clock, rng=random.Random(1))
    await loop.run()

    now = datetime.now(UTC)
    claims = await intake_db.write(CALL_WORK.claim, stage=0, most=9, after_account=0, now=now, lease_end=now + LEASE)
    assert (begun, [claim.key for claim in claims]) == ([], [1, 2, 3, 4, 5])


async def test_what_is_claimed_ahead_is_worked_on_though_all_before_it_were_lost(intake_db: Database) -> None:
    await intake_db.write(CALL_WORK.add, [(key, 1) for key in range(1, 6)], datetime.now(UTC))
    begun: list[int] = []
    done = asyncio.Event()

    async def note(claim: Claim) -> None:
        begun.append(claim.key)
        if claim.key == 1:
            # The call is erased while it is under way.
            await intake_db.write(CALL_WORK.drop, [1])
            await asyncio.Event().wait()
        await intake_db.write(CALL_WORK.finish, claim.key, claim.token)
        if len(begun) == 5:
            done.set()

    loop = a_loop(intake_db, note, concurrency=1, ahead=16)
    running = asyncio.create_task(loop.run())
    async with asyncio.timeout(10):
        await done.wait()
    loop.stop()
    await running

    assert begun == [1, 2, 3, 4, 5]


class FullQueue(WorkQueue):
    """Of a database that, while it is full, takes neither renewals nor delays; a sweep comes through all the same, as small writes do."""

    is_full = False

    async def renew(self, held: Sequence[Claim], lease_end: datetime) -> set[int]:
        self._refuse()
        return await super().renew(held, lease_end)

    async def delay(self, claim: Claim, until: datetime) -> None:
        self._refuse()
        await super().delay(claim, until)

    def _refuse(self) -> None:
        if self.is_full:
            raise Trouble("full")


@pytest.mark.parametrize("is_running", [True, False], ids=["worked on", "to be put off"])
async def test_a_lease_that_a_full_database_could_not_renew_is_not_counted(
    intake_db: Database, is_running: bool
) -> None:
    await add(intake_db)
    clock = SystemClock()
    queue = FullQueue(intake_db, CALL_WORK, stage=0, clock=clock)
    expiries: list[int] = []
    began, goes_on = asyncio.Event(), asyncio.Event()

    async def handle(claim: Claim) -> None:
        expiries.append(claim.expiries)
        if len(expiries) == 1:
            queue.is_full = True
            began.set()
            if is_running:
                await goes_on.wait()
            raise Trouble("full")
        await intake_db.write(CALL_WORK.finish, claim.key, claim.token)
        loop.stop()

    async def sweep() -> None:
        await intake_db.write(CALL_WORK.sweep, clock.now())

    loop = WorkLoop("test", queue, handle, concurrency=4, lease=LEASE, clock=clock, rng=random.Random(1))
    running = asyncio.create_task(loop.run())
    sweeping = asyncio.create_task(sweep_until_cancelled(sweep, [loop], loop.wake, random.Random(2)))
    await began.wait()
    await asyncio.sleep(2.5 * LEASE.total_seconds())
    queue.is_full = False
    goes_on.set()
    await asyncio.wait_for(running, 10)
    sweeping.cancel()

    assert expiries == [0, 0]
