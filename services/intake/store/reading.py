"""Reading calls back."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, select, type_coerce

from services.intake.call_filter import CallFilter
from services.intake.draft import RecordingFormat
from services.intake.store.filtering import holds_many
from services.intake.store.tables import CallRow, CallTagRow, EmployeeRow, RecordingRow, TagRow
from services.shared.db.tables import table_of, to_microseconds
from services.shared.errors import not_found
from services.shared.identity import AccountId

_calls = table_of(CallRow)
_call_tags = table_of(CallTagRow)
_tags = table_of(TagRow)
_recordings = table_of(RecordingRow)
_employees = table_of(EmployeeRow)


@dataclass(frozen=True, slots=True)
class StoredRecording:
    """A recording with the name of its employee, empty for nobody."""

    row: RecordingRow
    employee_name: str


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call with its tags (id, name) and recordings, in upload order."""

    row: CallRow
    tags: list[tuple[int, str]] = field(default_factory=list)
    recordings: list[StoredRecording] = field(default_factory=list)


def get_call(connection: Connection, account_id: AccountId, call_session_id: int) -> StoredCall:
    """The account's call of this number. Raises Refusal entity_not_found, also for another account's call."""
    return _one(
        connection,
        _of(account_id).where(_calls.c.call_session_id == call_session_id),
        "call_session_id",
        call_session_id,
    )


def lookup_call(connection: Connection, account_id: AccountId, ext_id: str) -> StoredCall:
    """The account's call of this ext_id. Raises Refusal entity_not_found."""
    return _one(connection, _of(account_id).where(_calls.c.ext_id == ext_id), "ext_id", ext_id)


def list_calls(
    connection: Connection, account_id: AccountId, filter_: CallFilter, most: int, below: int | None
) -> list[StoredCall]:
    """The account's calls under a filter, newest first, up to `most`, with numbers below the given one."""
    number = _calls.c.call_session_id
    window = _window_of(account_id, filter_)
    along_numbers = window is not None and holds_many(connection, window)
    wanted = calls_matching(account_id, filter_, along_numbers=along_numbers).order_by(number.desc()).limit(most)
    if below is not None:
        wanted = wanted.where(number < below)
    return _with_parts(connection, wanted)


def calls_matching(
    account_id: AccountId, filter_: CallFilter, *, along_numbers: bool = False
) -> "Select[tuple[object, ...]]":
    """Selects the account's calls under a filter; `along_numbers` keeps SQLite from finding them by their times."""
    times = (_in_time(filter_, name, is_found_by=not along_numbers) for name in ("start_time", "upload_time"))
    wanted = _of(account_id).where(*chain.from_iterable(times))
    for column, value in ((_calls.c.direction, filter_.direction), (_calls.c.is_lost, filter_.is_lost)):
        if value is not None:
            wanted = wanted.where(column == value)
    if filter_.statuses:
        wanted = wanted.where(_calls.c.status.in_(filter_.statuses))
    return wanted


def load_calls(connection: Connection, ids: Sequence[int]) -> list[StoredCall]:
    """The calls of these numbers, in no particular order."""
    return _with_parts(connection, select(_calls).where(_calls.c.call_session_id.in_(ids)))


def audio_key(connection: Connection, account_id: AccountId, recording_id: int) -> str:
    """The key of a recording's MP3. Raises Refusal entity_not_found when the account has no such recording, or it has no MP3."""
    row = connection.execute(
        select(_recordings.c.audio_key).where(
            _recordings.c.recording_id == recording_id, _recordings.c.account_id == account_id
        )
    ).first()
    if row is None or row.audio_key is None:
        raise not_found("recording_id", recording_id, "there is no such recording to listen to")
    return str(row.audio_key)


def source_object(connection: Connection, account_id: AccountId, recording_id: int) -> tuple[str, RecordingFormat]:
    """The key of a recording's file as it came, and its kind. Raises Refusal entity_not_found when the account has no such recording, or its file is not here."""
    row = connection.execute(
        select(_recordings.c.source_key, _recordings.c.format).where(
            _recordings.c.recording_id == recording_id, _recordings.c.account_id == account_id
        )
    ).first()
    if row is None or row.source_key is None:
        raise not_found("recording_id", recording_id, "there is no such recording, or its file is not here")
    return str(row.source_key), RecordingFormat(row.format)


def _window_of(account_id: AccountId, filter_: CallFilter) -> "Select[tuple[object, ...]] | None":
    """The account's calls in the time that an index finds; None when the filter names none."""
    bounds = _in_time(filter_, "upload_time") or _in_time(filter_, "start_time")
    return _of(account_id).where(*bounds) if bounds else None


def _in_time(filter_: CallFilter, name: str, *, is_found_by: bool = True) -> list[ColumnElement[bool]]:
    """What the filter says of one of a call's times. A sum, for one that rows are not to be found by, is in no index."""
    bounds = ((operator.ge, getattr(filter_, f"{name}_from")), (operator.lt, getattr(filter_, f"{name}_before")))
    number = type_coerce(_calls.c[name], BigInteger)
    moment = number if is_found_by else number + 0
    return [compare(moment, to_microseconds(value)) for compare, value in bounds if value is not None]


def _of(account_id: AccountId) -> "Select[tuple[object, ...]]":
    return select(_calls).where(_calls.c.account_id == account_id)


def _one(connection: Connection, wanted: "Select[tuple[object, ...]]", name: str, value: object) -> StoredCall:
    found = _with_parts(connection, wanted)
    if not found:
        raise not_found(name, value, "there is no such call")
    return found[0]


def _with_parts(connection: Connection, wanted: "Select[tuple[object, ...]]") -> list[StoredCall]:
    calls = [StoredCall(CallRow(**row)) for row in connection.execute(wanted).mappings()]
    by_id = {call.row.call_session_id: call for call in calls}
    _add_tags(connection, by_id)
    _add_recordings(connection, by_id)
    return calls


def _add_tags(connection: Connection, calls: "dict[int | None, StoredCall]") -> None:
    found = connection.execute(
        select(_call_tags.c.call_session_id, _call_tags.c.tag_id, _tags.c.name)
        .join(_tags, _tags.c.tag_id == _call_tags.c.tag_id)
        .where(_call_tags.c.call_session_id.in_(_ids(calls)))
        .order_by(_call_tags.c.call_session_id, _call_tags.c.position)
    )
    for row in found:
        calls[row.call_session_id].tags.append((row.tag_id, row.name))


def _add_recordings(connection: Connection, calls: "dict[int | None, StoredCall]") -> None:
    found = connection.execute(
        select(_recordings, _employees.c.full_name)
        .outerjoin(_employees, _employees.c.employee_id == _recordings.c.employee_id)
        .where(_recordings.c.call_session_id.in_(_ids(calls)))
        .order_by(_recordings.c.call_session_id, _recordings.c.position)
    )
    for mapping in found.mappings():
        values = dict(mapping)
        employee_name = values.pop("full_name") or ""
        calls[values["call_session_id"]].recordings.append(StoredRecording(RecordingRow(**values), employee_name))


def _ids(calls: "dict[int | None, StoredCall]") -> Sequence[int]:
    return [call_session_id for call_session_id in calls if call_session_id is not None]
