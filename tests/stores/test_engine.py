"""The SQLite engine: one owner, group commit, nothing answered before it is durable."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from services.shared.db.engine import DatabaseInUse, SqliteDatabase
from services.shared.errors import Trouble


@pytest.fixture
def db(tmp_path: Path) -> Iterator[SqliteDatabase]:
    db = SqliteDatabase(tmp_path / "test.db")
    with db.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE items (name TEXT PRIMARY KEY)")
    db.start()
    yield db
    db.close()


def add(connection: Connection, name: str) -> str:
    connection.execute(text("INSERT INTO items VALUES (:name)"), {"name": name})
    return name


def names(connection: Connection) -> list[str]:
    return list(connection.execute(text("SELECT name FROM items ORDER BY name")).scalars())


def hold(connection: Connection, started: threading.Event, release: threading.Event) -> None:
    started.set()
    release.wait(10)


async def test_what_was_answered_is_seen_by_another_process(db: SqliteDatabase, tmp_path: Path) -> None:
    assert await db.write(add, "a") == "a"

    with sqlite3.connect(tmp_path / "test.db") as other:
        assert other.execute("SELECT name FROM items").fetchall() == [("a",)]
    other.close()


async def test_nothing_is_left_beside_a_file_that_was_closed(tmp_path: Path) -> None:
    db = SqliteDatabase(tmp_path / "left.db")
    with db.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE items (name TEXT PRIMARY KEY)")
    db.start()
    await db.write(add, "a")
    assert [*await asyncio.gather(db.read(names), db.read(names))] == [["a"], ["a"]]
    assert (tmp_path / "left.db-wal").exists()

    await db.stop()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["left.db", "left.db.lock"]


async def test_one_failed_request_of_a_group_leaves_the_others(db: SqliteDatabase) -> None:
    started, release = threading.Event(), threading.Event()
    holding = asyncio.create_task(db.write(hold, started, release))
    await asyncio.to_thread(started.wait)
    # These three gather while the writer is held, and share one COMMIT.
    waiting = [asyncio.create_task(db.write(add, name)) for name in ("a", "a", "b")]
    await asyncio.sleep(0)
    release.set()

    answers = await asyncio.gather(holding, *waiting, return_exceptions=True)

    assert answers[1] == "a"
    assert isinstance(answers[2], IntegrityError)
    assert answers[3] == "b"
    assert await db.read(names) == ["a", "b"]


async def test_what_a_store_function_raises_is_raised_and_nothing_is_stored(db: SqliteDatabase) -> None:
    def add_and_fail(connection: Connection) -> None:
        add(connection, "a")
        raise LookupError("no")

    with pytest.raises(LookupError):
        await db.write(add_and_fail)

    assert await db.read(names) == []


async def test_a_group_whose_transaction_is_gone_is_trouble_for_all_of_it(db: SqliteDatabase) -> None:
    started, release = threading.Event(), threading.Event()

    def roll_back(connection: Connection) -> None:
        # As SQLite does by itself when the disk is full.
        connection.exec_driver_sql("ROLLBACK")
        raise LookupError("gone")

    holding = asyncio.create_task(db.write(hold, started, release))
    await asyncio.to_thread(started.wait)
    waiting = [asyncio.create_task(db.write(add, "a")), asyncio.create_task(db.write(roll_back))]
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(holding, *waiting, return_exceptions=True)

    assert isinstance(waiting[0].exception(), Trouble)
    assert isinstance(waiting[1].exception(), Trouble)
    assert await db.read(names) == []
    assert await db.write(add, "b") == "b"


async def test_a_full_disk_is_trouble_and_the_database_goes_on(db: SqliteDatabase) -> None:
    def limit(connection: Connection, pages: int) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    async def fill() -> None:
        for number in range(50):
            await db.write(add, str(number) * 2000)

    await db.write(limit, 8)
    with pytest.raises(Trouble):
        await fill()
    await db.write(limit, 100_000)

    assert await db.write(add, "after") == "after"


async def test_a_read_sees_one_snapshot_and_cannot_write(db: SqliteDatabase) -> None:
    with pytest.raises(Trouble):
        await db.read(add, "a")
    assert await db.read(names) == []


async def test_a_second_owner_is_refused(db: SqliteDatabase, tmp_path: Path) -> None:
    with pytest.raises(DatabaseInUse, match=r"test\.db"):
        SqliteDatabase(tmp_path / "test.db")
