"""What goes: notifications that ended long ago, and all of a call that is erased."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, exists, select, update

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
    found = connection.execute(
        select(_notifications.c.notification_id, _notifications.c.receiver_id)
        .where(_notifications.c.end_time < before)
        .order_by(_notifications.c.end_time)
        .limit(FORGOTTEN_AT_ONCE)
    ).all()
    _delete(connection, [row.notification_id for row in found])
    _drop_unused(connection, {row.receiver_id for row in found})
    return len(found)


def erase_call(connection: Connection, call_session_id: int) -> None:
    """Deletes all of a call and keeps its number, so that nothing of it is taken over later."""
    lock_calls(connection, [call_session_id])
    NOTIFY_WORK.drop(connection, [work_key(call_session_id, is_redelivery=each) for each in (False, True)])
    found = connection.execute(
        select(_notifications.c.notification_id, _notifications.c.receiver_id).where(
            _notifications.c.call_session_id == call_session_id
        )
    ).all()
    _delete(connection, [row.notification_id for row in found])
    _drop_unused(connection, {row.receiver_id for row in found})
    insert_missing(connection, _call_order, [{"call_session_id": call_session_id, "settled_seq": 0, "is_erased": True}])
    connection.execute(
        update(_call_order).where(_call_order.c.call_session_id == call_session_id).values(is_erased=True)
    )


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
