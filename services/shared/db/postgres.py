"""PostgreSQL, shared by replicas: a pool of connections, a transaction for each store function, conflicts tried again."""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import asyncpg  # type: ignore[import-untyped]
import structlog
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.shared.backoff import exponential, jittered
from services.shared.db.migrate import check_up_to_date, pending, upgrade
from services.shared.errors import CannotRun, Trouble

log = structlog.get_logger()

P = ParamSpec("P")
R = TypeVar("R")

CONNECTIONS = 10
READ_LIMIT_S = 10.0
WRITE_LIMIT_S = 30.0
TRIES = 8
"""Of a transaction that met another one. Each time one of them gets through."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(milliseconds=5), timedelta(milliseconds=200)
CONFLICTS = frozenset({"40001", "40P01"})
"""serialization_failure, deadlock_detected (PostgreSQL, appendix A)."""
_WORLD = ("08", "53", "55", "57", "58")
"""Classes of errors that time may mend: connection, resources, objects in use, intervention, system."""
_MIGRATING = 7_307_004_001


class PostgresDatabase:
    """One schema of a PostgreSQL database."""

    is_shared = True

    def __init__(self, url: str, schema: str, *, connections: int = CONNECTIONS) -> None:
        """`url` is `postgresql://user:password@host/database`. Raises CannotRun for one that cannot be read."""
        self._schema = schema
        self._connections = connections
        self._rng = random.Random()
        try:
            self._url = make_url(url).set(drivername="postgresql+asyncpg")
        except Exception as error:
            raise CannotRun("CALLDOCK_DATABASE_URL is no address of a database") from error
        self._engine = self._opened()

    async def migrate(self, folder: Path) -> None:
        """Brings the schema to the newest migrations, one process at a time. Raises CannotRun when the database does not answer."""

        def bring_up(connection: Connection) -> None:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{self._schema}"'))
            upgrade(connection, folder)

        await self._run(bring_up)

    async def check_up_to_date(self, folder: Path) -> None:
        """Raises MigrationsPending when the schema is older than the migrations; CannotRun when the database does not answer. Changes nothing."""
        await self._run(lambda connection: check_up_to_date(connection, folder))

    async def pending(self, folder: Path) -> Sequence[str]:
        """As `migrate.pending`. Raises CannotRun when the database does not answer."""
        return await self._run(lambda connection: pending(connection, folder))

    async def _run(self, work: Callable[[Connection], R]) -> R:
        try:
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)
        except (DBAPIError, OSError) as error:
            raise CannotRun(f"the database cannot be used: {_cause(error)}") from error

    async def write(self, function: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """As `Database.write`. Runs again what met a conflict."""
        for tries in range(1, TRIES + 1):
            try:
                async with self._engine.begin() as connection:
                    return await connection.run_sync(lambda sync: function(sync, *args, **kwargs))
            except DBAPIError as error:
                if _state_of(error) in CONFLICTS and tries < TRIES:
                    pause = jittered(exponential(tries, FIRST_PAUSE, LONGEST_PAUSE), self._rng, share=1.0)
                    await asyncio.sleep(pause.total_seconds())
                    continue
                if not _is_of_the_world(error):
                    raise
                raise Trouble("the database failed a write") from error
            except (OSError, PoolTimeout) as error:
                raise Trouble("the database cannot be reached") from error
        raise AssertionError("the last try raises")

    async def write_apart(
        self, function: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """As `Database.write_apart`, in this process: the work of the database is another's anyway."""
        return await self.write(function, *args, **kwargs)

    async def read(self, function: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """As `Database.read`."""
        try:
            async with asyncio.timeout(READ_LIMIT_S), self._engine.connect() as connection:
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                return await connection.run_sync(lambda sync: function(sync, *args, **kwargs))
        except DBAPIError as error:
            if not _is_of_the_world(error):
                raise
            raise Trouble("the database failed a read") from error
        except (OSError, PoolTimeout, TimeoutError) as error:
            raise Trouble("the database failed a read") from error

    @property
    def channel(self) -> str:
        """Where processes of this schema tell each other of commits."""
        return f"calldock_{self._schema}"

    async def hear(self, heard: Callable[[str], None]) -> None:
        """Calls `heard` with each payload of the channel, over one of the connections, until that is lost. Raises Trouble when there is none to be had."""
        lost = asyncio.Event()
        try:
            async with self._engine.connect() as connection:
                listening: Any = (await connection.get_raw_connection()).driver_connection
                listening.add_termination_listener(lambda _: lost.set())
                try:
                    await listening.add_listener(self.channel, lambda _connection, _pid, _channel, told: heard(told))
                    await lost.wait()
                finally:
                    # With its listener it is of no use to anybody else.
                    await connection.invalidate()
        except (OSError, PoolTimeout, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Trouble("the database cannot be reached") from error

    async def stop(self) -> None:
        """Closes the connections."""
        await self._engine.dispose()

    def _opened(self) -> AsyncEngine:
        return create_async_engine(
            self._url,
            # One more, for who listens.
            pool_size=self._connections + 1,
            max_overflow=0,
            pool_timeout=READ_LIMIT_S,
            connect_args={
                "timeout": READ_LIMIT_S,
                "command_timeout": WRITE_LIMIT_S,
                "server_settings": {"search_path": self._schema, "application_name": f"calldock {self._schema}"},
            },
        )


def _state_of(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def _is_of_the_world(error: DBAPIError) -> bool:
    """The server, the network, the disk; a broken constraint or statement is a bug, and stays one."""
    state = _state_of(error)
    if state:
        return state.startswith(_WORLD) or state in CONFLICTS
    return error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))


def _cause(error: BaseException) -> str:
    inner: Any = getattr(error, "orig", None) or error
    return str(inner).splitlines()[0] if str(inner) else type(inner).__name__
