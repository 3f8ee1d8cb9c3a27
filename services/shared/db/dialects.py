"""Statements that both databases understand, written once.

Many rows go into a hot statement as one JSON text. SQLite: each step of a statement gives the interpreter's lock away and has to win it back from a busy event
loop, which cost more than the statement itself. PostgreSQL: one round trip, one plan.
"""

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, TextClause, text
from sqlalchemy.exc import DBAPIError

from services.shared.db.tables import to_microseconds

_EACH = re.compile(r"\bEACH\((:\w+)\) AS (\w+)")
_FIELD = re.compile(r"\b(\w+)\[(\d+)\]::(\w+)")
_SCALAR = re.compile(r"\b(\w+)\[\]::(\w+)")
_PLACE = re.compile(r"\b(\w+)\[#\]")
_ROWS = re.compile(r"\bROWS\(((?:[^()]|\([^()]*\))*)\)")
_HINT = re.compile(r" INDEXED BY \w+")
_LOCKS = re.compile(r" LOCKED\((\w+)(, free)?\)")
_NAMED = re.compile(r"(?<!:):(\w+)")


class Sql:
    """One statement for both databases.

    `EACH(:rows) AS r` stands for the rows of a JSON text, `r[0]::bigint` for a value of one, `r[]::bigint` for one that is a value itself, `r[#]` for its place, from 0 on;
    `ROWS(a, b)` makes all rows one JSON text for `read_rows`. `INDEXED BY` is for SQLite, whose planner reads whole tables without. `LOCKED(w)` locks the found rows of
    `w` until the end of the transaction, `LOCKED(w, free)` those that nobody else has locked; SQLite has one writer and no need of it.
    """

    def __init__(self, statement: str, *, postgresql: str = "") -> None:
        """`postgresql` is a statement of its own for that database."""
        self._named = _for_sqlite(statement)
        self._sqlite = text(self._named)
        named = _for_postgresql(postgresql or statement)
        self._postgresql = text(named)
        self._names = tuple(dict.fromkeys(_NAMED.findall(named)))
        places = {name: f"${place}" for place, name in enumerate(self._names, start=1)}
        self._numbered = _NAMED.sub(lambda found: places[found[1]], named)

    def on(self, connection: Connection) -> TextClause:
        """The statement as the connection's database has it."""
        return self._postgresql if is_postgresql(connection) else self._sqlite

    def rows(self, connection: Connection, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Runs the statement for its rows, as the driver has them. On SQLite a fifteenth of what `Connection.execute` costs."""
        if is_postgresql(connection):
            return [tuple(row) for row in connection.exec_driver_sql(self._numbered, self._listed(values))]
        return run_on_sqlite(connection, self._named, values).fetchall()

    def change(self, connection: Connection, values: Mapping[str, object]) -> int:
        """Runs the statement, as `rows`; answers how many rows it changed."""
        if is_postgresql(connection):
            return connection.exec_driver_sql(self._numbered, self._listed(values)).rowcount
        return run_on_sqlite(connection, self._named, values).rowcount

    def change_each(self, connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
        """Runs the statement for each of the rows."""
        if is_postgresql(connection):
            # Several go together over the wire.
            if rows:
                connection.exec_driver_sql(self._numbered, list(map(self._listed, rows)))
            return
        for values in rows:
            run_on_sqlite(connection, self._named, values)

    def _listed(self, values: Mapping[str, object]) -> tuple[object, ...]:
        return tuple(values[name] for name in self._names)


def is_postgresql(connection: Connection) -> bool:
    """True for PostgreSQL, False for SQLite."""
    return connection.dialect.name == "postgresql"


def run_on_sqlite(
    connection: Connection, statement: str, values: Mapping[str, object] | Sequence[object] = ()
) -> sqlite3.Cursor:
    """Runs a statement by the driver alone. Raises what `Connection.execute` would."""
    raw = cast(sqlite3.Connection, connection.connection.dbapi_connection)
    try:
        return raw.execute(statement, values)
    except sqlite3.Error as error:
        raise DBAPIError.instance(
            statement, None, error, sqlite3.Error, hide_parameters=True, dialect=connection.dialect
        ) from error


def rows_text(rows: Sequence[object]) -> str:
    """Rows as `EACH` takes them, sequences or single values; moments as microseconds."""
    return json.dumps(rows, default=_plain)


def read_rows(result: CursorResult[Any]) -> list[Any]:
    """The rows of a statement that answers them by `ROWS`, each a list."""
    rows: list[Any] = json.loads(result.scalar_one() or "[]")
    return rows


def _plain(value: object) -> int:
    if isinstance(value, datetime):
        return to_microseconds(value)
    raise TypeError(f"not a value of a row: {type(value)}")


def _for_sqlite(statement: str) -> str:
    statement = _EACH.sub(r"json_each(\1) AS \2", statement)
    statement = _FIELD.sub(r"json_extract(\1.value, '$[\2]')", statement)
    statement = _PLACE.sub(r"\1.key", _SCALAR.sub(r"\1.value", statement))
    statement = _ROWS.sub(r"json_group_array(json_array(\1))", statement)
    return _LOCKS.sub("", statement)


def _for_postgresql(statement: str) -> str:
    statement = _EACH.sub(r"json_array_elements(CAST(\1 AS json)) WITH ORDINALITY AS \2(value, place)", statement)
    statement = _SCALAR.sub(r"CAST(\1.value#>>'{{}}' AS \2)".replace("{{}}", "{}"), statement)
    statement = _PLACE.sub(r"(\1.place - 1)", statement)
    statement = _FIELD.sub(r"CAST(\1.value->>\2 AS \3)", statement)
    statement = _ROWS.sub(r"CAST(json_agg(json_build_array(\1)) AS text)", statement)
    statement = _LOCKS.sub(lambda lock: f" FOR UPDATE OF {lock[1]}" + " SKIP LOCKED" * bool(lock[2]), statement)
    return _HINT.sub("", statement)
