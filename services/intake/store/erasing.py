"""Erasing calls: in one transaction the work on a call is fenced and all of its rows go; what lies elsewhere is written down to be deleted there.

The keys of objects go into object_garbage, those under a lease that still runs with a date after which nobody writes them any more; the calls that notify knows go into erasures.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from services.intake.call_filter import CallFilter
from services.intake.status import AT_REST
from services.intake.store.change_log import DELETED, note_changes
from services.intake.store.garbage import discard_lost, discard_objects
from services.intake.store.reading import calls_matching
from services.intake.store.tables import (
    CALL_WORK,
    OUTBOX_WORK,
    CallRow,
    CallTagRow,
    ErasureRow,
    OutboxRow,
    RecordingRow,
    RememberedExtIdRow,
    SaleRow,
)
from services.shared.db.tables import insert_missing, table_of
from services.shared.errors import not_found
from services.shared.identity import AccountId

_calls = table_of(CallRow)
_erasures = table_of(ErasureRow)
_remembered = table_of(RememberedExtIdRow)
_parts = [table_of(row) for row in (CallTagRow, SaleRow, RecordingRow, OutboxRow)]


def delete_call(connection: Connection, account_id: AccountId, call_session_id: int, now: datetime) -> None:
    """Erases a call; its ext_id may come again. Raises Refusal entity_not_found."""
    if not _erase(connection, account_id, _calls.c.call_session_id == call_session_id, now):
        raise not_found("call_session_id", call_session_id, "there is no such call")


def delete_calls(connection: Connection, account_id: AccountId, call_session_ids: Sequence[int], now: datetime) -> int:
    """Erases those of the calls that are there. Answers how many."""
    return _erase(connection, account_id, _calls.c.call_session_id.in_(call_session_ids), now)


def retire_calls(
    connection: Connection,
    account_id: AccountId,
    call_session_ids: Sequence[int],
    began_before: datetime,
    unchanged_since: datetime,
    remembered: timedelta,
    now: datetime,
) -> int:
    """Erases those of the calls whose time is over, and remembers their ext_ids for a while. Answers how many."""
    is_over = (
        _calls.c.call_session_id.in_(call_session_ids)
        & (_calls.c.start_time < began_before)
        & (_calls.c.status_time <= unchanged_since)
        & _calls.c.status.in_(AT_REST)
    )
    return _erase(connection, account_id, is_over, now, remember_until=now + remembered)


def count_matching(connection: Connection, account_id: AccountId, filter_: CallFilter) -> int:
    """How many of the account's calls are under a filter."""
    matching = calls_matching(account_id, filter_).with_only_columns(_calls.c.call_session_id).subquery()
    return int(connection.execute(select(func.count()).select_from(matching)).scalar_one())


def find_matching(connection: Connection, account_id: AccountId, filter_: CallFilter, most: int) -> list[int]:
    """Up to so many of the account's calls under a filter, oldest first."""
    matching = calls_matching(account_id, filter_).with_only_columns(_calls.c.call_session_id)
    return list(connection.execute(matching.order_by(_calls.c.call_session_id).limit(most)).scalars())


def remembered_calls(connection: Connection, account_id: int, ext_ids: Sequence[str], now: datetime) -> dict[str, int]:
    """The numbers that calls of these ext_ids had which went by retention, as far as they are remembered."""
    mine = _remembered.c.account_id == account_id
    # Most accounts remember none, and need no list of hashes to say so.
    if not ext_ids or connection.execute(select(_remembered.c.account_id).where(mine).limit(1)).first() is None:
        return {}
    by_hash = {_hash(ext_id): ext_id for ext_id in ext_ids}
    found = connection.execute(
        select(_remembered.c.ext_id_sha256, _remembered.c.call_session_id).where(
            mine, _remembered.c.ext_id_sha256.in_(list(by_hash)), _remembered.c.forget_time > now
        )
    )
    return {by_hash[row.ext_id_sha256]: row.call_session_id for row in found}


def erasures(connection: Connection, most: int) -> list[int]:
    """Calls that are gone and that notify is yet to forget."""
    return list(connection.execute(select(_erasures.c.call_session_id).limit(most)).scalars())


def settle_erasures(connection: Connection, call_session_ids: Sequence[int]) -> None:
    """Notify has forgotten these calls."""
    connection.execute(delete(_erasures).where(_erasures.c.call_session_id.in_(call_session_ids)))


def _erase(
    connection: Connection,
    account_id: AccountId,
    wanted: ColumnElement[bool],
    now: datetime,
    remember_until: datetime | None = None,
) -> int:
    found = connection.execute(
        select(_calls.c.call_session_id, _calls.c.ext_id, _calls.c.event_seq)
        .where(_calls.c.account_id == account_id, wanted)
        .order_by(_calls.c.call_session_id)
        .with_for_update()
    ).all()
    ids = [row.call_session_id for row in found]
    if not ids:
        return 0
    # The work before what is read of the recordings: whoever holds it has committed what it wrote, or will find it gone.
    held = CALL_WORK.drop(connection, ids)
    OUTBOX_WORK.drop(connection, ids)
    discard_lost(connection, held, now)
    discard_objects(connection, ids, now)
    for part in _parts:
        connection.execute(delete(part).where(part.c.call_session_id.in_(ids)))
    connection.execute(delete(_calls).where(_calls.c.call_session_id.in_(ids)))
    told = [row.call_session_id for row in found if row.event_seq]
    insert_missing(connection, _erasures, [{"call_session_id": call, "erase_time": now} for call in told])
    if remember_until is not None:
        _remember(connection, account_id, [(row.ext_id, row.call_session_id) for row in found], remember_until)
    note_changes(connection, account_id, [(call, DELETED) for call in ids], now)
    return len(ids)


def _remember(connection: Connection, account_id: int, calls: Sequence[tuple[str, int]], until: datetime) -> None:
    rows = [
        {"account_id": account_id, "ext_id_sha256": _hash(ext_id), "call_session_id": call, "forget_time": until}
        for ext_id, call in calls
    ]
    known = [row["ext_id_sha256"] for row in rows]
    # One that was remembered before and came again meanwhile.
    connection.execute(
        delete(_remembered).where(_remembered.c.account_id == account_id, _remembered.c.ext_id_sha256.in_(known))
    )
    connection.execute(insert(_remembered), rows)


def _hash(ext_id: str) -> bytes:
    return hashlib.sha256(ext_id.encode()).digest()
