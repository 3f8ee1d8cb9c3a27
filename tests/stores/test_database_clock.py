"""Processes that share a database go by its clock, whatever their machines' clocks say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.intake.server import MIGRATIONS
from services.shared.clock import SystemClock
from services.shared.db.database_clock import DatabaseClock, clock_of, time_of
from services.shared.db.engine import SqliteDatabase
from services.shared.db.postgres import PostgresDatabase
from services.shared.errors import CannotRun, Trouble
from tests.stores.conftest import a_postgres
from tests.support.postgres import cluster

A_LITTLE = timedelta(seconds=5)
"""What a busy machine may take for a look."""


class Steady:
    """Counts seconds when a test says so."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def __call__(self) -> float:
        return self.s


async def test_time_is_the_databases_and_goes_on_by_the_steady_clock(postgres_url: str) -> None:
    async with a_postgres(postgres_url, "intake", MIGRATIONS) as db:
        steady = Steady()
        clock = DatabaseClock(db, steady)
        before = await db.read(time_of)
        await clock.set()
        after = await db.read(time_of)
        then = clock.now()
        assert before <= then <= after

        steady.s += 90
        assert clock.now() == then + timedelta(seconds=90)
        assert clock.monotonic() == steady.s

        await clock.set()
        assert after <= clock.now() <= await db.read(time_of)


async def test_a_machine_whose_clock_is_wrong_has_the_databases_time(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SystemClock, "now", lambda _self: datetime(2031, 5, 1, tzinfo=UTC))
    async with a_postgres(postgres_url, "intake", MIGRATIONS) as db:
        clock = await clock_of(db)
        assert abs(clock.now() - await db.read(time_of)) < A_LITTLE


async def test_while_the_database_is_away_the_time_goes_on_and_nobody_starts(tmp_path: Path) -> None:
    with cluster("fsync=off") as server:
        db = PostgresDatabase(server.create("clock"), "intake")
        try:
            steady = Steady()
            clock = DatabaseClock(db, steady)
            await clock.set()
            then = clock.now()
            server.stop()

            with pytest.raises(Trouble):
                await clock.set()
            steady.s += 3
            assert clock.now() == then + timedelta(seconds=3)
            with pytest.raises(CannotRun, match="does not tell its time"):
                await clock_of(db)
        finally:
            await db.stop()


async def test_a_file_of_ones_own_needs_no_clock_but_the_machines(notify_sqlite: SqliteDatabase) -> None:
    assert isinstance(await clock_of(notify_sqlite), SystemClock)
