"""Lines of waiting notifications: one a call, in the order of `seq`, and one of its redeliveries beside it. The first of each line has the line's work."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, bindparam, func, select, text, update

from services.notify.notification import DueNotification
from services.notify.store.tables import NOTIFY_WORK, CallOrderRow, NotificationRow, line_of, work_key
from services.shared.db.lane_work import LaneRow
from services.shared.db.tables import table_of

Head: TypeAlias = Row[Any]
"""A row of `notifications`."""

_notifications = table_of(NotificationRow)
_call_order = table_of(CallOrderRow)

HELD_BACK = timedelta(minutes=10)
"""How long one that came ahead waits for its predecessor."""

IS_WAITING = text("notifications.status = 'waiting'")
"""Written out, not bound: only so does the planner see that an index of waiting ones fits."""

_firsts = (
    select(
        _notifications.c.call_session_id, _notifications.c.is_redelivery, func.min(_notifications.c.seq).label("seq")
    )
    .where(_notifications.c.call_session_id.in_(bindparam("calls", expanding=True)), IS_WAITING)
    .group_by(_notifications.c.call_session_id, _notifications.c.is_redelivery)
    .subquery()
)
_HEADS = select(_notifications).join(
    _firsts,
    (_notifications.c.call_session_id == _firsts.c.call_session_id)
    & (_notifications.c.is_redelivery == _firsts.c.is_redelivery)
    & (_notifications.c.seq == _firsts.c.seq)
    & IS_WAITING,
)
_SETTLED = select(_call_order).where(_call_order.c.call_session_id.in_(bindparam("calls", expanding=True)))
_TURN = (
    update(_notifications)
    .where(_notifications.c.notification_id == bindparam("first"))
    .values(turn_time=bindparam("turn_time"))
)


def heads(connection: Connection, keys: Collection[int]) -> dict[int, Head]:
    """The first notification of each of these lines that has one."""
    if not keys:
        return {}
    found = connection.execute(_HEADS, {"calls": list({line_of(key)[0] for key in keys})})
    by_key = {work_key(row.call_session_id, is_redelivery=row.is_redelivery): row for row in found}
    return {key: by_key[key] for key in keys if key in by_key}


def line_up(connection: Connection, keys: Collection[int], now: datetime) -> None:
    """Gives the first of each line its work: now, or much later while it has come ahead of its predecessor. Work that is put off for a failed attempt stays so."""
    firsts = heads(connection, keys)
    if not firsts:
        return
    settled = _settled(connection, keys)
    now_due: list[LaneRow] = []
    later: list[LaneRow] = []
    turns = []
    for key, head in firsts.items():
        is_ahead = not head.is_redelivery and head.previous_seq > settled.get(head.call_session_id, 0)
        row = LaneRow(
            key=key, account_id=head.account_id, lane=head.receiver_id, until=now + HELD_BACK if is_ahead else None
        )
        # Work may have been put off for one that came ahead; now its predecessor is here, or has gone.
        (later if is_ahead or head.failures else now_due).append(row)
        if not is_ahead and head.turn_time is None:
            turns.append({"first": head.notification_id, "turn_time": now})
    NOTIFY_WORK.place(connection, now_due, now, wakes=True)
    NOTIFY_WORK.place(connection, later, now, wakes=False)
    if turns:
        connection.execute(_TURN, turns)


def due_of(head: Head) -> DueNotification:
    """The first of a line, as it is posted."""
    return DueNotification(
        notification_id=head.notification_id,
        account_id=head.account_id,
        receiver_id=head.receiver_id,
        call_session_id=head.call_session_id,
        url=head.url,
        body=head.body,
        attempts=head.attempts,
        failures=head.failures,
    )


def erased_calls(connection: Connection, calls: Collection[int]) -> set[int]:
    """Those of the calls that were erased."""
    found = connection.execute(_SETTLED, {"calls": list(calls)})
    return {row.call_session_id for row in found if row.is_erased}


def _settled(connection: Connection, keys: Collection[int]) -> Mapping[int, int]:
    found = connection.execute(_SETTLED, {"calls": list({line_of(key)[0] for key in keys})})
    return {row.call_session_id: row.settled_seq for row in found}
