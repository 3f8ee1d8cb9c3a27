"""What goes: notifications that ended long ago, and all of a call that is erased."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, exists, select, update

from services.notify.store.lines import lock_calls
from services.notify.store.tables import (
    NOTIFY_WORK,
    AttemptRow,
    CallOrderRow,
    NotificationRow,
    ReceiverRow,
    work_key,
)
from services.shared.db.tables import insert_missing, table_of

_notifications = table_of(NotificationRow)
_attempts = table_of(AttemptRow)
_call_order = table_of(CallOrderRow)
_receivers = table_of(ReceiverRow)

FORGOTTEN_AT_ONCE = 200


def forget_ended(connection: Connection, before: datetime) -> int:
    """Deletes up to 200 notifications that ended before then, with their attempts. Answers how many."""
    return _forget(connection, _notifications.c.end_time < before)


def forget_ended_of(connection: Connection, account_id: int, before: datetime) -> int:
    """As `forget_ended`, of one account."""
    return _forget(connection, (_notifications.c.account_id == account_id) & (_notifications.c.end_time < before))


def erase_calls(connection: Connection, call_session_ids: Sequence[int]) -> None:
    """Deletes all of these calls and keeps their numbers, so that nothing of them is taken over later."""
    lock_calls(connection, call_session_ids)
    lines = [work_key(call, is_redelivery=each) for call in call_session_ids for each in (False, True)]
    NOTIFY_WORK.drop(connection, lines)
    found = connection.execute(
        select(_notifications.c.notification_id, _notifications.c.receiver_id).where(
            _notifications.c.call_session_id.in_(call_session_ids)
        )
    ).all()
    _delete(connection, [row.notification_id for row in found])
    _drop_unused(connection, {row.receiver_id for row in found})
    tombstones = [{"call_session_id": each, "settled_seq": 0, "is_erased": True} for each in call_session_ids]
    insert_missing(connection, _call_order, tombstones)
    connection.execute(
        update(_call_order).where(_call_order.c.call_session_id.in_(call_session_ids)).values(is_erased=True)
    )


def _forget(connection: Connection, wanted: ColumnElement[bool]) -> int:
    found = connection.execute(
        select(_notifications.c.notification_id, _notifications.c.receiver_id)
        .where(wanted)
        .order_by(_notifications.c.end_time)
        .limit(FORGOTTEN_AT_ONCE)
    ).all()
    _delete(connection, [row.notification_id for row in found])
    _drop_unused(connection, {row.receiver_id for row in found})
    return len(found)


def _delete(connection: Connection, notification_ids: Sequence[str]) -> None:
    if notification_ids:
        connection.execute(delete(_attempts).where(_attempts.c.notification_id.in_(notification_ids)))
        connection.execute(delete(_notifications).where(_notifications.c.notification_id.in_(notification_ids)))


def _drop_unused(connection: Connection, receiver_ids: Collection[int]) -> None:
    if receiver_ids:
        # Whoever enqueues for one of them holds it: locked first and looked at then, what was enqueued is seen.
        locked = select(_receivers.c.receiver_id).where(_receivers.c.receiver_id.in_(receiver_ids))
        connection.execute(locked.order_by(_receivers.c.receiver_id).with_for_update())
        is_used = exists().where(_notifications.c.receiver_id == _receivers.c.receiver_id)
        connection.execute(delete(_receivers).where(_receivers.c.receiver_id.in_(receiver_ids), ~is_used))
