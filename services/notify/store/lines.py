"""Lines of waiting notifications: one a call, in the order of `seq`, and one of its redeliveries beside it. The first of each line has the line's work."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, select

from services.notify.notification import DueNotification
from services.notify.store.tables import NOTIFY_WORK, CallOrderRow, line_of
from services.shared.db.dialects import Sql, is_postgresql, read_rows, rows_text
from services.shared.db.lane_work import LaneRow
from services.shared.db.tables import from_microseconds, insert_missing, table_of

_call_order = table_of(CallOrderRow)

HELD_BACK = timedelta(minutes=10)
"""How long one that came ahead waits for its predecessor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The first notification of a line, its place in the call, and when it is tried again after a failure."""

    due: DueNotification
    seq: int
    previous_seq: int
    next_attempt_time: datetime | None


def heads(connection: Connection, keys: Collection[int]) -> dict[int, Head]:
    """The first notification of each of these lines that has one."""
    if not keys:
        return {}
    return {
        key: Head(
            due=DueNotification(
                notification_id=notification_id,
                account_id=account_id,
                receiver_id=receiver_id,
                call_session_id=line_of(key)[0],
                url=url,
                body=body,
                attempts=attempts,
                failures=failures,
                traceparent=traceparent,
            ),
            seq=seq,
            previous_seq=previous_seq,
            next_attempt_time=None if again is None else from_microseconds(again),
        )
        for key, notification_id, account_id, receiver_id, url, body, attempts, failures, seq, previous_seq, again, traceparent in read_rows(
            connection.execute(_HEADS.on(connection), {"keys": rows_text(list(keys))})
        )
    }


def line_up(connection: Connection, keys: Collection[int], now: datetime) -> None:
    """Gives the first of each line its work, whatever the line's work was for before: now, after its failed attempt's pause, or later while it has come ahead of its predecessor. Lines under way stay so."""
    firsts = heads(connection, keys)
    if not firsts:
        return
    calls = rows_text([line_of(key)[0] for key in firsts])
    settled = dict(read_rows(connection.execute(_SETTLED.on(connection), {"calls": calls})))
    due: list[LaneRow] = []
    held_back: list[LaneRow] = []
    for key, head in firsts.items():
        call, is_redelivery = line_of(key)
        is_ahead = not (is_redelivery or head.due.failures) and head.previous_seq > settled.get(call, 0)
        until = now + HELD_BACK if is_ahead else head.next_attempt_time
        row = LaneRow(key=key, account_id=head.due.account_id, lane=head.due.receiver_id, until=until)
        (held_back if is_ahead else due).append(row)
    NOTIFY_WORK.place(connection, due, now)
    # It waits no longer for its predecessor than it does already.
    NOTIFY_WORK.place(connection, held_back, now, at_most=True)


def lock_calls(connection: Connection, calls: Collection[int]) -> None:
    """Nobody else changes the lines of these calls until the end of the transaction: before anything is read of them."""
    if is_postgresql(connection) and calls:
        new = [{"call_session_id": call, "settled_seq": 0, "is_erased": False} for call in sorted(calls)]
        insert_missing(connection, _call_order, new)
        connection.execute(_LOCK_CALLS, {"calls": sorted(calls)})


def erased_calls(connection: Connection, calls: Collection[int]) -> set[int]:
    """Those of the calls that were erased."""
    return set(connection.execute(_ERASED, {"calls": list(calls)}).scalars())


_HEADS = Sql("""
SELECT ROWS(line[]::bigint, n.notification_id, n.account_id, n.receiver_id, n.url, n.body, n.attempts, n.failures, n.seq, n.previous_seq, n.next_attempt_time, n.traceparent)
FROM EACH(:keys) AS line CROSS JOIN notifications n WHERE n.notification_id = (
  SELECT w.notification_id FROM notifications w INDEXED BY notifications_line
  WHERE w.call_session_id = line[]::bigint / 2 AND w.is_redelivery = (line[]::bigint % 2 = 1) AND w.status = 'waiting' ORDER BY w.seq LIMIT 1)
""")
_SETTLED = Sql("""
SELECT ROWS(o.call_session_id, o.settled_seq)
FROM EACH(:calls) AS line CROSS JOIN call_order o WHERE o.call_session_id = line[]::bigint
""")
_LOCK_CALLS = (
    select(_call_order.c.call_session_id)
    .where(_call_order.c.call_session_id.in_(bindparam("calls", expanding=True)))
    .order_by(_call_order.c.call_session_id)
    .with_for_update()
)
_ERASED = select(_call_order.c.call_session_id).where(
    _call_order.c.call_session_id.in_(bindparam("calls", expanding=True)), _call_order.c.is_erased
)
