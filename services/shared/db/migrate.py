"""Brings a database to the newest schema, by Alembic. A schema that is ahead of this code is left as it is: a release only adds to what the one before it knows."""

from collections.abc import Sequence
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from services.shared.errors import CannotRun

log = structlog.get_logger()

LOCK_WAIT = "5s"
"""So long a migration waits for a table on PostgreSQL: whoever wants it later queues behind, and must not for longer."""


class MigrationsPending(CannotRun):
    """The schema is older than this code, and a start was told not to change it."""


def migrate(engine: Engine, folder: Path) -> None:
    """Runs the migrations in `folder` that the database has not seen yet, all in one transaction: a process that dies on the way leaves the old schema."""
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        upgrade(connection, folder)
        connection.exec_driver_sql("COMMIT")


def upgrade(connection: Connection, folder: Path) -> None:
    """Runs what is pending within the connection's transaction. Raises CannotRun for a schema that is none of ours."""
    if not pending(connection, folder):
        return
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'"))
    config = _config(folder)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def check_up_to_date(connection: Connection, folder: Path) -> None:
    """Raises MigrationsPending when the schema is older than this code."""
    if waiting := pending(connection, folder):
        raise MigrationsPending(
            f"{len(waiting)} migrations are pending, the first is {waiting[0]}: run `calldock migrate`, or set CALLDOCK_MIGRATE_AT_START=true"
        )


def pending(connection: Connection, folder: Path) -> Sequence[str]:
    """Number and words of each migration that the database has not seen, in order; none for a schema that is ahead. Raises CannotRun for one that is none of ours."""
    scripts = ScriptDirectory.from_config(_config(folder))
    known = [script.revision for script in scripts.walk_revisions()][::-1]
    seen = MigrationContext.configure(connection).get_current_revision()
    if seen is not None and seen not in known:
        if not seen.isdigit() or seen < known[-1]:
            raise CannotRun(f"the database has a schema {seen} that is none of calldock's")
        log.warning("schema.ahead", schema=seen, known=known[-1])
        return ()
    begun = known.index(seen) + 1 if seen is not None else 0
    return [f"{number} {scripts.get_revision(number).doc}" for number in known[begun:]]


def _config(folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder))
    return config
