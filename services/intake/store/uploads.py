"""Storing calls: an upload in one transaction (docs/contract.md 2, 4, 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from services.intake.account_rules import AccountState, check_by_account
from services.intake.call import AccountClock, CheckedCall
from services.intake.handed_over import SCHEME, check_handed_over, first_named
from services.intake.names import name_key
from services.intake.status import CallStatus, Outcome, UploadedCall, upload_again
from services.intake.store.change_log import note_changes
from services.intake.store.directory import create_employees, create_tags, load_state
from services.intake.store.erasing import remembered_calls
from services.intake.store.handed_over import give_files
from services.intake.store.outbox import announce
from services.intake.store.tables import CALL_WORK, FETCH
from services.intake.store.traces import keep_traces
from services.intake.store.upload_rows import KnownCall, Storing, insert_calls, insert_parts, replace_calls
from services.shared.db.dialects import Sql, rows_text
from services.shared.db.locks import Lock, take
from services.shared.errors import Mnemonic, Refusal, Refusals, Trouble
from services.shared.identity import AccountId

SAVED_AT_ONCE = 500
"""Calls in a transaction, but for a single upload of more."""


class Priority(IntEnum):
    """How urgent the recordings of an upload are, within their account; proto `UploadPriority`."""

    LIVE = 0
    BACKFILL = 10


class Upload(NamedTuple):
    """The calls of one request that keep every rule of their own."""

    calls: Sequence[CheckedCall]
    clock: AccountClock | None = None
    """What they were read by, when it may be out of date; None is not looked at."""
    ext_request_id: str = ""
    priority: Priority = Priority.LIVE
    traceparents: Mapping[str, str] = {}
    """By ext_id, where it is traced and goes on after the upload."""


class Stale(Exception):
    """The account has another zone or region by now than the calls were read by; nothing of the upload is stored."""


Saved: TypeAlias = "list[UploadedCall] | Refusals | Trouble | Stale"
"""What became of an upload: an answer for each call, or why nothing of it is stored."""


def account_clock(connection: Connection, account_id: AccountId) -> AccountClock:
    """What the account's calls are read by now. Raises Refusal account_inactive."""
    return _account(connection, account_id).clock


def kept_ext_ids(connection: Connection, account_id: AccountId, ext_ids: Sequence[str], now: datetime) -> set[str]:
    """Those of the ext_ids whose call is known and would stay as it is when it were uploaded again."""
    known = _known_calls(connection, account_id, ext_ids)
    kept = {ext_id for ext_id, row in known.items() if _outcome(row) in _KEPT}
    return kept | remembered_calls(connection, account_id, [each for each in ext_ids if each not in known], now).keys()


def find_refusals(
    connection: Connection, account_id: AccountId, calls: Sequence[CheckedCall], now: datetime
) -> list[Refusal]:
    """What the account's rules say against the calls, in the contract's order; stores nothing."""
    sorted_out = _sorted_out(connection, account_id, calls, now)
    (judged,), _ = _judged(connection, account_id, [Upload(calls=calls)], sorted_out, now)
    if isinstance(judged, Trouble):
        raise judged
    return list(judged.refusals) if isinstance(judged, Refusals) else []


def save_upload(
    connection: Connection,
    account_id: AccountId,
    calls: Sequence[CheckedCall],
    ext_request_id: str,
    now: datetime,
    priority: Priority = Priority.LIVE,
) -> list[UploadedCall]:
    """Stores the calls that are to be stored and answers for each, in their order. Raises Refusals, and stores nothing, when one breaks a rule of the account."""
    upload = Upload(calls=calls, ext_request_id=ext_request_id, priority=priority)
    (saved,) = save_uploads(connection, account_id, [upload], now)
    if isinstance(saved, Exception):
        raise saved
    return saved


def save_uploads(
    connection: Connection, account_id: AccountId, uploads: Sequence[Upload], now: datetime
) -> list[Saved]:
    """As `save_upload`, for several uploads at once that go together (`going_together`): one that is refused leaves the others alone."""
    take(connection, Lock.ACCOUNT, account_id)
    calls = [call for upload in uploads for call in upload.calls]
    sorted_out = _sorted_out(connection, account_id, calls, now, locked=True)
    judged, state = _judged(connection, account_id, uploads, sorted_out, now)
    storing = [each for found in judged if not isinstance(found, Exception) for each in found]
    wanted = [each.call for each in storing]
    tag_ids, employee_ids = _find_or_create(connection, account_id, wanted, state)
    ids = sorted_out.retired | {ext_id: int(row.call_session_id) for ext_id, row in sorted_out.known.items()}
    ids |= insert_calls(connection, account_id, [each for each in storing if each.known is None], now)
    files = {f"{SCHEME}{upload_id}": file for upload_id, file in state.handed_over.items()}
    kept = {file.key for file in files.values()}
    replace_calls(connection, account_id, [each for each in storing if each.known is not None], now, kept)
    insert_parts(connection, account_id, wanted, ids, tag_ids, employee_ids, files)
    if files:
        owners = {record.url: ids[call.ext_id] for call in wanted for record in call.records if record.url in files}
        give_files(connection, account_id, [(files[url], owner) for url, owner in owners.items()])
    for priority in sorted({upload.priority for upload in uploads}):
        keys = [
            (ids[each.call.ext_id], account_id)
            for upload, found in zip(uploads, judged, strict=True)
            if upload.priority is priority and not isinstance(found, Exception)
            for each in found
            if each.call.records
        ]
        CALL_WORK.add(connection, keys, now, stage=FETCH, priority=priority)
    told = [each.announcement(account_id, ids[each.call.ext_id]) for each in storing if each.call.callback]
    announce(connection, told, now)
    if any(upload.traceparents for upload in uploads):
        keep_traces(connection, _traceparents(uploads, judged, ids))
    note_changes(connection, account_id, [(ids[each.call.ext_id], each.move.status.value) for each in storing], now)
    return [
        found if isinstance(found, Exception) else _answers(upload.calls, sorted_out, ids)
        for upload, found in zip(uploads, judged, strict=True)
    ]


def _traceparents(
    uploads: Sequence[Upload], judged: Sequence[list[Storing] | Refusals | Trouble | Stale], ids: Mapping[str, int]
) -> dict[int, str]:
    return {
        ids[each.call.ext_id]: traceparent
        for upload, found in zip(uploads, judged, strict=True)
        if not isinstance(found, Exception) and upload.traceparents
        for each in found
        if (traceparent := upload.traceparents.get(each.call.ext_id)) is not None
    }


def going_together(uploads: Sequence[Upload]) -> int:
    """How many of an account's first uploads `save_uploads` takes at once: those that have no call in common, and none of them a file that was handed over; up to 500 calls, but one upload anyway."""
    named: set[str] = set()
    for place, upload in enumerate(uploads):
        ext_ids = {call.ext_id for call in upload.calls}
        names_files = bool(first_named(upload.calls))
        if place and (names_files or len(named) + len(ext_ids) > SAVED_AT_ONCE or not named.isdisjoint(ext_ids)):
            return place
        if names_files:
            return 1
        named |= ext_ids
    return len(uploads)


@dataclass(frozen=True, slots=True)
class _SortedOut:
    """The first call of each ext_id, what is known of it, the numbers of those that are only remembered, and what an upload does with each."""

    firsts: dict[str, CheckedCall]
    known: dict[str, KnownCall]
    retired: dict[str, int]
    outcomes: dict[str, Outcome]


def _sorted_out(
    connection: Connection, account_id: AccountId, calls: Sequence[CheckedCall], now: datetime, *, locked: bool = False
) -> _SortedOut:
    known = _known_calls(connection, account_id, [call.ext_id for call in calls], locked=locked)
    firsts: dict[str, CheckedCall] = {}
    for call in calls:
        firsts.setdefault(call.ext_id, call)
    # After the calls that are there: what waited for one of them to be erased finds it here.
    retired = remembered_calls(connection, account_id, [each for each in firsts if each not in known], now)
    outcomes = {ext_id: Outcome.RETIRED if ext_id in retired else _outcome(known.get(ext_id)) for ext_id in firsts}
    return _SortedOut(firsts, known, retired, outcomes)


def _known_calls(
    connection: Connection, account_id: int, ext_ids: Sequence[str], *, locked: bool = False
) -> dict[str, KnownCall]:
    statement = _KNOWN_LOCKED if locked else _KNOWN
    found = statement.rows(connection, {"account_id": account_id, "ext_ids": rows_text(ext_ids)})
    return {row[1]: KnownCall(*row) for row in found}


def _outcome(row: KnownCall | None) -> Outcome:
    return Outcome.CREATED if row is None else upload_again(CallStatus(row.status), row.uploads)


def _judged(
    connection: Connection,
    account_id: AccountId,
    uploads: Sequence[Upload],
    sorted_out: _SortedOut,
    now: datetime,
) -> tuple[list[list[Storing] | Refusals | Trouble | Stale], AccountState]:
    """What is to be stored of each upload, or what speaks against it; and what the account has of what they name."""
    account = _account(connection, account_id)
    wanted = [[call for call in upload.calls if _is_wanted(call, sorted_out)] for upload in uploads]
    named = [call for calls in wanted for call in calls]
    state = load_state(connection, account_id, account.has_voice_analysis, named)
    judged = [
        _judge(calls, upload.ext_request_id, sorted_out, state, now)
        if upload.clock is None or upload.clock == account.clock
        else Stale()
        for upload, calls in zip(uploads, wanted, strict=True)
    ]
    return judged, state


class _Account(NamedTuple):
    clock: AccountClock
    has_voice_analysis: bool


def _account(connection: Connection, account_id: AccountId) -> _Account:
    """What an upload asks of its account. Raises Refusal account_inactive."""
    found = _ACCOUNT.rows(connection, {"account_id": account_id})
    if not found or not found[0][0]:
        raise Refusal(Mnemonic.ACCOUNT_INACTIVE)
    ((_, has_voice_analysis, time_zone, region),) = found
    return _Account(AccountClock(zone=ZoneInfo(time_zone), region=region), bool(has_voice_analysis))


def _is_wanted(call: CheckedCall, sorted_out: _SortedOut) -> bool:
    return sorted_out.outcomes[call.ext_id] not in _KEPT and sorted_out.firsts[call.ext_id] is call


def _judge(
    calls: Sequence[CheckedCall], ext_request_id: str, sorted_out: _SortedOut, state: AccountState, now: datetime
) -> list[Storing] | Refusals | Trouble:
    if any(call.is_only_repeat for call in calls):
        # It ended in error, or was cancelled, since it was looked up: asked again, it is judged in full.
        return Trouble("a call that was stored changed its status meanwhile")
    storing = []
    refusals: list[Refusal] = []
    first = first_named(calls)
    for call in calls:
        attribution, refused = check_by_account(call, state)
        row = sorted_out.known.get(call.ext_id)
        refusals += refused
        if call.records:
            refusals += check_handed_over(call, row.call_session_id if row else None, state.handed_over, first, now)
        storing.append(Storing(call, attribution, row, ext_request_id))
    return Refusals(refusals) if refusals else storing


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


def _answers(calls: Sequence[CheckedCall], sorted_out: _SortedOut, ids: dict[str, int]) -> list[UploadedCall]:
    answers = []
    for call in calls:
        outcome, first = sorted_out.outcomes[call.ext_id], sorted_out.firsts[call.ext_id]
        if outcome is Outcome.RETIRED:
            # What it said is not known any more.
            differs = False
        else:
            stored = sorted_out.known[call.ext_id].fingerprint if outcome in _KEPT else None
            if first is not call:
                outcome = Outcome.DUPLICATE
            differs = outcome in _KEPT and call.fingerprint != (first.fingerprint if stored is None else stored)
        answers.append(
            UploadedCall(ext_id=call.ext_id, call_session_id=ids[call.ext_id], outcome=outcome, differs=differs)
        )
    return answers


_KEPT = (Outcome.DUPLICATE, Outcome.IGNORED_AFTER_FAILURES, Outcome.RETIRED)
"""Outcomes that leave what is stored as it is."""

_ACCOUNT = Sql("""
SELECT a.is_active, a.has_voice_analysis, a.time_zone, a.region FROM accounts AS a WHERE a.account_id = :account_id
""")
_KNOWN_TEXT = """
SELECT c.call_session_id, c.ext_id, c.status, c.uploads, c.event_seq, c.fingerprint
FROM calls AS c WHERE c.account_id = :account_id AND c.ext_id IN (SELECT r[]::text FROM EACH(:ext_ids) AS r)
"""
_KNOWN = Sql(_KNOWN_TEXT)
# A sum is in no index: SQLite would walk along all of the account's calls to have them in order.
_KNOWN_LOCKED = Sql(f"{_KNOWN_TEXT} ORDER BY c.call_session_id + 0 LOCKED(c)")
