"""SQLite with one owner: a file lock, one writer thread with group commit, a pool of read-only connections.

Store functions are synchronous, take a SQLAlchemy Connection first and are handed over whole: `await db.write(save_upload, ...)`. Nothing is answered
before COMMIT returned. While one group is being synced to disk the next requests gather and share the next COMMIT, so durability costs one sync for all.
"""

import asyncio
import fcntl
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from services.shared.errors import Trouble

P = ParamSpec("P")
R = TypeVar("R")

READERS = 4
READ_LIMIT_S = 10.0
GROUP_LIMIT = 64
"""Requests that share one COMMIT at most: a group that is too long makes its first member wait."""

_STEPS_BETWEEN_CLOCK_LOOKS = 10_000


class DatabaseInUse(Exception):
    """Another process owns the database file."""


@dataclass(slots=True)
class _Request:
    run: Callable[[Connection], Any]
    done: "Future[Any]" = field(default_factory=Future)


class _TransactionGone(Exception):
    """SQLite rolled the whole transaction back under a request (disk full, I/O error)."""


class SqliteDatabase:
    """One database file, owned by this process until `close`."""

    def __init__(self, path: Path) -> None:
        """Raises DatabaseInUse when another process has it."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = (path.parent / f"{path.name}.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise DatabaseInUse(f"{path} is in use by another process") from error
        self._engine = _writing_engine(path)
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_until_closed, name=f"{path.name}-writer", daemon=True)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix=f"{path.name}-reader")
        self._local = threading.local()

    @property
    def engine(self) -> Engine:
        """For migrations, before `start`."""
        return self._engine

    def start(self) -> None:
        """Starts the writer thread. Migrations have run by now."""
        self._writer.start()

    async def write(self, function: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs a store function in a transaction of its own and answers when it is durable.

        What the function raises is raised here and nothing of it is stored. Raises Trouble when the database failed.
        """
        request = _Request(lambda connection: function(connection, *args, **kwargs))
        self._requests.put(request)
        result: R = await asyncio.wrap_future(request.done)
        return result

    async def read(self, function: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs a store function on a snapshot, for at most 10 s. Raises Trouble when the database failed or time ran out."""
        return await asyncio.get_running_loop().run_in_executor(
            self._readers, self._read, lambda connection: function(connection, *args, **kwargs)
        )

    def close(self) -> None:
        """Finishes what was asked for, then lets the file go."""
        if self._writer.is_alive():
            self._requests.put(None)
            self._writer.join()
        self._readers.shutdown()
        self._engine.dispose()
        self._lock.close()

    def _read(self, run: Callable[[Connection], R]) -> R:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = _reading_engine(self._path).connect()
        deadline = monotonic() + READ_LIMIT_S
        raw = connection.connection.dbapi_connection
        if not isinstance(raw, sqlite3.Connection):
            raise Trouble("the read connection is gone")
        raw.set_progress_handler(lambda: monotonic() > deadline, _STEPS_BETWEEN_CLOCK_LOOKS)
        connection.exec_driver_sql("BEGIN")
        try:
            return run(connection)
        except DBAPIError as error:
            raise Trouble("the database failed a read") from error
        finally:
            connection.exec_driver_sql("ROLLBACK")

    def _write_until_closed(self) -> None:
        with self._engine.connect() as connection:
            closing = False
            while not closing:
                group, closing = self._next_group()
                if group:
                    _commit_group(connection, group)

    def _next_group(self) -> tuple[list[_Request], bool]:
        group: list[_Request] = []
        entry = self._requests.get()
        while entry is not None:
            group.append(entry)
            if len(group) == GROUP_LIMIT:
                return group, False
            try:
                entry = self._requests.get_nowait()
            except queue.Empty:
                return group, False
        return group, True


def _commit_group(connection: Connection, group: list[_Request]) -> None:
    answers: list[tuple[_Request, Any, BaseException | None]] = []
    running = [request for request in group if request.done.set_running_or_notify_cancel()]
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        for request in running:
            answers.append((request, *_run_in_savepoint(connection, request)))
        connection.exec_driver_sql("COMMIT")
    except (DBAPIError, _TransactionGone) as error:
        if _in_transaction(connection):
            connection.exec_driver_sql("ROLLBACK")
        for request in running:
            trouble = Trouble("the database did not commit")
            trouble.__cause__ = error
            request.done.set_exception(trouble)
        return
    for request, value, failure in answers:
        if failure is None:
            request.done.set_result(value)
        else:
            request.done.set_exception(failure)


def _run_in_savepoint(connection: Connection, request: _Request) -> tuple[Any, BaseException | None]:
    connection.exec_driver_sql("SAVEPOINT request")
    try:
        value = request.run(connection)
    except Exception as error:
        if not _in_transaction(connection):
            raise _TransactionGone from error
        connection.exec_driver_sql("ROLLBACK TO request")
        connection.exec_driver_sql("RELEASE request")
        if isinstance(error, DBAPIError):
            trouble = Trouble("the database failed a write")
            trouble.__cause__ = error
            return None, trouble
        return None, error
    connection.exec_driver_sql("RELEASE request")
    return value, None


def _in_transaction(connection: Connection) -> bool:
    raw = connection.connection.dbapi_connection
    return isinstance(raw, sqlite3.Connection) and raw.in_transaction


def _writing_engine(path: Path) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool, isolation_level="AUTOCOMMIT")

    @event.listens_for(engine, "connect")
    def prepare(raw: sqlite3.Connection, _record: object) -> None:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        raw.execute("PRAGMA busy_timeout=5000")

    return engine


def _reading_engine(path: Path) -> Engine:
    url = URL.create("sqlite", database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")

    @event.listens_for(engine, "connect")
    def prepare(raw: sqlite3.Connection, _record: object) -> None:
        raw.execute("PRAGMA query_only=ON")
        raw.execute("PRAGMA busy_timeout=5000")

    return engine
