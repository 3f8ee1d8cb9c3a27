"""Processes on one PostgreSQL that tell each other of their commits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import Connection, text

from services.intake.server import MIGRATIONS
from services.shared.db.database import Database
from services.shared.db.engine import SqliteDatabase
from services.shared.db.postgres import PostgresDatabase
from services.shared.db.wake_ups import WakeUps
from tests.stores.conftest import a_postgres


class Process:
    """One of them, and how often it was woken."""

    def __init__(self, db: Database) -> None:
        self.woken = 0
        self._changed = asyncio.Event()
        self.wake_ups = WakeUps(db, self._wake)

    def _wake(self) -> None:
        self.woken += 1
        self._changed.set()

    async def wait(self, times: int) -> None:
        async with asyncio.timeout(20):
            while self.woken < times:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def running(db: Database) -> AsyncIterator[Process]:
    process = Process(db)
    task = asyncio.create_task(process.wake_ups.run_until_cancelled())
    yield process
    task.cancel()
    await asyncio.wait([task])


@pytest.fixture
async def databases(postgres_url: str) -> AsyncIterator[tuple[PostgresDatabase, PostgresDatabase]]:
    async with a_postgres(postgres_url, "intake", MIGRATIONS) as one:
        two = PostgresDatabase(postgres_url, "intake")
        yield one, two
        await two.stop()


async def listening(db: PostgresDatabase, count: int) -> list[int]:
    """Waits until so many connections listen; answers their server processes."""

    def look(connection: Connection) -> list[int]:
        found = connection.execute(text("SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN %calldock_intake%'"))
        return [row.pid for row in found]

    async with asyncio.timeout(20):
        while len(pids := await db.read(look)) != count:
            await asyncio.sleep(0.01)
    return pids


async def test_a_commit_is_heard_by_the_others_and_not_by_oneself(
    databases: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    async with running(databases[0]) as one, running(databases[1]) as two:
        await listening(databases[0], 2)
        one.wake_ups.tell()
        await two.wait(1)
        two.wake_ups.tell()
        await one.wait(1)

        assert (one.woken, two.woken) == (1, 1)


async def test_many_commits_at_once_are_told_together(databases: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    async with running(databases[0]) as one, running(databases[1]) as two:
        await listening(databases[0], 2)
        for _ in range(100):
            one.wake_ups.tell()
        await two.wait(1)
        two.wake_ups.tell()
        await one.wait(1)

        assert two.woken == 1


async def test_who_lost_the_connection_looks_and_hears_again(
    databases: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    async with running(databases[0]) as one:
        (pid,) = await listening(databases[0], 1)

        def terminate(connection: Connection) -> None:
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})

        await databases[0].write(terminate)
        await one.wait(1)
        await listening(databases[0], 1)
        async with running(databases[1]) as two:
            two.wake_ups.tell()
            await one.wait(2)


async def test_on_a_database_of_ones_own_there_is_nobody_to_tell(notify_sqlite: SqliteDatabase) -> None:
    async with running(notify_sqlite) as process:
        process.wake_ups.tell()

        assert process.woken == 0
