"""A disk that is full: what was answered stays, what was not is not half there, and with room again it goes on.

No disk is filled here (see test_disk_full_instance.py). SQLite is given a number of pages (`max_page_count`), beyond which it fails as on a full disk (SQLITE_FULL); files end at a size (RLIMIT_FSIZE), beyond
which a write fails as one does on a full disk.
"""

import asyncio
import resource
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from services.media.receive import receive_file
from services.media.scratch import scratch_file
from services.shared.db.engine import SqliteDatabase
from services.shared.errors import Trouble
from services.shared.objects import Storage, open_store

WRITES = 200
PAGES_LEFT = 40
TEXT = "x" * 3000
"""Of which a page of 4096 bytes holds one."""
FILE_BYTES = 64 * 1024


async def test_sqlite_is_full_in_the_middle_of_a_group_commit(tmp_path: Path) -> None:
    db = SqliteDatabase(tmp_path / "test.db")
    with db.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE items (number INTEGER PRIMARY KEY, filling TEXT)")
    db.start()
    try:
        await db.write(_add, -1)
        await db.write(_leave_pages, PAGES_LEFT)
        started, release = threading.Event(), threading.Event()
        holding = asyncio.create_task(db.write(_hold, started, release))
        await asyncio.to_thread(started.wait)
        # All of these gather while the writer is held, and go in few groups.
        writes = [asyncio.create_task(db.write(_add, number)) for number in range(WRITES)]
        await asyncio.sleep(0)
        release.set()
        await holding
        answers = await asyncio.gather(*writes, return_exceptions=True)

        stored = {number for number, answer in enumerate(answers) if not isinstance(answer, BaseException)}
        assert await db.read(_numbers) == {-1, *stored}
        assert {type(answer) for answer in answers if isinstance(answer, BaseException)} == {Trouble}

        await db.write(_leave_pages, 10_000)
        for number in range(WRITES):
            if number not in stored:
                await db.write(_add, number)
        assert await db.read(_numbers) == {-1, *range(WRITES)}
    finally:
        db.close()


async def test_the_folder_of_objects_is_full(tmp_path: Path) -> None:
    store = open_store(Storage(url=(tmp_path / "recordings").as_uri()))
    await store.put("1/1/1/1.mp3", b"before")

    with _files_up_to(FILE_BYTES):
        for key in ("1/1/1/1.mp3", "1/1/1/2.mp3"):
            with pytest.raises(Trouble):
                await store.put(key, bytes(4 * FILE_BYTES))
            assert {path.name for path in (tmp_path / "recordings").rglob("*") if path.is_file()} == {"1.mp3"}
    await store.put("1/1/1/2.mp3", bytes(4 * FILE_BYTES))

    assert await store.get("1/1/1/1.mp3") == b"before"
    assert len(await store.get("1/1/1/2.mp3")) == 4 * FILE_BYTES


async def test_a_piece_of_which_the_disk_takes_a_part_is_not_taken_for_whole(tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield bytes(FILE_BYTES - 1000)
        # The last piece: nothing is written after it that would fail.
        yield bytes(2000)

    with _files_up_to(FILE_BYTES), pytest.raises(Trouble):
        await receive_file(pieces(), FILE_BYTES + 1000, tmp_path / "source", 10)


def test_a_scratch_folder_that_takes_no_folder_is_trouble(tmp_path: Path) -> None:
    with pytest.raises(Trouble), scratch_file(tmp_path / "away", "fetch"):
        pass


def _add(connection: Connection, number: int) -> None:
    connection.execute(text("INSERT INTO items VALUES (:number, :filling)"), {"number": number, "filling": TEXT})


def _numbers(connection: Connection) -> set[int]:
    return set(connection.execute(text("SELECT number FROM items")).scalars())


def _leave_pages(connection: Connection, count: int) -> None:
    used = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    connection.exec_driver_sql(f"PRAGMA max_page_count={used + count}")


def _hold(_connection: Connection, started: threading.Event, release: threading.Event) -> None:
    started.set()
    release.wait(10)


@contextmanager
def _files_up_to(size_bytes: int) -> Iterator[None]:
    """Python ignores SIGXFSZ, so that a write beyond fails with EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
