"""SQLite with one owner: a file lock, one writer thread with group commit, a pool of read-only connections; for a service that asks for it, a writer process beside the thread.

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
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Concatenate, ParamSpec, TypeAlias, TypeVar
from urllib.parse import quote

import structlog
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from services.shared.db.dialects import run_on_sqlite
from services.shared.db.group_commit import Request, commit_group, raw_of, writing_engine
from services.shared.db.turns import turn
from services.shared.db.writer_process import WriterProcess
from services.shared.errors import CannotRun, Trouble

log = structlog.get_logger()

P = ParamSpec("P")
R = TypeVar("R")

Functions: TypeAlias = Mapping[str, tuple[int, Callable[..., str | int | float | None]]]

READERS = 4
READ_LIMIT_S = 10.0
APART_S = 60.0
"""What is written apart takes at most so long."""

_STEPS_BETWEEN_CLOCK_LOOKS = 10_000


class DatabaseInUse(CannotRun):
    """Another process owns the database file."""


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
        self._engine = writing_engine(path)
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_until_closed, name=f"{path.name}-writer", daemon=True)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix=f"{path.name}-reader")
        self._local = threading.local()
        self._reading: list[Connection] = []
        self._process: WriterProcess | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def engine(self) -> Engine:
        """For migrations, before `start`."""
        return self._engine

    def start(self) -> None:
        """Starts the writer thread. Migrations have run by now."""
        self._writer.start()

    @property
    def writes_apart(self) -> bool:
        """True while there is a process for `write_apart`."""
        return self._process is not None and self._process.is_ready

    def start_process(self, modules: Sequence[str], longest_s: float = APART_S) -> None:
        """Starts a process for `write_apart`, with the modules of what it will be asked; until it is ready, and where it died, the thread does its work. One that has not answered within `longest_s` seconds is replaced. After `start`."""
        self._process = WriterProcess(self._path, self._lock.fileno(), modules, longest_s)
        self._keeping = asyncio.create_task(self._process.run())

    async def write(self, function: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs a store function in a transaction of its own and answers when it is durable.

        What the function raises is raised here and nothing of it is stored. Raises Trouble when the database failed.
        """
        request = Request(lambda connection: function(connection, *args, **kwargs))
        self._requests.put(request)
        result: R = await asyncio.wrap_future(request.done)
        return result

    async def write_apart(
        self, function: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """As `Database.write_apart`."""
        if self._process is None or not self._process.is_ready:
            return await self.write(function, *args, **kwargs)
        return await self._process.write(function, *args, **kwargs)

    async def read(self, function: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs a store function on a snapshot, for at most 10 s. Raises Trouble when the database failed or time ran out."""
        return await asyncio.get_running_loop().run_in_executor(
            self._readers, self._read, lambda connection: function(connection, *args, **kwargs)
        )

    async def stop(self) -> None:
        """As `close`."""
        if self._process is not None and self._keeping is not None:
            await self._process.finish()
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
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
        raw = raw_of(connection)
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
        waiting: deque[Request] = deque()
        closing = False
        with self._engine.connect() as connection:
            while waiting or not closing:
                closing = self._gather(waiting, closing)
                if waiting:
                    with nullcontext() if self._process is None else turn(self._lock.fileno()):
                        commit_group(connection, waiting)

    def _gather(self, waiting: deque[Request], closing: bool) -> bool:
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
