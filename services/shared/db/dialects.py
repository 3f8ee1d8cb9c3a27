"""Statements that both databases understand, written once.

Many rows go into a hot statement as one JSON text. SQLite: each step of a statement gives the interpreter's lock away and has to win it back from a busy event
loop, which cost more than the statement itself. PostgreSQL: one round trip, one plan.
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, CursorResult, TextClause, text

from services.shared.db.tables import to_microseconds

_EACH = re.compile(r"\bEACH\((:\w+)\) AS (\w+)")
_FIELD = re.compile(r"\b(\w+)\[(\d+)\]::(\w+)")
_SCALAR = re.compile(r"\b(\w+)\[\]::(\w+)")
_PLACE = re.compile(r"\b(\w+)\[#\]")
_ROWS = re.compile(r"\bROWS\(((?:[^()]|\([^()]*\))*)\)")
_HINT = re.compile(r" INDEXED BY \w+")
_LOCKS = re.compile(r" LOCKED\((\w+)(, free)?\)")


class Sql:
    """One statement for both databases.

    `EACH(:rows) AS r` stands for the rows of a JSON text, `r[0]::bigint` for a value of one, `r[]::bigint` for one that is a value itself, `r[#]` for its place, from 0 on;
    `ROWS(a, b)` makes all rows one JSON text for `read_rows`. `INDEXED BY` is for SQLite, whose planner reads whole tables without. `LOCKED(w)` locks the found rows of
    `w` until the end of the transaction, `LOCKED(w, free)` those that nobody else has locked; SQLite has one writer and no need of it.
    """

    def __init__(self, statement: str, *, postgresql: str = "") -> None:
        """`postgresql` is a statement of its own for that database."""
        self._sqlite = text(_for_sqlite(statement))
        self._postgresql = text(_for_postgresql(postgresql or statement))

    def on(self, connection: Connection) -> TextClause:
        """The statement as the connection's database has it."""
        return self._postgresql if is_postgresql(connection) else self._sqlite


def is_postgresql(connection: Connection) -> bool:
    """True for PostgreSQL, False for SQLite."""
    return connection.dialect.name == "postgresql"


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
