"""Many rows into a table by few statements.

PostgreSQL takes a column as an array each, 42,000 rows a second where rows one by one took 19,000, and as one value when all rows have the same: an array of a call's
28 columns cost about a microsecond a row. SQLite takes the values of a hundred rows after each other: with
each step of a statement the interpreter's lock is given away and has to be won back from a busy event loop.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import Column, Connection, Dialect, Table

from services.shared.db.dialects import is_postgresql, run_on_sqlite

SAME_FROM = 50
"""Rows from which on it pays to look for columns with one value: which they are makes the statement, and a new one has to be prepared."""
SQLITE_ROWS = 100
"""Within SQLite's 32,766 values a statement for every table; each number of rows has a statement of its own, which is kept."""


class Bulk:
    """Inserts rows of the same columns. Values are as the database keeps them: moments as microseconds, words as text."""

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self._table = table
        self.names = tuple(names)

    def insert(self, connection: Connection, rows: Sequence[Sequence[object]]) -> None:
        """Inserts rows, each with a value for every name."""
        if not rows:
            return
        if is_postgresql(connection):
            connection.exec_driver_sql(*self._of_columns(connection, rows))
            return
        for some in _some(rows):
            run_on_sqlite(connection, self._of_rows(len(some)), tuple(chain.from_iterable(some)))

    def insert_numbered(self, connection: Connection, rows: Sequence[Sequence[object]], key: str) -> dict[Any, int]:
        """As `insert`, into a table whose rows the database numbers; answers their numbers by their value in the column `key`."""
        numbers: dict[Any, int] = {}
        if not rows:
            return numbers
        if is_postgresql(connection):
            (numbered,) = self._table.primary_key.columns
            statement, values = self._of_columns(connection, rows)
            made = connection.exec_driver_sql(f"{statement} RETURNING {key}, {numbered.name}", values)
            return {row[0]: row[1] for row in made}
        place = self.names.index(key)
        for some in _some(rows):
            inserted = run_on_sqlite(connection, self._of_rows(len(some)), tuple(chain.from_iterable(some)))
            # Rows get the numbers after the highest one, in their order (sqlite.org/autoinc.html), and nobody else writes.
            last = inserted.lastrowid or 0
            numbers.update(zip((row[place] for row in some), range(last - len(some) + 1, last + 1), strict=True))
        return numbers

    def _of_columns(self, connection: Connection, rows: Sequence[Sequence[object]]) -> tuple[str, tuple[object, ...]]:
        """The statement and its values."""
        columns = list(map(list, zip(*rows, strict=True)))
        same = [len(rows) >= SAME_FROM and column.count(column[0]) == len(rows) for column in columns]
        if all(same):
            same[0] = False
        statement = _of_columns(self._table, self.names, tuple(same), connection.dialect)
        return statement, tuple(column[0] if is_same else column for column, is_same in zip(columns, same, strict=True))

    def _of_rows(self, count: int) -> str:
        return _of_rows(self._table.name, self.names, count)


def insert_all(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Inserts rows, all of the same columns, none of JSON."""
    if not rows:
        return
    names = tuple(rows[0])
    columns = [_kept([row[name] for row in rows], table.c[name], connection.dialect) for name in names]
    Bulk(table, names).insert(connection, list(zip(*columns, strict=True)))


def _kept(values: list[Any], column: "Column[Any]", dialect: Dialect) -> list[Any]:
    """The values of a column as the database keeps them."""
    convert: Callable[[Any], Any] | None = column.type.dialect_impl(dialect).bind_processor(dialect)
    if convert is None:
        return values
    first = values[0]
    if all(value is first for value in values):
        return [convert(first)] * len(values)
    return list(map(convert, values))


def _some(rows: Sequence[Sequence[object]]) -> list[Sequence[Sequence[object]]]:
    return [rows[start : start + SQLITE_ROWS] for start in range(0, len(rows), SQLITE_ROWS)]


@lru_cache(maxsize=256)
def _of_columns(table: Table, names: tuple[str, ...], same: tuple[bool, ...], dialect: Dialect) -> str:
    """An insert of arrays, and of one value for each of the columns that have the `same` in all rows."""
    arrays, selected = [], []
    for place, (name, is_same) in enumerate(zip(names, same, strict=True), start=1):
        kind = table.c[name].type.compile(dialect)
        selected.append(f"${place}::{kind}" if is_same else f"e.{name}")
        if not is_same:
            arrays.append((name, f"${place}::{kind}[]"))
    unnested = f"unnest({', '.join(array for _, array in arrays)}) AS e({', '.join(name for name, _ in arrays)})"
    return f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {', '.join(selected)} FROM {unnested}"  # noqa: S608


@lru_cache(maxsize=1024)
def _of_rows(table_name: str, names: tuple[str, ...], count: int) -> str:
    row = f"({', '.join('?' * len(names))})"
    return f"INSERT INTO {table_name} ({', '.join(names)}) VALUES {', '.join([row] * count)}"  # noqa: S608
