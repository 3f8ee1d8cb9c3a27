"""Reading calls back."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Select, select

from services.intake.call_filter import CallFilter
from services.intake.call_order import NEWEST_FIRST, CallOrder, Position
from services.intake.draft import RecordingFormat
from services.intake.store.finding import find_calls
from services.intake.store.tables import CallRow, CallTagRow, EmployeeRow, RecordingRow, TagRow
from services.shared.db.tables import table_of
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


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a list: calls with their positions, and where what follows begins; None at the end."""

    calls: list[tuple[Position, StoredCall]]
    goes_on_after: Position | None


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
    connection: Connection,
    account_id: AccountId,
    filter_: CallFilter,
    most: int,
    after: Position | None,
    order: CallOrder = NEWEST_FIRST,
) -> Listed:
    """A page of the account's calls under a filter, as `find_calls` finds them."""
    found = find_calls(connection, account_id, filter_, order, most, after)
    calls = {
        call.row.call_session_id: call
        for call in load_calls(connection, [each.call_session_id for each in found.positions])
    }
    # One that was erased since it was found is left out.
    listed = [(each, calls[each.call_session_id]) for each in found.positions if each.call_session_id in calls]
    return Listed(listed, found.goes_on_after)


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
