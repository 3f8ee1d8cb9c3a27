"""Filters, sorting, fields and pages as the JSON-RPC door takes them (docs/contract.md 8): read once, into values that a store can apply."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum, auto
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from services.intake.json_drafts import whole
from services.intake.wall_time import BadTime, to_moment
from services.shared.errors import MISSING, Mnemonic, Path, Refusal

MAX_LIMIT = 10_000
MAX_OFFSET = 100_000
DEFAULT_LIMIT = 1000
MAX_DEPTH = 10
MAX_COMPARISONS = 100
MAX_VALUES = 1000
MAX_PATTERN = 256


class Kind(Enum):
    """What a field holds, which says what it may be compared with."""

    TEXT = auto()
    WHOLE = auto()
    SECONDS = auto()
    BOOLEAN = auto()
    TIME = auto()


class Operator(StrEnum):
    """How a field is compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    MORE = ">"
    AT_MOST = "<="
    AT_LEAST = ">="
    LIKE = "like"
    IN = "in"
    REGEXP = "regexp"


_ORDERING = frozenset({Operator.LESS, Operator.MORE, Operator.AT_MOST, Operator.AT_LEAST})
_TEXTUAL = frozenset({Operator.LIKE, Operator.REGEXP})

Value: TypeAlias = str | int | float | bool | datetime | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field against a value, or against several for `in`."""

    field: str
    operator: Operator
    value: Value | tuple[Value, ...]
    path: Path = dataclasses.field(default=(), compare=False)
    """Where its value stands in the request."""


@dataclass(frozen=True, slots=True)
class Group:
    """Several filters of which all (`and`) or one (`or`) must hold."""

    is_all: bool
    filters: tuple["Filter", ...]


Filter: TypeAlias = Comparison | Group


@dataclass(frozen=True, slots=True)
class SortKey:
    """A field to sort by."""

    field: str
    is_descending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFields:
    """What a list has: fields to filter and sort by, and all fields in their order with those that come by default."""

    kinds: Mapping[str, Kind]
    shown: Sequence[str]
    by_default: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """What is asked of a list."""

    filter: Filter | None
    sort: tuple[SortKey, ...]
    fields: tuple[str, ...]
    limit: int
    offset: int


def read_query(params: Mapping[str, Any], fields: ListFields, zone: ZoneInfo) -> ListQuery:
    """Reads limit, offset, filter, sort and fields. Raises Refusal for the first that is wrong."""
    return ListQuery(
        limit=read_whole(params, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT),
        offset=read_whole(params, "offset", 0, 0, MAX_OFFSET),
        filter=_Reader(fields, zone).read(params["filter"], ("filter",), 1)
        if params.get("filter") is not None
        else None,
        sort=_read_sort(params.get("sort"), fields),
        fields=_read_fields(params.get("fields"), fields),
    )


def read_whole(params: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    """A whole number of params, or its default."""
    value = params.get(name)
    if value is None:
        return default
    number = whole(value)
    if number is None:
        raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=(name,), value=value)
    if not least <= number <= most:
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=(name,), value=value, why=f"{least} to {most:,} are taken")
    return number


def read_moment(params: Mapping[str, Any], name: str, zone: ZoneInfo) -> datetime:
    """A required wall-clock time of params."""
    value = params.get(name)
    if value is None:
        raise Refusal(Mnemonic.REQUIRED_PARAMETER_MISSED, path=(name,))
    return _moment(value, (name,), zone)


class _Reader:
    """Reads one filter tree."""

    def __init__(self, fields: ListFields, zone: ZoneInfo) -> None:
        self._fields = fields
        self._zone = zone
        self._comparisons = 0

    def read(self, value: Any, path: Path, depth: int) -> Filter:
        if not isinstance(value, dict):
            raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=path, value=value)
        if depth > MAX_DEPTH:
            raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=path, why=f"nested deeper than {MAX_DEPTH} levels")
        return self._group(value, path, depth) if "filters" in value else self._comparison(value, path)

    def _group(self, value: Mapping[str, Any], path: Path, depth: int) -> Group:
        _only(value, ("filters", "condition"), path)
        inner = value["filters"]
        if not isinstance(inner, list):
            raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=(*path, "filters"), value=inner)
        condition = "and" if value.get("condition") is None else value["condition"]
        if condition not in ("and", "or"):
            mnemonic = Mnemonic.INVALID_PARAMETER_VALUE if isinstance(condition, str) else Mnemonic.DATA_TYPE_ERROR
            raise Refusal(mnemonic, path=(*path, "condition"), value=condition)
        filters = tuple(self.read(each, (*path, "filters", place), depth + 1) for place, each in enumerate(inner))
        return Group(condition == "and", filters)

    def _comparison(self, value: Mapping[str, Any], path: Path) -> Comparison:
        _only(value, ("field", "operator", "value"), path)
        self._comparisons += 1
        if self._comparisons > MAX_COMPARISONS:
            raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=path, why=f"more than {MAX_COMPARISONS} comparisons")
        name = _word(value, "field", path)
        if name not in self._fields.kinds:
            prohibited = name in self._fields.shown
            mnemonic = Mnemonic.FILTER_PROHIBITED if prohibited else Mnemonic.INVALID_PARAMETER_VALUE
            raise Refusal(mnemonic, path=(*path, "field"), value=name)
        try:
            operator = Operator(_word(value, "operator", path))
        except ValueError:
            raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=(*path, "operator"), value=value["operator"]) from None
        return Comparison(name, operator, self._value(name, operator, value.get("value"), path), (*path, "value"))

    def _value(self, name: str, operator: Operator, value: Any, path: Path) -> Value | tuple[Value, ...]:
        kind = self._fields.kinds[name]
        at = (*path, "value")
        fits = not (operator in _TEXTUAL and kind is not Kind.TEXT) and not (
            operator in _ORDERING and kind is Kind.BOOLEAN
        )
        if not fits or (value is None and operator not in (Operator.EQUAL, Operator.NOT_EQUAL)):
            why = f"{operator} does not go with {name}" if not fits else f"{operator} needs a value"
            raise Refusal(Mnemonic.INVALID_PARAMETERS_COMBINATION, path=at, value=value, why=why)
        if operator is not Operator.IN:
            return self._one(kind, operator, value, at)
        if not isinstance(value, list):
            raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=at, value=value)
        if len(value) > MAX_VALUES:
            raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=at, why=f"more than {MAX_VALUES:,} values")
        return tuple(self._one(kind, operator, each, (*at, place)) for place, each in enumerate(value))

    def _one(self, kind: Kind, operator: Operator, value: Any, path: Path) -> Value:
        if value is None:
            return None
        if kind is Kind.TIME:
            return _moment(value, path, self._zone)
        read: Value = None
        if (kind is Kind.TEXT and isinstance(value, str)) or (kind is Kind.BOOLEAN and isinstance(value, bool)):
            read = value
        elif kind is Kind.WHOLE:
            read = whole(value)
        elif kind is Kind.SECONDS and isinstance(value, int | float) and not isinstance(value, bool):
            read = value
        if read is None:
            raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=path, value=value)
        if operator is Operator.REGEXP and len(str(read)) > MAX_PATTERN:
            why = f"a pattern has at most {MAX_PATTERN} characters"
            raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=path, value=value, why=why)
        return read


def _read_sort(value: Any, fields: ListFields) -> tuple[SortKey, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=("sort",), value=value)
    keys = []
    for place, each in enumerate(value[:MAX_COMPARISONS]):
        path: Path = ("sort", place)
        if not isinstance(each, dict):
            raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=path, value=each)
        _only(each, ("field", "order"), path)
        name = _word(each, "field", path)
        if name not in fields.kinds:
            mnemonic = Mnemonic.SORT_PROHIBITED if name in fields.shown else Mnemonic.INVALID_PARAMETER_VALUE
            raise Refusal(mnemonic, path=(*path, "field"), value=name)
        order = each.get("order")
        if order not in (None, "asc", "desc"):
            mnemonic = Mnemonic.INVALID_PARAMETER_VALUE if isinstance(order, str) else Mnemonic.DATA_TYPE_ERROR
            raise Refusal(mnemonic, path=(*path, "order"), value=order)
        keys.append(SortKey(name, order == "desc"))
    return tuple(keys)


def _read_fields(value: Any, fields: ListFields) -> tuple[str, ...]:
    if value is None:
        return tuple(fields.by_default)
    if not isinstance(value, list):
        raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=("fields",), value=value)
    for place, name in enumerate(value):
        if not isinstance(name, str):
            raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=("fields", place), value=name)
        if name not in fields.shown:
            raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("fields", place), value=name)
    return tuple(name for name in fields.shown if name in value) if value else tuple(fields.by_default)


def _only(value: Mapping[str, Any], known: Sequence[str], path: Path) -> None:
    for name in value:
        if name not in known:
            raise Refusal(Mnemonic.UNEXPECTED_PARAMETERS, path=(*path, name), value=value[name])


def _word(value: Mapping[str, Any], name: str, path: Path) -> str:
    word = value.get(name)
    if word is None:
        raise Refusal(Mnemonic.REQUIRED_PARAMETER_MISSED, path=(*path, name), value=MISSING)
    if not isinstance(word, str):
        raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=(*path, name), value=word)
    return word


def _moment(value: Any, path: Path, zone: ZoneInfo) -> datetime:
    if not isinstance(value, str):
        raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=path, value=value)
    try:
        return to_moment(value, zone)
    except BadTime as bad:
        raise Refusal(Mnemonic.INVALID_DATE_TIME, path=path, value=value, why=str(bad)) from bad


def last_of_second(moment: datetime) -> datetime:
    """The last moment that reads as this second on the account's clock."""
    return moment + timedelta(seconds=1) - timedelta(microseconds=1)
