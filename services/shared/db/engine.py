"""SQLite with one owner: a file lock, one writer thread with group commit, a pool of read-only connections.

Store functions are synchronous, take a SQLAlchemy Connection first and are handed over whole: `await db.write(save_upload, ...)`. Nothing is answered
before COMMIT returned. While one group is being synced to disk the next requests gather and share the next COMMIT, so durability costs one sync for all.
"""

import asyncio
import fcntl
import os
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar, cast
from urllib.parse import quote

import structlog
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from services.shared.db.dialects import run_on_sqlite
from services.shared.errors import CannotRun, Trouble

log = structlog.get_logger()

P = ParamSpec("P")
R = TypeVar("R")

Functions: TypeAlias = Mapping[str, tuple[int, Callable[..., str | int | float | None]]]

READERS = 4
READ_LIMIT_S = 10.0
GROUP_LASTS_S = 0.05
"""A group takes no further request after this long: its first member waits for its last."""

_STEPS_BETWEEN_CLOCK_LOOKS = 10_000


class DatabaseInUse(CannotRun):
    """Another process owns the database file."""


@dataclass(slots=True)
class _Request:
    run: Callable[[Connection], Any]
    done: "Future[Any]" = field(default_factory=Future)


class _TransactionGone(Exception):
    """SQLite rolled the whole transaction back under a request (disk full, I/O error)."""


class SqliteDatabase:
    """One database file, owned by this process until `close`."""

    is_shared = False

    def __init__(self, path: Path, functions: Functions = MappingProxyType({})) -> None:
        """`functions` are what statements may call beside SQL's own: arguments and code by name. Raises DatabaseInUse when another process has the file."""
        self._path = path
        self._functions = functions
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
        self._reading: list[Connection] = []

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

    async def stop(self) -> None:
        """As `close`."""
        await asyncio.get_running_loop().run_in_executor(None, self.close)

    def close(self) -> None:
        """Finishes what was asked for, then lets the file go, with nothing beside it: the last to close takes its log in, which no reader can."""
        self._readers.shutdown()
        for connection in self._reading:
            connection.close()
        if self._writer.is_alive():
            self._requests.put(None)
            self._writer.join()
        self._engine.dispose()
        self._lock.close()

    def _read(self, run: Callable[[Connection], R]) -> R:
        try:
            return self._read_on(self._reading_connection(), run)
        except OperationalError as error:
            # A fresh connection next time: whatever state this one is in.
            if (broken := getattr(self._local, "connection", None)) is not None:
                self._reading.remove(broken)
            self._local.connection = None
            raise Trouble("the database failed a read") from error

    def _read_on(self, connection: Connection, run: Callable[[Connection], R]) -> R:
        deadline = monotonic() + READ_LIMIT_S
        raw = _raw(connection)
        raw.set_progress_handler(lambda: monotonic() > deadline, _STEPS_BETWEEN_CLOCK_LOOKS)
        run_on_sqlite(connection, "BEGIN")
        try:
            return run(connection)
        finally:
            if raw.in_transaction:
                run_on_sqlite(connection, "ROLLBACK")

    def _reading_connection(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = _reading_engine(self._path, self._functions).connect()
            self._reading.append(connection)
        return connection

    def _write_until_closed(self) -> None:
        try:
            self._write_groups()
        except BaseException:
            # Without its writer the process can only refuse and hang; a new one starts clean.
            log.exception("database.writer_died", path=str(self._path))
            os._exit(1)

    def _write_groups(self) -> None:
        waiting: deque[_Request] = deque()
        closing = False
        with self._engine.connect() as connection:
            while waiting or not closing:
                closing = self._gather(waiting, closing)
                if waiting:
                    _commit_group(connection, waiting)

    def _gather(self, waiting: deque[_Request], closing: bool) -> bool:
        """Adds what was asked for meanwhile, waiting for it when there is nothing to do. Answers whether the end was asked for."""
        while not closing:
            try:
                entry = self._requests.get(block=not waiting)
            except queue.Empty:
                return False
            if entry is None:
                return True
            waiting.append(entry)
        return True


def _commit_group(connection: Connection, waiting: deque[_Request]) -> None:
    """Runs the first requests, for as long as a group may last, and commits them together."""
    running: list[_Request] = []
    answers: list[tuple[_Request, Any, BaseException | None]] = []
    closes = monotonic() + GROUP_LASTS_S
    try:
        run_on_sqlite(connection, "BEGIN IMMEDIATE")
        while waiting and (not running or monotonic() < closes):
            request = waiting.popleft()
            if request.done.set_running_or_notify_cancel():
                running.append(request)
                answers.append((request, *_run_in_savepoint(connection, request)))
        run_on_sqlite(connection, "COMMIT")
    except (DBAPIError, _TransactionGone) as error:
        if _raw(connection).in_transaction:
            run_on_sqlite(connection, "ROLLBACK")
        if not running and waiting:
            # The transaction did not even begin.
            first = waiting.popleft()
            if first.done.set_running_or_notify_cancel():
                running.append(first)
        for request in running:
            request.done.set_exception(_trouble("the database did not commit", error))
        return
    for request, value, failure in answers:
        if failure is None:
            request.done.set_result(value)
        else:
            request.done.set_exception(failure)


def _run_in_savepoint(connection: Connection, request: _Request) -> tuple[Any, BaseException | None]:
    run_on_sqlite(connection, "SAVEPOINT request")
    try:
        value = request.run(connection)
    except Exception as error:
        if not _raw(connection).in_transaction:
            raise _TransactionGone from error
        run_on_sqlite(connection, "ROLLBACK TO request")
        run_on_sqlite(connection, "RELEASE request")
        # The disk, a lock, the file: the world. A broken constraint or statement is a bug, and stays one.
        return None, _trouble("the database failed a write", error) if isinstance(error, OperationalError) else error
    run_on_sqlite(connection, "RELEASE request")
    return value, None


def _trouble(told: str, cause: BaseException) -> Trouble:
    trouble = Trouble(told)
    trouble.__cause__ = cause
    return trouble


def _raw(connection: Connection) -> sqlite3.Connection:
    return cast(sqlite3.Connection, connection.connection.dbapi_connection)


def _writing_engine(path: Path) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool, isolation_level="AUTOCOMMIT")

    @event.listens_for(engine, "connect")
    def prepare(raw: sqlite3.Connection, _record: object) -> None:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        raw.execute("PRAGMA busy_timeout=5000")

    return engine


def _reading_engine(path: Path, functions: Functions) -> Engine:
    url = URL.create("sqlite", database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})
    # Each is used by its thread alone, and closed by whoever closes the database.
    alone = {"check_same_thread": False}
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=alone)

    @event.listens_for(engine, "connect")
    def prepare(raw: sqlite3.Connection, _record: object) -> None:
        raw.execute("PRAGMA query_only=ON")
        for name, (arguments, function) in functions.items():
            raw.create_function(name, arguments, function, deterministic=True)
        raw.execute("PRAGMA busy_timeout=5000")

    return engine
