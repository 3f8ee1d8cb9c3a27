"""Databases of their own for the tests of the stores."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.intake.server import MIGRATIONS as INTAKE_MIGRATIONS
from services.intake.store.filtering import FUNCTIONS
from services.notify.server import MIGRATIONS as NOTIFY_MIGRATIONS
from services.shared.db.engine import SqliteDatabase
from services.shared.db.migrate import migrate


@pytest.fixture
def intake_db(tmp_path: Path) -> Iterator[SqliteDatabase]:
    yield from _database(tmp_path / "intake.db", INTAKE_MIGRATIONS)


@pytest.fixture
def notify_db(tmp_path: Path) -> Iterator[SqliteDatabase]:
    yield from _database(tmp_path / "notify.db", NOTIFY_MIGRATIONS)


def _database(path: Path, migrations: Path) -> Iterator[SqliteDatabase]:
    db = SqliteDatabase(path, FUNCTIONS)
    migrate(db.engine, migrations)
    db.start()
    yield db
    db.close()
