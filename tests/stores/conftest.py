"""Databases of their own for the tests of the stores, of both kinds: SQLite, and PostgreSQL from the installed binaries."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import Connection, text

from services.intake.server import MIGRATIONS as INTAKE_MIGRATIONS
from services.intake.store.filtering import FUNCTIONS
from services.notify.server import MIGRATIONS as NOTIFY_MIGRATIONS
from services.shared.db.database import Database
from services.shared.db.engine import SqliteDatabase
from services.shared.db.migrate import migrate
from services.shared.db.postgres import PostgresDatabase
from tests.support.postgres import cluster

_migrated_schemas: set[tuple[str, str]] = set()
"""Address and name of what tests of this run have migrated."""

on_both = pytest.fixture(params=["sqlite", "postgresql"])


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A database of a cluster that need not survive the machine."""
    with cluster("fsync=off", "full_page_writes=off", "max_connections=60") as running:
        yield running.create("stores")


@on_both
async def intake_db(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async for db in _database(request, tmp_path, "intake", INTAKE_MIGRATIONS):
        yield db


@on_both
async def notify_db(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async for db in _database(request, tmp_path, "notify", NOTIFY_MIGRATIONS):
        yield db


@pytest.fixture
def notify_sqlite(tmp_path: Path) -> Iterator[SqliteDatabase]:
    with _sqlite(tmp_path / "notify.db", NOTIFY_MIGRATIONS) as db:
        yield db


async def _database(
    request: pytest.FixtureRequest, folder: Path, name: str, migrations: Path
) -> AsyncIterator[Database]:
    if request.param == "sqlite":
        with _sqlite(folder / f"{name}.db", migrations) as sqlite:
            yield sqlite
        return
    async with a_postgres(request.getfixturevalue("postgres_url"), name, migrations) as postgres:
        yield postgres


@asynccontextmanager
async def a_postgres(url: str, name: str, migrations: Path) -> AsyncIterator[PostgresDatabase]:
    """A schema that is empty, as far as the migrations go."""
    db = PostgresDatabase(url, name)
    if (url, name) not in _migrated_schemas:
        await db.migrate(migrations)
        _migrated_schemas.add((url, name))
    await db.write(_empty, name)
    yield db
    await db.stop()


@contextmanager
def _sqlite(path: Path, migrations: Path) -> Iterator[SqliteDatabase]:
    path.write_bytes(_migrated_file(migrations))
    db = SqliteDatabase(path, FUNCTIONS)
    db.start()
    yield db
    db.close()


@cache
def _migrated_file(migrations: Path) -> bytes:
    """A database file that is empty, as far as the migrations go: made once, as each test would make it."""
    with TemporaryDirectory() as folder:
        db = SqliteDatabase(Path(folder) / "empty.db")
        migrate(db.engine, migrations)
        db.close()
        return (Path(folder) / "empty.db").read_bytes()


def _empty(connection: Connection, schema: str) -> None:
    """The tables of the test before stay, and those that it left empty are not made anew. Numbers begin again."""
    found = connection.execute(
        text("SELECT tablename FROM pg_tables WHERE schemaname = :schema AND tablename NOT LIKE 'alembic%'"),
        {"schema": schema},
    ).scalars()
    has_rows = " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in found)
    if full := connection.execute(text(has_rows)).scalars().all():
        connection.execute(text(f"TRUNCATE {', '.join(full)} CASCADE"))
    connection.execute(
        text(
            "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)"
            " FROM pg_sequences WHERE schemaname = :schema"
        ),
        {"schema": schema},
    )
