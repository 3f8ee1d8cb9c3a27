"""The lists of the JSON-RPC door: one page of what matches, and how many do."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, String, func, select, type_coerce

from services.intake.filters import ListQuery
from services.intake.store.filtering import Search
from services.intake.store.reading import StoredCall, load_calls
from services.intake.store.tables import CallRow, EmployeeRow, RecordingRow, TagRow
from services.shared.db.tables import Moment, table_of
from services.shared.identity import AccountId

_calls = table_of(CallRow)
_recordings = table_of(RecordingRow)
_tags = table_of(TagRow)
_employees = table_of(EmployeeRow)

_uploaded_us = type_coerce(_calls.c.upload_time, BigInteger)
_CALL_COLUMNS: dict[str, ColumnElement[Any]] = {
    **{column.name: column for column in _calls.c},
    # Whole seconds, as the door shows them.
    "upload_time": type_coerce(_uploaded_us - _uploaded_us % 1_000_000, Moment()),
    "calling_phone_number": func.ltrim(_calls.c.calling_phone_number, "+", type_=String),
    "called_phone_number": func.ltrim(_calls.c.called_phone_number, "+", type_=String),
    # Shown as null when empty, so null finds them.
    "comment": func.nullif(_calls.c.comment, "", type_=String),
    "ext_request_id": func.nullif(_calls.c.ext_request_id, "", type_=String),
    "wait_duration": _calls.c.wait_ms / 1000.0,
    "talk_duration": _calls.c.talk_ms / 1000.0,
    "record_type": select(_recordings.c.format)
    .where(_recordings.c.call_session_id == _calls.c.call_session_id, _recordings.c.position == 0)
    .scalar_subquery(),
}
_TAG_COLUMNS: dict[str, ColumnElement[Any]] = {
    "id": _tags.c.tag_id,
    "name": _tags.c.name,
    "is_system": _tags.c.is_system,
}
_EMPLOYEE_COLUMNS: dict[str, ColumnElement[Any]] = {"id": _employees.c.employee_id, "full_name": _employees.c.full_name}


def query_calls(
    connection: Connection, account_id: AccountId, query: ListQuery, uploaded_from: datetime, uploaded_till: datetime
) -> tuple[int, list[StoredCall]]:
    """How many of the account's calls were uploaded between the two moments and match, and a page of them."""
    wanted = select(_calls.c.call_session_id).where(
        _calls.c.account_id == account_id, _calls.c.upload_time.between(uploaded_from, uploaded_till)
    )
    search = Search(connection, wanted, _CALL_COLUMNS)
    matching = search.filtered(query)
    ids = connection.execute(search.page(matching, query, _calls.c.call_session_id)).scalars().all()
    found = {call.row.call_session_id: call for call in load_calls(connection, ids)}
    return _count(connection, matching), [found[call_session_id] for call_session_id in ids]


def query_tags(connection: Connection, account_id: AccountId, query: ListQuery) -> tuple[int, list[dict[str, object]]]:
    """How many of the account's tags match, and a page of them."""
    wanted = select(*(column.label(name) for name, column in _TAG_COLUMNS.items())).where(
        _tags.c.account_id == account_id
    )
    return _page(connection, wanted, query, _TAG_COLUMNS, _tags.c.tag_id)


def query_employees(
    connection: Connection, account_id: AccountId, query: ListQuery
) -> tuple[int, list[dict[str, object]]]:
    """How many of the account's employees match, and a page of them."""
    wanted = select(*(column.label(name) for name, column in _EMPLOYEE_COLUMNS.items())).where(
        _employees.c.account_id == account_id
    )
    return _page(connection, wanted, query, _EMPLOYEE_COLUMNS, _employees.c.employee_id)


def _page(
    connection: Connection,
    wanted: "Select[Any]",
    query: ListQuery,
    columns: dict[str, ColumnElement[Any]],
    key: ColumnElement[Any],
) -> tuple[int, list[dict[str, object]]]:
    search = Search(connection, wanted, columns)
    matching = search.filtered(query)
    rows = connection.execute(search.page(matching, query, key)).mappings()
    return _count(connection, matching), [dict(row) for row in rows]


def _count(connection: Connection, matching: "Select[Any]") -> int:
    return int(connection.execute(select(func.count()).select_from(matching.order_by(None).subquery())).scalar_one())
