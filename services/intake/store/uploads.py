"""Storing calls: an upload in one transaction (docs/contract.md 2, 4, 5)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.engine import Row

from services.intake.account_rules import AccountState, check_by_account
from services.intake.attribution import Attribution
from services.intake.call import CheckedCall
from services.intake.events import Announcement
from services.intake.handed_over import SCHEME, HandedOver, check_handed_over, first_named
from services.intake.names import name_key
from services.intake.recording import RecordingStatus
from services.intake.status import CallStatus, Outcome, store, upload_again
from services.intake.store.accounts import get_account
from services.intake.store.change_log import note_changes
from services.intake.store.directory import create_employees, create_tags, load_state
from services.intake.store.erasing import remembered_calls
from services.intake.store.garbage import discard_objects
from services.intake.store.handed_over import give_files
from services.intake.store.outbox import announce
from services.intake.store.tables import CALL_WORK, FETCH, CallRow, CallTagRow, RecordingRow
from services.shared.db.bulk import insert_all
from services.shared.db.locks import Lock, take
from services.shared.db.tables import table_of
from services.shared.errors import Refusal, Refusals, Trouble
from services.shared.identity import AccountId

_calls = table_of(CallRow)
_call_tags = table_of(CallTagRow)
_recordings = table_of(RecordingRow)

_CHANGES_ON_UPLOAD = [
    column.name for column in _calls.c if column.name not in ("call_session_id", "account_id", "ext_id")
]


class Priority(IntEnum):
    """How urgent the recordings of an upload are, within their account; proto `UploadPriority`."""

    LIVE = 0
    BACKFILL = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedCall:
    """What an upload did with one call."""

    ext_id: str
    call_session_id: int
    outcome: Outcome
    differs: bool


@dataclass(frozen=True, slots=True)
class _Storing:
    """A call that is about to be stored; `known` is its row when it was stored before."""

    call: CheckedCall
    attribution: Attribution
    known: "Row[tuple[object, ...]] | None"


def kept_ext_ids(connection: Connection, account_id: AccountId, ext_ids: Sequence[str], now: datetime) -> set[str]:
    """Those of the ext_ids whose call is known and would stay as it is when it were uploaded again."""
    known = _known_calls(connection, account_id, ext_ids)
    kept = {ext_id for ext_id, row in known.items() if _outcome(row) in _KEPT}
    return kept | remembered_calls(connection, account_id, [each for each in ext_ids if each not in known], now).keys()


def find_refusals(
    connection: Connection, account_id: AccountId, calls: Sequence[CheckedCall], now: datetime
) -> list[Refusal]:
    """What the account's rules say against the calls, in the contract's order; stores nothing."""
    firsts, known, _, outcomes = _sorted_out(connection, account_id, calls, now)
    _, _, refusals = _checked_by_account(connection, account_id, firsts, known, outcomes, now)
    return refusals


def save_upload(
    connection: Connection,
    account_id: AccountId,
    calls: Sequence[CheckedCall],
    ext_request_id: str,
    now: datetime,
    priority: Priority = Priority.LIVE,
) -> list[UploadedCall]:
    """Stores the calls that are to be stored and answers for each, in their order. Raises Refusals, and stores nothing, when one breaks a rule of the account."""
    take(connection, Lock.ACCOUNT, account_id)
    firsts, known, retired, outcomes = _sorted_out(connection, account_id, calls, now, locked=True)
    storing, state, refusals = _checked_by_account(connection, account_id, firsts, known, outcomes, now)
    if refusals:
        raise Refusals(refusals)
    wanted = [each.call for each in storing]
    tag_ids, employee_ids = _find_or_create(connection, account_id, wanted, state)
    ids = retired | {ext_id: int(row.call_session_id) for ext_id, row in known.items()}
    ids |= _insert_calls(connection, account_id, [each for each in storing if each.known is None], ext_request_id, now)
    files = {f"{SCHEME}{upload_id}": file for upload_id, file in state.handed_over.items()}
    kept = {file.key for file in files.values()}
    _replace_calls(connection, [each for each in storing if each.known is not None], ext_request_id, now, kept)
    _insert_parts(connection, account_id, wanted, ids, tag_ids, employee_ids, files)
    owners = {record.url: ids[call.ext_id] for call in wanted for record in call.records if record.url in files}
    give_files(connection, account_id, [(files[url], owner) for url, owner in owners.items()])
    keys = [(ids[call.ext_id], account_id) for call in wanted if call.records]
    CALL_WORK.add(connection, keys, now, stage=FETCH, priority=priority)
    announce(connection, [_announcement(each, account_id, ids[each.call.ext_id]) for each in storing], now)
    note_changes(connection, account_id, [(ids[each.call.ext_id], _new_status(each.call)) for each in storing], now)
    return _answers(calls, firsts, known, outcomes, ids)


def _sorted_out(
    connection: Connection, account_id: AccountId, calls: Sequence[CheckedCall], now: datetime, *, locked: bool = False
) -> tuple[dict[str, CheckedCall], "dict[str, Row[tuple[object, ...]]]", dict[str, int], dict[str, Outcome]]:
    """The first call of each ext_id, what is known of it, the numbers of those that are only remembered, and what an upload does with each."""
    known = _known_calls(connection, account_id, [call.ext_id for call in calls], locked=locked)
    firsts: dict[str, CheckedCall] = {}
    for call in calls:
        firsts.setdefault(call.ext_id, call)
    # After the calls that are there: what waited for one of them to be erased finds it here.
    retired = remembered_calls(connection, account_id, [each for each in firsts if each not in known], now)
    outcomes = {ext_id: Outcome.RETIRED if ext_id in retired else _outcome(known.get(ext_id)) for ext_id in firsts}
    return firsts, known, retired, outcomes


def _known_calls(
    connection: Connection, account_id: int, ext_ids: Sequence[str], *, locked: bool = False
) -> "dict[str, Row[tuple[object, ...]]]":
    wanted = select(
        _calls.c.call_session_id,
        _calls.c.ext_id,
        _calls.c.status,
        _calls.c.uploads,
        _calls.c.event_seq,
        _calls.c.fingerprint,
    ).where(_calls.c.account_id == account_id, _calls.c.ext_id.in_(ext_ids))
    if locked:
        wanted = wanted.order_by(_calls.c.call_session_id).with_for_update()
    found: Sequence[Row[tuple[object, ...]]] = connection.execute(wanted).all()  # type: ignore[assignment]
    return {row.ext_id: row for row in found}


def _outcome(row: "Row[tuple[object, ...]] | None") -> Outcome:
    return Outcome.CREATED if row is None else upload_again(CallStatus(row.status), row.uploads)


def _checked_by_account(
    connection: Connection,
    account_id: AccountId,
    firsts: dict[str, CheckedCall],
    known: "dict[str, Row[tuple[object, ...]]]",
    outcomes: dict[str, Outcome],
    now: datetime,
) -> tuple[list[_Storing], AccountState, list[Refusal]]:
    """What is to be stored, what the account has of what it names, and what speaks against it."""
    account = get_account(connection, account_id)
    wanted = [call for call in firsts.values() if outcomes[call.ext_id] in (Outcome.CREATED, Outcome.UPLOADED_AGAIN)]
    if any(call.is_only_repeat for call in wanted):
        # It ended in error, or was cancelled, since it was looked up: asked again, it is judged in full.
        raise Trouble("a call that was stored changed its status meanwhile")
    state = load_state(connection, account_id, account.has_voice_analysis, wanted)
    storing = []
    refusals = []
    first = first_named(wanted)
    for call in wanted:
        attribution, refused = check_by_account(call, state)
        row = known.get(call.ext_id)
        refusals += refused
        refusals += check_handed_over(call, row.call_session_id if row else None, state.handed_over, first, now)
        storing.append(_Storing(call, attribution, row))
    return storing, state, refusals


def _find_or_create(
    connection: Connection, account_id: int, calls: Sequence[CheckedCall], state: AccountState
) -> tuple[dict[str, int], dict[str, int]]:
    tag_names = {tag.name for call in calls for tag in call.tags if tag.tag_id is None}
    tag_ids = {name: known.tag_id for name, known in state.tags_by_name.items()}
    tag_ids |= create_tags(connection, account_id, tag_names - tag_ids.keys())
    employees: dict[str, str] = {}
    for call in calls:
        for record in call.records:
            if (
                record.employee_id is None
                and (key := name_key(record.employee_name))
                and key not in state.employees_by_key
            ):
                employees.setdefault(key, record.employee_name)
    employee_ids = {**state.employees_by_key, **create_employees(connection, account_id, employees)}
    return tag_ids, employee_ids


def _insert_calls(
    connection: Connection, account_id: int, storing: Sequence[_Storing], ext_request_id: str, now: datetime
) -> dict[str, int]:
    if not storing:
        return {}
    rows = [
        {"account_id": account_id, "ext_id": each.call.ext_id, "uploads": 1, **_call_values(each, ext_request_id, now)}
        for each in storing
    ]
    made = insert_all(connection, _calls, rows, (_calls.c.call_session_id, _calls.c.ext_id))
    return {row.ext_id: row.call_session_id for row in made}


def _replace_calls(
    connection: Connection, storing: Sequence[_Storing], ext_request_id: str, now: datetime, kept: Collection[str]
) -> None:
    if not storing:
        return
    changed = []
    for each in storing:
        if each.known is None:
            continue
        counted = 0 if each.known.status == CallStatus.CANCELLED else 1
        changed.append(
            {
                "known_id": each.known.call_session_id,
                "uploads": each.known.uploads + counted,
                **_call_values(each, ext_request_id, now),
            }
        )
    ids = [row["known_id"] for row in changed]
    discard_objects(connection, ids, now, kept)
    CALL_WORK.drop(connection, ids)
    connection.execute(delete(_call_tags).where(_call_tags.c.call_session_id.in_(ids)))
    connection.execute(delete(_recordings).where(_recordings.c.call_session_id.in_(ids)))
    connection.execute(
        update(_calls)
        .where(_calls.c.call_session_id == bindparam("known_id"))
        .values({name: bindparam(name) for name in _CHANGES_ON_UPLOAD}),
        changed,
    )


def _call_values(storing: _Storing, ext_request_id: str, now: datetime) -> dict[str, object]:
    call, attribution = storing.call, storing.attribution
    return {
        "direction": call.direction,
        "calling_phone_number": call.calling_phone_number,
        "called_phone_number": call.called_phone_number,
        "start_time": call.start_time,
        "finish_time": call.finish_time,
        "is_lost": call.is_lost,
        "is_transfer": call.is_transfer,
        "wait_ms": _milliseconds(call.wait_duration),
        "talk_ms": _milliseconds(call.talk_duration),
        "visitor_session_id": attribution.visitor_session_id,
        "campaign_id": attribution.campaign_id,
        "source_id": attribution.source_id,
        "site_id": attribution.site_id,
        "comment": call.comment,
        "callback_url": call.callback.url if call.callback else None,
        "callback_events": ",".join(call.callback.events) if call.callback else "",
        "status": _new_status(call),
        "error_code": None,
        "error_message": "",
        "event_seq": _announcement(storing, 0, 0).seq_after,
        "fingerprint": call.fingerprint,
        "ext_request_id": ext_request_id,
        "upload_time": now,
        "status_time": now,
        "new_time": now,
    }


def _new_status(call: CheckedCall) -> CallStatus:
    return store(has_recordings=bool(call.records)).status


def _insert_parts(
    connection: Connection,
    account_id: int,
    calls: Sequence[CheckedCall],
    ids: dict[str, int],
    tag_ids: dict[str, int],
    employee_ids: dict[str, int],
    files: Mapping[str, HandedOver],
) -> None:
    tags = [
        {
            "call_session_id": ids[call.ext_id],
            "position": place,
            "tag_id": tag_ids[tag.name] if tag.tag_id is None else tag.tag_id,
        }
        for call in calls
        for place, tag in enumerate(call.tags)
    ]
    recordings = [
        {
            "call_session_id": ids[call.ext_id],
            "account_id": account_id,
            "position": place,
            "format": record.format,
            "employee_id": employee_ids.get(name_key(record.employee_name))
            if record.employee_id is None
            else record.employee_id,
            "employee_channel": record.employee_channel,
            "url": record.url,
            "error_message": "",
            "fetch_failures": 0,
            **_source_of(files.get(record.url)),
        }
        for call in calls
        for place, record in enumerate(call.records)
    ]
    insert_all(connection, _call_tags, tags)
    insert_all(connection, _recordings, recordings)


def _source_of(file: HandedOver | None) -> dict[str, object]:
    """What is known of a recording's file at its upload: all, when it was handed over."""
    if file is None:
        return {
            "status": RecordingStatus.WAITING,
            "source_key": None,
            "source_size_bytes": None,
            "source_sha256": "",
            "source_sha512": "",
        }
    return {
        "status": RecordingStatus.FETCHED,
        "source_key": file.key,
        "source_size_bytes": file.size_bytes,
        "source_sha256": file.sha256,
        "source_sha512": file.sha512,
    }


def _announcement(storing: _Storing, account_id: int, call_session_id: int) -> Announcement:
    call = storing.call
    return Announcement(
        call_session_id=call_session_id,
        account_id=account_id,
        ext_id=call.ext_id,
        callback_url=call.callback.url if call.callback else None,
        asked=call.callback.events if call.callback else (),
        event_seq=storing.known.event_seq if storing.known else 0,
        events=store(has_recordings=bool(call.records)).events,
    )


def _answers(
    calls: Sequence[CheckedCall],
    firsts: dict[str, CheckedCall],
    known: "dict[str, Row[tuple[object, ...]]]",
    outcomes: dict[str, Outcome],
    ids: dict[str, int],
) -> list[UploadedCall]:
    answers = []
    for call in calls:
        is_first = firsts[call.ext_id] is call
        outcome = outcomes[call.ext_id] if is_first else Outcome.DUPLICATE
        if outcomes[call.ext_id] is Outcome.RETIRED:
            # What it said is not known any more.
            answers.append(
                UploadedCall(
                    ext_id=call.ext_id, call_session_id=ids[call.ext_id], outcome=Outcome.RETIRED, differs=False
                )
            )
            continue
        stored = known[call.ext_id].fingerprint if outcomes[call.ext_id] in _KEPT else firsts[call.ext_id].fingerprint
        answers.append(
            UploadedCall(
                ext_id=call.ext_id,
                call_session_id=ids[call.ext_id],
                outcome=outcome,
                differs=outcome in _KEPT and call.fingerprint != stored,
            )
        )
    return answers


_KEPT = (Outcome.DUPLICATE, Outcome.IGNORED_AFTER_FAILURES, Outcome.RETIRED)
"""Outcomes that leave what is stored as it is."""


def _milliseconds(span: timedelta | None) -> int | None:
    return None if span is None else span // timedelta(milliseconds=1)
