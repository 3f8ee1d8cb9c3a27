"""Lines of waiting notifications: one a call, in the order of `seq`, and one of its redeliveries beside it. The first of each line has the line's work."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, select, text

from services.notify.notification import DueNotification
from services.notify.store.tables import NOTIFY_WORK, CallOrderRow, line_of
from services.shared.db.lane_work import LaneRow
from services.shared.db.tables import from_microseconds, read_rows, table_of

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
            ),
            seq=seq,
            previous_seq=previous_seq,
            next_attempt_time=None if again is None else from_microseconds(again),
        )
        for key, notification_id, account_id, receiver_id, url, body, attempts, failures, seq, previous_seq, again in read_rows(
            connection.execute(_HEADS, {"keys": json.dumps(list(keys))})
        )
    }


def line_up(connection: Connection, keys: Collection[int], now: datetime) -> None:
    """Gives the first of each line its work, whatever the line's work was for before: now, after its failed attempt's pause, or later while it has come ahead of its predecessor. Lines under way stay so."""
    firsts = heads(connection, keys)
    if not firsts:
        return
    settled = dict(read_rows(connection.execute(_SETTLED, {"keys": json.dumps(list(firsts))})))
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


def erased_calls(connection: Connection, calls: Collection[int]) -> set[int]:
    """Those of the calls that were erased."""
    return set(connection.execute(_ERASED, {"calls": list(calls)}).scalars())


_HEADS = text("""
SELECT json_group_array(json_array(line.value, n.notification_id, n.account_id, n.receiver_id, n.url, n.body, n.attempts, n.failures, n.seq,
  n.previous_seq, n.next_attempt_time))
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
