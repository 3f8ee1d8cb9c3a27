"""Which of an account's calls a filter means, and a page of them in an order: by so many rows and no more, however many calls there are.

A filter is either found by an index that has few rows for it (a tag, an employee, a refusal, a window of time), all of which are looked at and sorted; or it is looked for along the order of the
list, `LOOKED_AT` calls a page. What names the rows that are to be found is written so that no other index fits it: SQLite keeps no statistics, and would guess.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    any_,
    false,
    func,
    literal,
    or_,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY

from services.intake.call_filter import ACCEPTED, CallFilter
from services.intake.call_order import CallOrder, OrderField, Position
from services.intake.phone_search import NumberSearch, search_of
from services.intake.recording import RecordingStatus
from services.intake.store.accounts import get_account
from services.intake.store.tables import CallRow, CallTagRow, EmployeeRow, RecordingRow, TagRow
from services.intake.store.texts import holding
from services.shared.db.dialects import is_postgresql, rows_text
from services.shared.db.tables import table_of, to_microseconds
from services.shared.identity import AccountId

_calls = table_of(CallRow)
_call_tags = table_of(CallTagRow)
_tags = table_of(TagRow)
_recordings = table_of(RecordingRow)
_employees = table_of(EmployeeRow)

Condition = ColumnElement[bool]

FEW = 20_000
"""As many can be found by an index and sorted while a reader waits (some 10 ms)."""
LOOKED_AT = 20_000
"""Calls that a page looks at along its order; promised in call_service.proto."""
READ_THROUGH = 5_000
"""Calls whose texts a page looks through; promised too."""

_number = _calls.c.call_session_id
_TIMES = (OrderField.START_TIME, OrderField.UPLOAD_TIME)


@dataclass(frozen=True, slots=True)
class Found:
    """Calls in their order, and where what follows them begins: after a call that was looked at last, matching or not; None at the end."""

    positions: list[Position]
    goes_on_after: Position | None


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a filter says of an account: conditions on calls that are found by something else, and what finds by an index all that match and maybe more."""

    conditions: list[Condition] = field(default_factory=list)
    finders: "list[Select[Any]]" = field(default_factory=list)


def find_calls(
    connection: Connection,
    account_id: AccountId,
    filter_: CallFilter,
    order: CallOrder,
    most: int,
    after: Position | None,
) -> Found:
    """Up to so many of the account's calls under a filter, in an order, after a position. Fewer, when so many calls as a page looks at do not have more: `goes_on_after` tells."""
    meaning = _meaning(connection, account_id, filter_, walked=order.field)
    few = _few(connection, meaning)
    keys = _Keys(order, is_found_by=few is None)
    wanted = keys.of(account_id, after)
    at_once = READ_THROUGH if filter_.words else LOOKED_AT
    edge: list[Position] = []
    wanted = wanted.where(*_in_time(filter_, order.field, is_found_by=few is None))
    if few is not None:
        wanted = wanted.where(_among(connection, few))
    elif meaning.conditions or filter_.words:
        edge = keys.read(connection, wanted.offset(at_once - 1).limit(1))
        wanted = keys.up_to(wanted, edge[0]) if edge else wanted
    limit = at_once if filter_.words else most
    positions = keys.read(connection, wanted.where(*meaning.conditions).limit(limit + 1))
    if len(positions) > limit:
        positions, edge = positions[:limit], positions[limit - 1 : limit]
    goes_on_after = edge[0] if edge else None
    if not filter_.words:
        return Found(positions, goes_on_after)
    held, stopped_at = holding(connection, filter_.words, positions, most)
    return Found(held, stopped_at or goes_on_after)


def matching_calls(connection: Connection, account_id: AccountId, filter_: CallFilter) -> "Select[Any]":
    """Selects the numbers of all of the account's calls under a filter, which has no words."""
    assert not filter_.words
    meaning = _meaning(connection, account_id, filter_, walked=None)
    few = _few(connection, meaning)
    if few is not None:
        of_account = _calls.c.account_id + 0 == account_id
        return select(_number).where(of_account, _among(connection, few), *meaning.conditions)
    times = [condition for name in _TIMES for condition in _in_time(filter_, name, is_found_by=True)]
    return select(_number).where(_calls.c.account_id == account_id, *times, *meaning.conditions)


class _Keys:
    """Positions of calls in an order. Found by themselves they are in an index; else they are sums, which are in none."""

    def __init__(self, order: CallOrder, *, is_found_by: bool) -> None:
        self._is_descending = order.is_descending
        self._is_found_by = is_found_by
        by_number = order.field is OrderField.CALL_SESSION_ID
        of_order = type_coerce(_number if by_number else _calls.c[order.field], BigInteger)
        columns = [of_order] if by_number else [of_order, type_coerce(_number, BigInteger)]
        self._columns = [column if is_found_by else column + 0 for column in columns]

    def of(self, account_id: AccountId, after: Position | None) -> "Select[Any]":
        """The positions of the account's calls, after one, in their order."""
        account = _calls.c.account_id if self._is_found_by else _calls.c.account_id + 0
        order = [column.desc() if self._is_descending else column.asc() for column in self._columns]
        selected = select(self._columns[0].label("value"), _number).where(account == account_id).order_by(*order)
        return selected if after is None else selected.where(self._beyond(after))

    def up_to(self, selected: "Select[Any]", edge: Position) -> "Select[Any]":
        """No further than a position, itself included."""
        return selected.where(self._compared(operator.ge if self._is_descending else operator.le, edge))

    def read(self, connection: Connection, selected: "Select[Any]") -> list[Position]:
        """What is selected."""
        return [Position(*row) for row in connection.execute(selected)]

    def _beyond(self, position: Position) -> Condition:
        return self._compared(operator.lt if self._is_descending else operator.gt, position)

    def _compared(self, compare: Any, position: Position) -> Condition:
        values = [position.value, position.call_session_id][-len(self._columns) :]
        if len(values) == 1:
            condition: Condition = compare(self._columns[0], values[0])
        else:
            condition = compare(tuple_(*self._columns), tuple_(*(literal(value, BigInteger) for value in values)))
        return condition


def _few(connection: Connection, meaning: _Meaning) -> list[int] | None:
    """The numbers of the calls that something finds by an index, the first that has few; None when all have many."""
    for finder in meaning.finders:
        seen = select(func.count()).select_from(finder.limit(FEW + 1).subquery())
        if connection.execute(seen).scalar_one() <= FEW:
            return list(connection.execute(finder).scalars())
    return None


def _among(connection: Connection, numbers: Sequence[int]) -> Condition:
    """As one value, and no subquery: PostgreSQL joined one with all of the account's calls, each with each."""
    if is_postgresql(connection):
        return _number == any_(literal(numbers, ARRAY(BigInteger)))
    each = func.json_each(rows_text(numbers)).table_valued("value")
    return _number.in_(select(each.c.value))


def _meaning(
    connection: Connection, account_id: AccountId, filter_: CallFilter, *, walked: OrderField | None
) -> _Meaning:
    """`walked` is the order along which calls are looked for when nothing has few of them: a window of it is then its end, and no finder. None: calls are found by their windows."""
    meaning = _Meaning()
    if filter_.number:
        meaning.conditions.append(_has_number(search_of(filter_.number, get_account(connection, account_id).region)))
    if filter_.tag_ids or filter_.tag_names:
        _add_tags(meaning, _tag_ids(connection, account_id, filter_))
    if filter_.employee_ids or filter_.employee_keys:
        _add_employees(meaning, _employee_ids(connection, account_id, filter_))
    if filter_.verdicts:
        _add_verdicts(meaning, account_id, filter_.verdicts)
    for name in _TIMES:
        bounds = _in_time(filter_, name, is_found_by=True)
        if bounds and name is not walked:
            meaning.conditions.extend(_in_time(filter_, name, is_found_by=False))
            meaning.finders.append(select(_number).where(_calls.c.account_id == account_id, *bounds))
    for column, value in ((_calls.c.direction, filter_.direction), (_calls.c.is_lost, filter_.is_lost)):
        if value is not None:
            meaning.conditions.append(column == value)
    if filter_.statuses:
        meaning.conditions.append(_calls.c.status.in_(filter_.statuses))
    return meaning


def _add_tags(meaning: _Meaning, tag_ids: Sequence[int]) -> None:
    tagged = select(_call_tags.c.call_session_id).where(_call_tags.c.tag_id.in_(tag_ids))
    meaning.conditions.append(tagged.where(_call_tags.c.call_session_id == _number).exists())
    meaning.finders.append(tagged)


def _add_employees(meaning: _Meaning, employee_ids: Sequence[int]) -> None:
    recorded = select(_recordings.c.call_session_id).where(_recordings.c.employee_id.in_(employee_ids))
    meaning.conditions.append(recorded.where(_recordings.c.call_session_id == _number).exists())
    meaning.finders.append(recorded)


def _add_verdicts(meaning: _Meaning, account_id: AccountId, verdicts: Sequence[str]) -> None:
    codes = [verdict for verdict in verdicts if verdict != ACCEPTED]
    # A recording that is judged anew keeps the code of before until its new verdict.
    refused = (_recordings.c.status == RecordingStatus.REFUSED) & _recordings.c.error_code.in_(codes)
    accepted = _recordings.c.status == RecordingStatus.ACCEPTED if ACCEPTED in verdicts else false()
    judged = select(_recordings.c.call_session_id).where(_recordings.c.call_session_id == _number)
    meaning.conditions.append(judged.where(or_(refused, accepted)).exists())
    if ACCEPTED not in verdicts:
        meaning.finders.append(
            select(_recordings.c.call_session_id).where(
                _recordings.c.account_id == account_id, _recordings.c.error_code.in_(codes)
            )
        )


def _has_number(search: NumberSearch) -> Condition:
    conditions: list[Condition] = []
    for side in (_calls.c.calling_phone_number, _calls.c.called_phone_number):
        if search.exact:
            conditions.append(side == search.exact)
        conditions += [side.startswith(start, autoescape=True) for start in search.starts]
        if search.part:
            conditions.append(side.contains(search.part, autoescape=True))
    return or_(false(), *conditions)


def _tag_ids(connection: Connection, account_id: AccountId, filter_: CallFilter) -> list[int]:
    named = select(_tags.c.tag_id).where(_tags.c.account_id == account_id, _tags.c.name.in_(filter_.tag_names))
    return [*filter_.tag_ids, *(connection.execute(named).scalars() if filter_.tag_names else ())]


def _employee_ids(connection: Connection, account_id: AccountId, filter_: CallFilter) -> list[int]:
    named = select(_employees.c.employee_id).where(
        _employees.c.account_id == account_id, _employees.c.name_key.in_(filter_.employee_keys)
    )
    return [*filter_.employee_ids, *(connection.execute(named).scalars() if filter_.employee_keys else ())]


def _in_time(filter_: CallFilter, name: str, *, is_found_by: bool) -> list[Condition]:
    """What the filter says of one of a call's times; nothing for a name that is none."""
    if name not in _TIMES:
        return []
    bounds = ((operator.ge, getattr(filter_, f"{name}_from")), (operator.lt, getattr(filter_, f"{name}_before")))
    number = type_coerce(_calls.c[name], BigInteger)
    moment = number if is_found_by else number + 0
    return [compare(moment, to_microseconds(value)) for compare, value in bounds if value is not None]
