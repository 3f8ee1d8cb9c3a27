"""Notifications that are sent once more by request, outside the order of their call."""

from datetime import datetime

from sqlalchemy import Connection, Update, select, text, update

from services.notify.notification import NotificationStatus
from services.notify.store.lines import line_up, lock_calls
from services.notify.store.receivers import find_receiver, probe_now
from services.notify.store.tables import NotificationRow, work_key
from services.shared.db.tables import table_of
from services.shared.errors import Mnemonic, Refusal, not_found

_notifications = table_of(NotificationRow)

REDELIVERED_AT_ONCE = 500
_IS_BURIED = text("notifications.status = 'buried'")


def redeliver(connection: Connection, account_id: int, notification_id: str, now: datetime) -> None:
    """Sends one that ended once more, and hastens one that waits. Raises Refusal for one that the account does not have, and for a test."""
    mine = (_notifications.c.notification_id == notification_id) & (_notifications.c.account_id == account_id)
    row = connection.execute(select(_notifications).where(mine)).first()
    if row is None:
        raise not_found("notification_id", notification_id, "the account has no such notification")
    if row.is_test:
        why = "this was a test, which goes once: send another one"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("notification_id",), value=notification_id, why=why)
    lock_calls(connection, [row.call_session_id])
    status = connection.execute(select(_notifications.c.status).where(mine)).scalar()
    if status == NotificationStatus.WAITING:
        key = work_key(row.call_session_id, is_redelivery=row.is_redelivery)
        hastened = update(_notifications).where(_notifications.c.notification_id == notification_id)
        connection.execute(hastened.values(next_attempt_time=None))
    else:
        key = work_key(row.call_session_id, is_redelivery=True)
        connection.execute(_again([notification_id]))
    line_up(connection, [key], now)
    probe_now(connection, [row.receiver_id], now)


def redeliver_buried(
    connection: Connection, account_id: int, since: datetime, until: datetime, receiver_host: str | None, now: datetime
) -> tuple[int, bool]:
    """Sends up to 500 of the account once more that were buried from `since` to `until`, the oldest first. Answers how many, and whether there may be more."""
    wanted = (
        select(_notifications.c.notification_id, _notifications.c.call_session_id, _notifications.c.receiver_id)
        .where(_notifications.c.account_id == account_id, _IS_BURIED, _notifications.c.end_time.between(since, until))
        .where(_notifications.c.is_test.is_(False))
        .order_by(_notifications.c.end_time)
        .limit(REDELIVERED_AT_ONCE)
    )
    if receiver_host is not None:
        wanted = wanted.where(_notifications.c.receiver_id == find_receiver(connection, account_id, receiver_host))
    found = connection.execute(wanted).all()
    if found:
        lock_calls(connection, {row.call_session_id for row in found})
        connection.execute(_again([row.notification_id for row in found]))
        line_up(connection, {work_key(row.call_session_id, is_redelivery=True) for row in found}, now)
        probe_now(connection, {row.receiver_id for row in found}, now)
    return len(found), len(found) == REDELIVERED_AT_ONCE


def _again(notification_ids: list[str]) -> Update:
    return (
        update(_notifications)
        .where(_notifications.c.notification_id.in_(notification_ids))
        .values(
            status=NotificationStatus.WAITING,
            is_redelivery=True,
            failures=0,
            next_attempt_time=None,
            end_time=None,
            bury_reason="",
        )
    )
