"""Filters and sorting as SQL. What no SQL says alike on every database: `like` by case, RE2 patterns, the order of texts and of nulls.

On SQLite the first two are functions of our own, registered with the engine. PostgreSQL has no such, and its own patterns are another syntax: there a pattern is
tried on the different values that the column has among what else is asked for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    any_,
    collate,
    false,
    func,
    literal,
    or_,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from services.intake.filters import Comparison, Filter, Group, ListQuery, Operator
from services.shared.db.dialects import is_postgresql
from services.shared.errors import Mnemonic, Path, Refusal

Columns = Mapping[str, ColumnElement[Any]]

_COMPARE: Mapping[Operator, Callable[[ColumnElement[Any], Any], ColumnElement[bool]]] = {
    Operator.EQUAL: lambda column, value: column.is_not_distinct_from(value),
    Operator.NOT_EQUAL: lambda column, value: column.is_distinct_from(value),
    Operator.LESS: lambda column, value: column < value,
    Operator.MORE: lambda column, value: column > value,
    Operator.AT_MOST: lambda column, value: column <= value,
    Operator.AT_LEAST: lambda column, value: column >= value,
}


@dataclass(frozen=True, slots=True)
class Search:
    """Rows of an account that a list's query is asked about: the selection without it, and the columns by the names of their fields."""

    connection: Connection
    wanted: "Select[Any]"
    columns: Columns

    def filtered(self, query: ListQuery) -> "Select[Any]":
        """The selection with the query's filter. Raises Refusal for a pattern that is none."""
        return self.wanted if query.filter is None else self.wanted.where(self._condition(query.filter))

    def page(self, matching: "Select[Any]", query: ListQuery, key: ColumnElement[Any]) -> "Select[Any]":
        """What matches in the query's order, cut to its page. `key` settles what the order leaves open, so that pages fit together."""
        order = []
        for each in query.sort:
            column = self._ordered(self.columns[each.field])
            order.append(column.desc().nulls_last() if each.is_descending else column.asc().nulls_first())
        return matching.order_by(*order, key.asc()).limit(query.limit).offset(query.offset)

    def _condition(self, filter_: Filter) -> ColumnElement[bool]:
        if isinstance(filter_, Group):
            inner = [self._condition(each) for each in filter_.filters]
            return and_(true(), *inner) if filter_.is_all else or_(false(), *inner)
        return self._comparison(filter_, self.columns[filter_.field])

    def _comparison(self, comparison: Comparison, column: ColumnElement[Any]) -> ColumnElement[bool]:
        value = comparison.value
        if isinstance(value, tuple):
            some = [each for each in value if each is not None]
            found = column.in_(some)
            return or_(found, column.is_(None)) if len(some) < len(value) else found
        if comparison.operator is Operator.REGEXP:
            check_pattern(str(value), comparison.path)
            return self._matches(column, str(value))
        if comparison.operator is Operator.LIKE:
            return self._is_like(column, str(value))
        return _COMPARE[comparison.operator](self._ordered(column), value)

    def _matches(self, column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
        if not is_postgresql(self.connection):
            return func.calldock_regexp(pattern, column) == 1
        values = self.connection.execute(self.wanted.with_only_columns(column).distinct()).scalars()
        matching = [value for value in values if sql_regexp(pattern, value)]
        # As one value: a statement has no room for as many as there may be.
        return column == any_(literal(matching, ARRAY(String)))

    def _is_like(self, column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
        if not is_postgresql(self.connection):
            return func.calldock_like(pattern, column) == 1
        plain = pattern.replace("\\", "\\\\").replace("_", "\\_")
        return column.like(plain)

    def _ordered(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Texts stand in the order of their code points, whatever the language of the database."""
        is_text = isinstance(column.type, String)
        return collate(column, "C") if is_text and is_postgresql(self.connection) else column


def sql_like(pattern: str, value: object) -> bool:
    """`like`: `%` stands for any characters, everything else for itself, by case. Not RE2 but plain searching, so no pattern is slow."""
    if value is None:
        return False
    text, parts = str(value), pattern.split("%")
    if len(parts) == 1:
        return text == pattern
    if not text.startswith(parts[0]) or not text[len(parts[0]) :].endswith(parts[-1]):
        return False
    at, end = len(parts[0]), len(text) - len(parts[-1])
    for part in parts[1:-1]:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return at <= end


def sql_regexp(pattern: str, value: object) -> bool:
    """`regexp`: RE2 syntax, found anywhere in the value, in time linear in its length."""
    return value is not None and _compiled(pattern).search(str(value)) is not None


FUNCTIONS = {"calldock_like": (2, sql_like), "calldock_regexp": (2, sql_regexp)}


def check_pattern(pattern: str, path: Path) -> None:
    """Raises Refusal for what is no pattern in RE2 syntax."""
    try:
        _compiled(pattern)
    except re2.error as error:
        why = "not a pattern in RE2 syntax"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=path, value=pattern, why=why) from error


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    return re2.compile(pattern, options)
