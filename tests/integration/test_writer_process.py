"""The process that writes beside the owner of an SQLite file: what it answered is durable, and whatever becomes of it, the owner goes on."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from sqlalchemy import Connection, text

from services.shared.db.engine import DatabaseInUse, SqliteDatabase
from services.shared.db.writer_process import FunctionFailed
from services.shared.errors import Mnemonic, Refusal, Refusals, Trouble

ME = "tests.integration.test_writer_process"
WITHIN_S = 30.0


def add(connection: Connection, name: str) -> int:
    """Answers the process that it was done in."""
    connection.execute(text("INSERT INTO items VALUES (:name)"), {"name": name})
    return os.getpid()


def names(connection: Connection) -> list[str]:
    return list(connection.execute(text("SELECT name FROM items ORDER BY name")).scalars())


def add_and_refuse(connection: Connection, name: str) -> None:
    add(connection, name)
    raise Refusal(
        Mnemonic.LIMIT_EXCEEDED,
        path=("calls", 3),
        value=name,
        params={"a": "b"},
        grpc_code="ABORTED",
        retry_after_s=2.0,
    )


def add_and_refuse_twice(connection: Connection, name: str) -> None:
    add(connection, name)
    raise Refusals([Refusal(Mnemonic.FORBIDDEN), Refusal(Mnemonic.PARSE_ERROR, why="no")])


def add_and_fail(connection: Connection, name: str) -> None:
    add(connection, name)
    raise LookupError("a bug")


def add_and_answer_what_cannot_travel(connection: Connection, name: str) -> object:
    add(connection, name)
    return lambda: None


def limit_pages(connection: Connection, pages: int) -> None:
    connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")


def add_when_told(connection: Connection, name: str, folder: str) -> None:
    """Says that it has begun by the file `begun`, and ends when there is one that is named `go`."""
    (Path(folder) / "begun").touch()
    end = time.monotonic() + WITHIN_S
    while not (Path(folder) / "go").exists() and time.monotonic() < end:
        time.sleep(0.01)
    add(connection, name)


def take(_connection: Connection, number: signal.Signals, owner: int) -> None:
    """Sends a signal to the process that runs this, which is not the owner."""
    assert os.getpid() != owner
    os.kill(os.getpid(), number)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def a_database(path: Path, longest_s: float = 60.0) -> AsyncIterator[SqliteDatabase]:
    """With its process, which is ready."""
    db = SqliteDatabase(path)
    with db.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS items (name TEXT PRIMARY KEY)")
    db.start()
    db.start_process([ME], longest_s=longest_s)
    try:
        await until(lambda: db.writes_apart)
        yield db
    finally:
        await db.stop()


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with a_database(tmp_path / "test.db") as db:
        yield db


async def test_it_is_another_process_and_what_it_answered_is_seen_by_all(db: SqliteDatabase, tmp_path: Path) -> None:
    apart, here = await db.write_apart(add, "a"), await db.write(add, "b")

    assert here == os.getpid() != apart
    assert await db.read(names) == ["a", "b"]
    with sqlite3.connect(tmp_path / "test.db") as other:
        assert other.execute("SELECT count(*) FROM items").fetchall() == [(2,)]
    other.close()


async def test_both_write_at_the_same_time(db: SqliteDatabase) -> None:
    asked = [db.write_apart(add, f"apart {number}") for number in range(300)]
    asked += [db.write(add, f"here {number}") for number in range(300)]

    assert len(set(await asyncio.gather(*asked))) == 2
    assert len(await db.read(names)) == 600


async def test_what_a_function_raises_comes_as_it_was_and_nothing_is_stored(db: SqliteDatabase) -> None:
    with pytest.raises(Refusal) as one:
        await db.write_apart(add_and_refuse, "a")
    with pytest.raises(Refusals) as several:
        await db.write_apart(add_and_refuse_twice, "a")

    refusal = one.value
    assert (refusal.mnemonic, refusal.path, refusal.value) == (Mnemonic.LIMIT_EXCEEDED, ("calls", 3), "a")
    assert (refusal.params, refusal.grpc_code, refusal.retry_after_s) == ({"a": "b"}, "ABORTED", 2.0)
    assert [(each.mnemonic, each.why) for each in several.value.refusals][1] == (Mnemonic.PARSE_ERROR, "no")
    assert await db.read(names) == []


@pytest.mark.parametrize("function", [add_and_fail, add_and_answer_what_cannot_travel], ids=lambda each: each.__name__)
async def test_a_bug_is_told_and_others_of_its_group_are_left_alone(db: SqliteDatabase, function: object) -> None:
    answers = await asyncio.gather(
        db.write_apart(add, "a"),
        db.write_apart(function, "b"),  # type: ignore[arg-type]
        db.write_apart(add, "c"),
        return_exceptions=True,
    )

    assert isinstance(answers[1], FunctionFailed)
    assert {"a", "c"} <= set(await db.read(names))


async def test_a_function_of_no_module_is_refused_here(db: SqliteDatabase) -> None:
    def local(connection: Connection) -> None:
        """Cannot be found by its name."""

    with pytest.raises(AttributeError, match="local"):
        await db.write_apart(local)
    await db.write_apart(add, "a")


async def test_a_full_disk_is_trouble_and_the_process_goes_on(db: SqliteDatabase) -> None:
    await db.write_apart(limit_pages, 8)
    answers = await asyncio.gather(
        *(db.write_apart(add, str(number) * 2000) for number in range(50)), return_exceptions=True
    )
    await db.write_apart(limit_pages, 100_000)

    stored = sum(isinstance(answer, int) for answer in answers)
    assert {type(answer) for answer in answers} == {int, Trouble}
    assert len(await db.read(names)) == stored
    assert await db.write_apart(add, "after") != os.getpid()


async def test_one_that_dies_is_trouble_for_who_waits_and_the_thread_goes_on_until_the_next_one_is_there(
    db: SqliteDatabase,
) -> None:
    first = await db.write_apart(add, "before")
    answers = await asyncio.gather(
        db.write_apart(take, signal.SIGKILL, os.getpid()), db.write_apart(add, "lost"), return_exceptions=True
    )

    assert [type(answer) for answer in answers] == [Trouble, Trouble]
    assert await db.write_apart(add, "meanwhile") == os.getpid()
    await until(lambda: db.writes_apart)
    assert await db.write_apart(add, "after") not in (first, os.getpid())
    assert await db.read(names) == ["after", "before", "meanwhile"]


async def test_one_that_hangs_is_replaced(tmp_path: Path) -> None:
    async with a_database(tmp_path / "test.db", longest_s=0.3) as db:
        with pytest.raises(Trouble):
            await db.write_apart(take, signal.SIGSTOP, os.getpid())
        # It held the turn: the thread has it now.
        assert await db.write(add, "here") == os.getpid()
        await until(lambda: db.writes_apart)
        assert await db.write_apart(add, "apart") != os.getpid()


async def test_a_stop_waits_for_what_was_asked(tmp_path: Path) -> None:
    async with a_database(tmp_path / "test.db") as db:
        asked = [asyncio.create_task(db.write_apart(add, str(number))) for number in range(100)]
        await asyncio.sleep(0)

    assert len({await each for each in asked}) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["test.db", "test.db.lock"]
    async with a_database(tmp_path / "test.db") as db:
        assert len(await db.read(names)) == 100


async def test_a_stop_does_not_wait_for_one_that_is_not_ready(tmp_path: Path) -> None:
    db = SqliteDatabase(tmp_path / "test.db")
    db.start()
    db.start_process([ME])

    async with asyncio.timeout(WITHIN_S):
        await db.stop()


OWNER = f"""
import asyncio, sys
from pathlib import Path
from services.shared.db.engine import SqliteDatabase
from {ME} import ME, add_when_told, until

async def main():
    db = SqliteDatabase(Path(sys.argv[1]))
    with db.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE items (name TEXT PRIMARY KEY)")
    db.start()
    db.start_process([ME])
    await until(lambda: db.writes_apart)
    await db.write_apart(add_when_told, "a", sys.argv[2])

asyncio.run(main())
"""


async def test_it_ends_with_its_owner_and_no_other_owner_comes_before(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    with subprocess.Popen([sys.executable, "-c", OWNER, str(path), str(tmp_path)]) as owner:
        await until((tmp_path / "begun").exists)
        owner.kill()

    with pytest.raises(DatabaseInUse):
        SqliteDatabase(path)
    (tmp_path / "go").touch()
    await until(lambda: not _is_owned(path))
    async with a_database(path) as db:
        assert await db.read(names) == ["a"]


def _is_owned(path: Path) -> bool:
    try:
        SqliteDatabase(path).close()
    except DatabaseInUse:
        return True
    return False


def test_what_is_asked_of_one_that_has_just_died_is_trouble_in_the_loop_that_intake_has(tmp_path: Path) -> None:
    async def ask_meanwhile() -> list[BaseException | int | None]:
        async with a_database(tmp_path / "test.db") as db:
            process = await db.write_apart(add, "first")

            async def kill() -> None:
                os.kill(process, signal.SIGKILL)
                os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)

            # In one turn of the loop, so that the first is asked before we can hear of the death, and the others while the line closes.
            running: list[asyncio.Task[int] | asyncio.Task[None]] = [asyncio.create_task(kill())]
            for number in range(20):
                running.append(asyncio.create_task(db.write_apart(add, str(number))))
                await asyncio.sleep(0)
            return list(await asyncio.gather(*running, return_exceptions=True))

    _, *answers = uvloop.run(ask_meanwhile())

    assert isinstance(answers[0], Trouble)
    assert all(isinstance(answer, Trouble | int) for answer in answers), {type(answer) for answer in answers}
