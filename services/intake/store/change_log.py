"""The changes of an account's calls, numbered in the order in which they are committed, for those who watch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from services.intake.call_filter import CallFilter
from services.intake.call_order import NEWEST_FIRST, CallOrder, Position
from services.intake.store.reading import Listed, StoredCall, list_calls, load_calls
from services.intake.store.tables import CallChangeRow, ChangeSeqRow
from services.shared.db.dialects import Sql, rows_text
from services.shared.db.tables import table_of, to_microseconds
from services.shared.errors import Mnemonic, Refusal
from services.shared.identity import AccountId

_changes = table_of(CallChangeRow)
_seqs = table_of(ChangeSeqRow)

FORGOTTEN_AT_ONCE = 500
DELETED = "deleted"
"""Stands for the status of a call that was erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of a call, and the call as it stands now; None for one that is gone. The status is one of `CallStatus`, or DELETED."""

    seq: int
    call_session_id: int
    status: str
    change_time: datetime
    call: StoredCall | None


def note_changes(connection: Connection, account_id: int, changed: Sequence[tuple[int, str]], now: datetime) -> None:
    """Numbers changes (call, status after it). The last thing that a transaction does: until it is committed nobody else's changes of the account are numbered, so that who has
    seen a number has seen all below it."""
    if changed:
        ((last,),) = _NEXT.rows(connection, {"account_id": account_id, "count": len(changed)})
        values = {
            "rows": rows_text(changed),
            "account_id": account_id,
            "first": last - len(changed) + 1,
            "now": to_microseconds(now),
        }
        _NOTE.change(connection, values)


def last_change(connection: Connection, account_id: AccountId) -> int:
    """The number of the account's last change; 0 before the first."""
    found = connection.execute(select(_seqs.c.last_seq).where(_seqs.c.account_id == account_id)).scalar()
    return found or 0


def list_with_last_change(
    connection: Connection,
    account_id: AccountId,
    filter_: CallFilter,
    most: int,
    after: Position | None,
    order: CallOrder = NEWEST_FIRST,
) -> tuple[Listed, int]:
    """As `list_calls`, with the number of the last change that it shows."""
    return list_calls(connection, account_id, filter_, most, after, order), last_change(connection, account_id)


def changes_after(connection: Connection, account_id: AccountId, seq: int, most: int) -> list[Change]:
    """Up to so many changes after that one, in their order. Raises Refusal OUT_OF_RANGE when some of them are not kept any more, or the number is of a future that this database does not have."""
    stands = connection.execute(select(_seqs).where(_seqs.c.account_id == account_id)).first()
    last, forgotten = (stands.last_seq, stands.forgotten_seq) if stands else (0, 0)
    if not forgotten <= seq <= last:
        why = (
            "the changes after this cursor are not kept any more: list the calls and go on from the list's watch_cursor"
        )
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("cursor",), why=why, grpc_code="OUT_OF_RANGE")
    if seq == last:
        return []
    wanted = select(_changes).where(_changes.c.account_id == account_id, _changes.c.seq > seq)
    rows = connection.execute(wanted.order_by(_changes.c.seq).limit(most)).all()
    calls = {
        call.row.call_session_id: call for call in load_calls(connection, list({row.call_session_id for row in rows}))
    }
    return [
        Change(
            seq=row.seq,
            call_session_id=row.call_session_id,
            status=row.status,
            change_time=row.change_time,
            call=calls.get(row.call_session_id),
        )
        for row in rows
    ]


def forget_changes(connection: Connection, before: datetime) -> int:
    """Lets up to 500 of the oldest changes go that took place before then. Answers how many."""
    oldest = (
        select(_changes.c.account_id, _changes.c.seq)
        .where(_changes.c.change_time < before)
        .order_by(_changes.c.change_time)
        .limit(FORGOTTEN_AT_ONCE)
    )
    found = connection.execute(oldest).all()
    last = {account_id: max(row.seq for row in found if row.account_id == account_id) for account_id, _ in found}
    for account_id, seq in sorted(last.items()):
        # All up to there, whatever their times: what is kept has no holes.
        connection.execute(
            update(_seqs).where(_seqs.c.account_id == account_id, _seqs.c.forgotten_seq < seq).values(forgotten_seq=seq)
        )
        connection.execute(delete(_changes).where(_changes.c.account_id == account_id, _changes.c.seq <= seq))
    return len(found)


_NEXT = Sql("""
INSERT INTO change_seqs AS s (account_id, last_seq, forgotten_seq) VALUES (:account_id, :count, 0)
ON CONFLICT (account_id) DO UPDATE SET last_seq = s.last_seq + excluded.last_seq RETURNING last_seq
""")
_NOTE = Sql("""
INSERT INTO call_changes (account_id, seq, call_session_id, status, change_time)
SELECT :account_id, :first + r[#], r[0]::bigint, r[1]::text, :now FROM EACH(:rows) AS r
""")
