"""Which database a service stands on: a file of its own, or its schema in a PostgreSQL that replicas share."""

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from sqlalchemy.exc import OperationalError

from services.shared.db.database import Database
from services.shared.db.engine import Functions, SqliteDatabase
from services.shared.db.migrate import check_up_to_date, migrate
from services.shared.db.postgres import PostgresDatabase
from services.shared.errors import CannotRun
from services.shared.settings import DatabaseSettings


async def open_database(
    settings: DatabaseSettings,
    name: str,
    migrations: Path,
    functions: Functions = MappingProxyType({}),
    apart: Sequence[str] = (),
) -> Database:
    """The service's database, brought to the newest schema. `apart` are the modules of what will be written apart, if anything is. Raises CannotRun when it cannot be had."""
    if settings.database_url is not None:
        shared = PostgresDatabase(settings.database_url.get_secret_value(), name)
        try:
            await (shared.migrate if settings.migrate_at_start else shared.check_up_to_date)(migrations)
        except BaseException:
            await shared.stop()
            raise
        return shared
    own = SqliteDatabase(settings.data_dir / f"{name}.db", functions)
    try:
        if settings.migrate_at_start:
            migrate(own.engine, migrations)
        else:
            with own.engine.connect() as connection:
                check_up_to_date(connection, migrations)
        own.start()
        if apart:
            own.start_process(apart)
    except OperationalError as error:
        own.close()
        # A full disk, most of all. A migration is there whole or not at all: the next start begins where this one did.
        raise CannotRun(f"{settings.data_dir / name}.db cannot be used: {error.orig}") from error
    except BaseException:
        own.close()
        raise
    return own
