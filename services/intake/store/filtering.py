"""Filters and sorting as SQL. What no SQL says alike on every database (`like` by case, RE2 patterns) are functions of our own, registered with the engine."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import re2
from sqlalchemy import ColumnElement, Select, and_, false, func, or_, true

from services.intake.filters import Comparison, Filter, Group, ListQuery, Operator
from services.shared.errors import Mnemonic, Path, Refusal

Columns = Mapping[str, ColumnElement[Any]]

_COMPARE: Mapping[Operator, Callable[[ColumnElement[Any], Any], ColumnElement[bool]]] = {
    Operator.EQUAL: lambda column, value: column.is_not_distinct_from(value),
    Operator.NOT_EQUAL: lambda column, value: column.is_distinct_from(value),
    Operator.LESS: lambda column, value: column < value,
    Operator.MORE: lambda column, value: column > value,
    Operator.AT_MOST: lambda column, value: column <= value,
    Operator.AT_LEAST: lambda column, value: column >= value,
    Operator.LIKE: lambda column, value: func.calldock_like(value, column) == 1,
    Operator.REGEXP: lambda column, value: func.calldock_regexp(value, column) == 1,
}


def filtered(wanted: "Select[Any]", query: ListQuery, columns: Columns) -> "Select[Any]":
    """The selection with the query's filter. Raises Refusal for a pattern that is none."""
    return wanted if query.filter is None else wanted.where(condition(query.filter, columns))


def sorted_page(wanted: "Select[Any]", query: ListQuery, columns: Columns, key: ColumnElement[Any]) -> "Select[Any]":
    """The selection in the query's order, cut to its page. `key` settles what the order leaves open, so that pages fit together."""
    order = [columns[each.field].desc() if each.is_descending else columns[each.field].asc() for each in query.sort]
    return wanted.order_by(*order, key.asc()).limit(query.limit).offset(query.offset)


def condition(filter_: Filter, columns: Columns) -> ColumnElement[bool]:
    """One filter as SQL."""
    if isinstance(filter_, Group):
        inner = [condition(each, columns) for each in filter_.filters]
        return and_(true(), *inner) if filter_.is_all else or_(false(), *inner)
    return _comparison(filter_, columns[filter_.field])


def _comparison(comparison: Comparison, column: ColumnElement[Any]) -> ColumnElement[bool]:
    if isinstance(comparison.value, tuple):
        some = [value for value in comparison.value if value is not None]
        found = column.in_(some)
        return or_(found, column.is_(None)) if len(some) < len(comparison.value) else found
    if comparison.operator is Operator.REGEXP:
        _check_pattern(str(comparison.value), comparison.path)
    return _COMPARE[comparison.operator](column, comparison.value)


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


def _check_pattern(pattern: str, path: Path) -> None:
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
