"""Erasing calls: in one transaction the work on a call is fenced and all of its rows go; what lies elsewhere is written down to be deleted there.

The keys of objects go into object_garbage, those under a lease that still runs with a date after which nobody writes them any more; the calls that notify knows go into erasures.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select

from services.intake.call_filter import CallFilter
from services.intake.status import AT_REST
from services.intake.store.change_log import DELETED, note_changes
from services.intake.store.finding import matching_calls
from services.intake.store.garbage import discard_lost, discard_objects
from services.intake.store.tables import CALL_WORK, OUTBOX_WORK, CallRow, ErasureRow, RememberedExtIdRow
from services.shared.clock import EPOCH
from services.shared.db.dialects import Sql, rows_text
from services.shared.db.tables import table_of, to_microseconds
from services.shared.errors import not_found
from services.shared.identity import AccountId

_calls = table_of(CallRow)
_erasures = table_of(ErasureRow)
_remembered = table_of(RememberedExtIdRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Over:
    """What makes a call's time be over, and for how long its ext_id is remembered."""

    began_before: datetime = EPOCH
    unchanged_since: datetime = EPOCH
    remembered: timedelta = timedelta(0)


def delete_call(connection: Connection, account_id: AccountId, call_session_id: int, now: datetime) -> None:
    """Erases a call; its ext_id may come again. Raises Refusal entity_not_found."""
    if not _erase(connection, account_id, [call_session_id], now):
        raise not_found("call_session_id", call_session_id, "there is no such call")


def delete_calls(connection: Connection, account_id: AccountId, call_session_ids: Sequence[int], now: datetime) -> int:
    """Erases those of the calls that are there. Answers how many."""
    return _erase(connection, account_id, call_session_ids, now)


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
    over = _Over(began_before=began_before, unchanged_since=unchanged_since, remembered=remembered)
    return _erase(connection, account_id, call_session_ids, now, over)


def count_matching(connection: Connection, account_id: AccountId, filter_: CallFilter) -> int:
    """How many of the account's calls are under a filter."""
    matching = matching_calls(connection, account_id, filter_).subquery()
    return int(connection.execute(select(func.count()).select_from(matching)).scalar_one())


def find_matching(connection: Connection, account_id: AccountId, filter_: CallFilter, most: int) -> list[int]:
    """Up to so many of the account's calls under a filter, oldest first."""
    matching = matching_calls(connection, account_id, filter_)
    return list(connection.execute(matching.order_by(_calls.c.call_session_id).limit(most)).scalars())


def remembered_calls(connection: Connection, account_id: int, ext_ids: Sequence[str], now: datetime) -> dict[str, int]:
    """The numbers that calls of these ext_ids had which went by retention, as far as they are remembered."""
    # Most accounts remember none, and need no list of hashes to say so.
    if not ext_ids or not _REMEMBERS_ANY.rows(connection, {"account_id": account_id}):
        return {}
    mine = _remembered.c.account_id == account_id
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
    call_session_ids: Sequence[int],
    now: datetime,
    rule: "_Over | None" = None,
) -> int:
    over = rule or _Over()
    found = _FOUND.rows(
        connection,
        {
            "account_id": account_id,
            "ids": rows_text(call_session_ids),
            "is_rule": rule is not None,
            "statuses": rows_text(AT_REST),
            "began_before": to_microseconds(over.began_before),
            "unchanged_since": to_microseconds(over.unchanged_since),
        },
    )
    calls = [call_session_id for call_session_id, _, _ in found]
    if not calls:
        return 0
    # The work before what is read of the recordings: whoever holds it has committed what it wrote, or will find it gone.
    held = CALL_WORK.drop(connection, calls)
    OUTBOX_WORK.drop(connection, calls)
    discard_lost(connection, held, now)
    discard_objects(connection, calls, now)
    gone = {"ids": rows_text(calls)}
    for statement in _GONE:
        statement.change(connection, gone)
    told = [(call_session_id, now) for call_session_id, _, event_seq in found if event_seq]
    if told:
        _TELL.change(connection, {"rows": rows_text(told)})
    if rule is not None:
        _remember(connection, account_id, [(ext_id, call) for call, ext_id, _ in found], now + rule.remembered)
    note_changes(connection, account_id, [(call, DELETED) for call in calls], now)
    return len(calls)


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


# Texts, as those of SQLAlchemy's own making take 5 ms each when a process runs them first, with the database's only writer waiting.
_REMEMBERS_ANY = Sql("SELECT 1 FROM remembered_ext_ids AS r WHERE r.account_id = :account_id LIMIT 1")
_FOUND = Sql("""
SELECT c.call_session_id, c.ext_id, c.event_seq FROM calls c
WHERE c.account_id = :account_id AND c.call_session_id IN (SELECT r[]::bigint FROM EACH(:ids) AS r) AND (NOT :is_rule OR (
  c.start_time < :began_before AND c.status_time <= :unchanged_since AND c.status IN (SELECT r[]::text FROM EACH(:statuses) AS r)))
ORDER BY c.call_session_id LOCKED(c)
""")
_GONE = tuple(
    Sql(f"DELETE FROM {table} WHERE call_session_id IN (SELECT r[]::bigint FROM EACH(:ids) AS r)")  # noqa: S608
    for table in ("call_tags", "sales", "recordings", "outbox", "calls")
)
_TELL = Sql("""
INSERT INTO erasures (call_session_id, erase_time) SELECT r[0]::bigint, r[1]::bigint FROM EACH(:rows) AS r
""")
