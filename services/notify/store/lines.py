"""Lines of waiting notifications: one a call, in the order of `seq`, and one of its redeliveries beside it. The first of each line has the line's work."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, select, text

from services.notify.notification import DueNotification
from services.notify.store.tables import NOTIFY_WORK, CallOrderRow, line_of
from services.shared.db.lane_work import LaneRow
from services.shared.db.tables import read_rows, table_of

_call_order = table_of(CallOrderRow)

HELD_BACK = timedelta(minutes=10)
"""How long one that came ahead waits for its predecessor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The first notification of a line, and its place in the call."""

    due: DueNotification
    seq: int
    previous_seq: int


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
            ),
            seq=seq,
            previous_seq=previous_seq,
        )
        for key, notification_id, account_id, receiver_id, url, body, attempts, failures, seq, previous_seq in read_rows(
            connection.execute(_HEADS, {"keys": json.dumps(list(keys))})
        )
    }


def line_up(connection: Connection, keys: Collection[int], now: datetime) -> None:
    """Gives the first of each line its work: now, or much later while it has come ahead of its predecessor. Work that is put off for a failed attempt stays so."""
    firsts = heads(connection, keys)
    if not firsts:
        return
    settled = dict(read_rows(connection.execute(_SETTLED, {"keys": json.dumps(list(firsts))})))
    now_due: list[LaneRow] = []
    later: list[LaneRow] = []
    for key, head in firsts.items():
        call, is_redelivery = line_of(key)
        is_ahead = not is_redelivery and head.previous_seq > settled.get(call, 0)
        row = LaneRow(
            key=key,
            account_id=head.due.account_id,
            lane=head.due.receiver_id,
            until=now + HELD_BACK if is_ahead else None,
        )
        # Work may have been put off for one that came ahead; now its predecessor is here, or has gone.
        (later if is_ahead or head.due.failures else now_due).append(row)
    NOTIFY_WORK.place(connection, now_due, now, wakes=True)
    NOTIFY_WORK.place(connection, later, now, wakes=False)


def erased_calls(connection: Connection, calls: Collection[int]) -> set[int]:
    """Those of the calls that were erased."""
    return set(connection.execute(_ERASED, {"calls": list(calls)}).scalars())


_HEADS = text("""
SELECT json_group_array(json_array(line.value, n.notification_id, n.account_id, n.receiver_id, n.url, n.body, n.attempts, n.failures, n.seq, n.previous_seq))
FROM json_each(:keys) AS line CROSS JOIN notifications n ON n.notification_id = (
  SELECT w.notification_id FROM notifications w INDEXED BY notifications_line
  WHERE w.call_session_id = line.value / 2 AND w.is_redelivery = line.value % 2 AND w.status = 'waiting' ORDER BY w.seq LIMIT 1)
""")
_SETTLED = text("""
SELECT json_group_array(json_array(o.call_session_id, o.settled_seq))
FROM json_each(:keys) AS line CROSS JOIN call_order o ON o.call_session_id = line.value / 2
""")
_ERASED = select(_call_order.c.call_session_id).where(
    _call_order.c.call_session_id.in_(bindparam("calls", expanding=True)), _call_order.c.is_erased
)
