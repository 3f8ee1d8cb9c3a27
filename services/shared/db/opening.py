"""Which database a service stands on: a file of its own, or its schema in a PostgreSQL that replicas share."""

from pathlib import Path
from types import MappingProxyType

from services.shared.db.database import Database
from services.shared.db.engine import Functions, SqliteDatabase
from services.shared.db.migrate import migrate
from services.shared.db.postgres import PostgresDatabase
from services.shared.settings import DatabaseSettings


async def open_database(
    settings: DatabaseSettings, name: str, migrations: Path, functions: Functions = MappingProxyType({})
) -> Database:
    """The service's database, brought to the newest schema. Raises CannotRun when it cannot be had."""
    if settings.database_url is not None:
        shared = PostgresDatabase(settings.database_url.get_secret_value(), name)
        try:
            await shared.migrate(migrations)
        except BaseException:
            await shared.stop()
            raise
        return shared
    own = SqliteDatabase(settings.data_dir / f"{name}.db", functions)
    try:
        migrate(own.engine, migrations)
        own.start()
    except BaseException:
        own.close()
        raise
    return own
