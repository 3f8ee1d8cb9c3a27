"""What an upload writes of its calls: their rows, their tags, their recordings."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, bindparam, delete, update

from services.intake.attribution import Attribution
from services.intake.call import CheckedCall
from services.intake.events import Announcement
from services.intake.handed_over import HandedOver
from services.intake.names import name_key
from services.intake.recording import RecordingStatus
from services.intake.status import CallStatus, Move, store
from services.intake.store.garbage import discard_objects
from services.intake.store.tables import CALL_WORK, CallRow, CallTagRow, RecordingRow
from services.shared.db.bulk import Bulk
from services.shared.db.tables import Moment, table_of, to_microseconds

_calls = table_of(CallRow)
_call_tags = table_of(CallTagRow)
_recordings = table_of(RecordingRow)

CALLS = Bulk(
    _calls,
    (
        "account_id",
        "ext_id",
        "uploads",
        "direction",
        "calling_phone_number",
        "called_phone_number",
        "start_time",
        "finish_time",
        "is_lost",
        "is_transfer",
        "wait_ms",
        "talk_ms",
        "visitor_session_id",
        "campaign_id",
        "source_id",
        "site_id",
        "comment",
        "callback_url",
        "callback_events",
        "status",
        "error_code",
        "error_message",
        "event_seq",
        "fingerprint",
        "ext_request_id",
        "upload_time",
        "status_time",
        "new_time",
    ),
)
"""As `_row` has them."""
TAGS = Bulk(_call_tags, ("call_session_id", "position", "tag_id"))
RECORDINGS = Bulk(
    _recordings,
    (
        "call_session_id",
        "account_id",
        "position",
        "format",
        "employee_id",
        "employee_channel",
        "url",
        "status",
        "error_message",
        "fetch_failures",
        "source_key",
        "source_size_bytes",
        "source_sha256",
        "source_sha512",
    ),
)
_KEPT_ON_REPLACEMENT = ("account_id", "ext_id")

_MILLISECOND = timedelta(milliseconds=1)
_WITH_RECORDINGS, _WITHOUT = store(has_recordings=True), store(has_recordings=False)


class KnownCall(NamedTuple):
    """What an upload asks of a call that is stored."""

    call_session_id: int
    ext_id: str
    status: str
    uploads: int
    event_seq: int
    fingerprint: bytes


class Storing(NamedTuple):
    """A call that is about to be stored; `known` is its row when it was stored before."""

    call: CheckedCall
    attribution: Attribution
    known: KnownCall | None
    ext_request_id: str

    @property
    def move(self) -> Move:
        """Where being stored brings it."""
        return _WITH_RECORDINGS if self.call.records else _WITHOUT

    def announcement(self, account_id: int, call_session_id: int) -> Announcement:
        """What being stored announces."""
        callback = self.call.callback
        return Announcement(
            call_session_id=call_session_id,
            account_id=account_id,
            ext_id=self.call.ext_id,
            callback_url=callback.url if callback else None,
            asked=callback.events if callback else (),
            event_seq=self.known.event_seq if self.known else 0,
            events=self.move.events,
        )


def insert_calls(connection: Connection, account_id: int, storing: Sequence[Storing], now: datetime) -> dict[str, int]:
    """Stores calls that were not known; answers their numbers by ext_id."""
    rows = [_row(each, account_id, 1, to_microseconds(now)) for each in storing]
    return CALLS.insert_numbered(connection, rows, "ext_id")


def replace_calls(
    connection: Connection, account_id: int, storing: Sequence[Storing], now: datetime, kept: Collection[str]
) -> None:
    """Stores calls anew that were known, and lets go what the earlier ones had, but for the objects under the keys `kept`."""
    if not storing:
        return
    changed = []
    for each in storing:
        if each.known is not None:
            counted = 0 if each.known.status == CallStatus.CANCELLED else 1
            row = _row(each, account_id, each.known.uploads + counted, to_microseconds(now))
            changed.append({**dict(zip(CALLS.names, row, strict=True)), "known_id": each.known.call_session_id})
    ids = [each.known.call_session_id for each in storing if each.known is not None]
    discard_objects(connection, ids, now, kept)
    CALL_WORK.drop(connection, ids)
    connection.execute(delete(_call_tags).where(_call_tags.c.call_session_id.in_(ids)))
    connection.execute(delete(_recordings).where(_recordings.c.call_session_id.in_(ids)))
    connection.execute(_REPLACE, changed)


def insert_parts(
    connection: Connection,
    account_id: int,
    calls: Sequence[CheckedCall],
    ids: Mapping[str, int],
    tag_ids: Mapping[str, int],
    employee_ids: Mapping[str, int],
    files: Mapping[str, HandedOver],
) -> None:
    """Stores the tags and recordings of stored calls. `files` are those that were handed over, by what names them."""
    tags = [
        (ids[call.ext_id], place, tag_ids[tag.name] if tag.tag_id is None else tag.tag_id)
        for call in calls
        for place, tag in enumerate(call.tags)
    ]
    recordings = [
        (
            ids[call.ext_id],
            account_id,
            place,
            record.format.value,
            employee_ids.get(name_key(record.employee_name)) if record.employee_id is None else record.employee_id,
            record.employee_channel and record.employee_channel.value,
            record.url,
            *_source_of(files.get(record.url)),
        )
        for call in calls
        for place, record in enumerate(call.records)
    ]
    TAGS.insert(connection, tags)
    RECORDINGS.insert(connection, recordings)


def _row(storing: Storing, account_id: int, uploads: int, now: int) -> tuple[object, ...]:
    call, attribution, callback = storing.call, storing.attribution, storing.call.callback
    known_seq = storing.known.event_seq if storing.known else 0
    return (
        account_id,
        call.ext_id,
        uploads,
        call.direction.value,
        call.calling_phone_number,
        call.called_phone_number,
        to_microseconds(call.start_time),
        to_microseconds(call.finish_time),
        call.is_lost,
        call.is_transfer,
        _milliseconds(call.wait_duration),
        _milliseconds(call.talk_duration),
        attribution.visitor_session_id,
        attribution.campaign_id,
        attribution.source_id,
        attribution.site_id,
        call.comment,
        callback.url if callback else None,
        ",".join(callback.events) if callback else "",
        storing.move.status.value,
        None,
        "",
        storing.announcement(0, 0).seq_after if callback else known_seq,
        call.fingerprint,
        storing.ext_request_id,
        now,
        now,
        now,
    )


def _source_of(file: HandedOver | None) -> tuple[object, ...]:
    """What is known of a recording's file at its upload, from `status` on: all, when it was handed over."""
    if file is None:
        return RecordingStatus.WAITING.value, "", 0, None, None, "", ""
    return RecordingStatus.FETCHED.value, "", 0, file.key, file.size_bytes, file.sha256, file.sha512


def _milliseconds(span: timedelta | None) -> int | None:
    return None if span is None else span // _MILLISECOND


_REPLACE = (
    update(_calls)
    .where(_calls.c.call_session_id == bindparam("known_id"))
    .values(
        {
            # `_row` has moments as the database keeps them.
            name: bindparam(
                name, type_=BigInteger() if isinstance(_calls.c[name].type, Moment) else _calls.c[name].type
            )
            for name in CALLS.names
            if name not in _KEPT_ON_REPLACEMENT
        }
        # `keep_traces` sets it where the new upload is traced.
        | {"traceparent": None}
    )
)
