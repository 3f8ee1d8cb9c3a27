"""Looking at a database that others own, without changing it: whether its schema is the newest."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from services.shared.db.migrate import pending
from services.shared.errors import CannotRun


def pending_in_file(path: Path, folder: Path) -> Sequence[str]:
    """As `migrate.pending` of a SQLite file, whoever runs on it meanwhile. Raises CannotRun when it cannot be read."""
    # Not mode=ro: the last to close such a connection leaves a log beside the file that may be another user's (docs/decisions/0015-backups-read-beside-the-owner.md).
    url = URL.create("sqlite", database=f"file:{quote(str(path))}", query={"mode": "rw", "uri": "true"})
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"timeout": 5})
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only=ON")
            return pending(connection, folder)
    except DBAPIError as error:
        raise CannotRun(f"{path} cannot be read: {error.orig}") from error
