"""Column types that every service's tables share."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import BigInteger, Connection, Dialect, Index, Integer, Table, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

from services.shared.clock import EPOCH

_MICROSECOND = timedelta(microseconds=1)

BIG_ID = BigInteger().with_variant(Integer(), "sqlite")
"""An int64 key. SQLite numbers rows by itself only when the column is spelled INTEGER."""


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime, stored as whole microseconds since 1970 so that it compares and sorts the same on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """To the database."""
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        return None if value is None else from_microseconds(value)


def to_microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970. Exact, unlike `timestamp()`."""
    return (moment - EPOCH) // _MICROSECOND


def from_microseconds(number: int) -> datetime:
    """The moment so many microseconds after 1970 began."""
    return EPOCH + timedelta(microseconds=number)


def table_of(row: type[SQLModel]) -> Table:
    """The table behind a row class, for statements."""
    return cast(Table, vars(row)["__table__"])


def index_where(condition: str, name: str, *columns: str) -> Index:
    """An index of the rows that a condition holds for, on both databases."""
    return Index(name, *columns, sqlite_where=text(condition), postgresql_where=text(condition))


def insert_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> int:
    """Inserts the rows whose key is not there yet; answers how many were."""
    if not rows:
        return 0
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return connection.execute(insert(table).on_conflict_do_nothing(), list(rows)).rowcount
