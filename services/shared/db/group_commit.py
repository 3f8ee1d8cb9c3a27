"""Group commit on SQLite: what waits together is run in one transaction and answered when that is durable, so that one sync to disk is enough for all."""

import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from services.shared.db.dialects import run_on_sqlite
from services.shared.errors import Trouble

GROUP_LASTS_S = 0.05
"""A group takes no further request after this long: its first member waits for its last."""


@dataclass(slots=True, eq=False)
class Request:
    """A store function that is to be run in a transaction, and what becomes of it."""

    run: Callable[[Connection], Any]
    done: "Future[Any]" = field(default_factory=Future)


class _TransactionGone(Exception):
    """SQLite rolled the whole transaction back under a request (disk full, I/O error)."""


def writing_engine(path: Path) -> Engine:
    """Connections that write to a file, which is made when it is not there."""
    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool, isolation_level="AUTOCOMMIT")

    @event.listens_for(engine, "connect")
    def prepare(raw: sqlite3.Connection, _record: object) -> None:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        # What a savepoint keeps to go back to is a file of its own otherwise, made and deleted for each group.
        raw.execute("PRAGMA temp_store=MEMORY")
        raw.execute("PRAGMA busy_timeout=5000")

    return engine


def commit_group(connection: Connection, waiting: deque[Request]) -> None:
    """Takes the first requests, for as long as a group may last, runs them and commits them together; then each is done."""
    running: list[Request] = []
    answers: list[tuple[Request, Any, BaseException | None]] = []
    is_alone = len(waiting) == 1
    run = _run_alone if is_alone else _run_in_savepoint
    closes = monotonic() + GROUP_LASTS_S
    try:
        run_on_sqlite(connection, "BEGIN IMMEDIATE")
        while waiting and (not running or monotonic() < closes):
            request = waiting.popleft()
            if request.done.set_running_or_notify_cancel():
                running.append(request)
                answers.append((request, *run(connection, request)))
        if not (is_alone and any(failure for _, _, failure in answers)):
            run_on_sqlite(connection, "COMMIT")
    except (DBAPIError, _TransactionGone) as error:
        if raw_of(connection).in_transaction:
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


def raw_of(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection."""
    return cast(sqlite3.Connection, connection.connection.dbapi_connection)


def _run_alone(connection: Connection, request: Request) -> tuple[Any, BaseException | None]:
    return _run(connection, request, ("ROLLBACK",))


def _run_in_savepoint(connection: Connection, request: Request) -> tuple[Any, BaseException | None]:
    run_on_sqlite(connection, "SAVEPOINT request")
    value, failure = _run(connection, request, ("ROLLBACK TO request", "RELEASE request"))
    if failure is None:
        run_on_sqlite(connection, "RELEASE request")
    return value, failure


def _run(connection: Connection, request: Request, undo: tuple[str, ...]) -> tuple[Any, BaseException | None]:
    try:
        return request.run(connection), None
    except Exception as error:
        if not raw_of(connection).in_transaction:
            raise _TransactionGone from error
        for statement in undo:
            run_on_sqlite(connection, statement)
        # The disk, a lock, the file: the world. A broken constraint or statement is a bug, and stays one.
        return None, _trouble("the database failed a write", error) if isinstance(error, OperationalError) else error


def _trouble(told: str, cause: BaseException) -> Trouble:
    trouble = Trouble(told)
    trouble.__cause__ = cause
    return trouble
