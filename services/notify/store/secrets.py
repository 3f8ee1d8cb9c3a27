"""Signing secrets, sealed."""

from datetime import datetime

from sqlalchemy import Connection, select

from services.notify.store.tables import SecretRow
from services.shared.db.tables import insert_missing, table_of

_secrets = table_of(SecretRow)


def ensure_secret(connection: Connection, account_id: int, sealed: str, now: datetime) -> str:
    """The account's sealed secret: the one that is there, or else this one."""
    insert_missing(connection, _secrets, [{"account_id": account_id, "sealed": sealed, "create_time": now}])
    kept: str = connection.execute(select(_secrets.c.sealed).where(_secrets.c.account_id == account_id)).scalar_one()
    return kept


def any_secret(connection: Connection) -> tuple[int, str] | None:
    """An account and its sealed secret; None when there is none yet."""
    row = connection.execute(select(_secrets.c.account_id, _secrets.c.sealed).limit(1)).first()
    return None if row is None else (row.account_id, row.sealed)


def find_secret(connection: Connection, account_id: int) -> str | None:
    """The account's sealed secret; None when it has none yet."""
    found: str | None = connection.execute(
        select(_secrets.c.sealed).where(_secrets.c.account_id == account_id)
    ).scalar()
    return found
