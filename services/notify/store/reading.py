"""Reading notifications back, with their newest attempts."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, UnaryExpression, insert, select, text
from sqlalchemy.sql.operators import custom_op

from services.notify.notification import Attempt, NotificationStatus
from services.notify.store.attempts import attempts_of, log_attempts
from services.notify.store.receivers import ensure_receivers, find_receiver, receivers_by_id
from services.notify.store.tables import AttemptRow, NotificationRow
from services.shared.db.tables import table_of
from services.shared.ids import uuid7

_notifications = table_of(NotificationRow)

SLACK = timedelta(minutes=1)
_PLUS: custom_op[int] = custom_op("+")
EARLIEST, LATEST = datetime(1971, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationFilter:
    """Which notifications are asked for; None leaves a field open. From `from_time` on, until before `until_time`."""

    call_session_id: int | None = None
    status: str | None = None
    event: str | None = None
    receiver_host: str | None = None
    from_time: datetime | None = None
    until_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredNotification:
    """A notification with its newest 100 attempts, oldest first."""

    row: NotificationRow
    receiver_host: str
    attempts: list[AttemptRow] = field(default_factory=list)


def list_notifications(
    connection: Connection, account_id: int, most: int, below: str | None, wanted: NotificationFilter
) -> list[StoredNotification]:
    """The account's notifications that pass the filter, newest first, up to `most`, with ids below the given one."""
    notification = _notifications.c
    by_call = wanted.call_session_id is not None
    # A call has few notifications: the planner would rather walk through all of the account, or of the receiver, which lie in the order of the list.
    account = _beside_index(notification.account_id) if by_call else notification.account_id
    receiver = _beside_index(notification.receiver_id) if by_call else notification.receiver_id
    asked = select(_notifications).where(account == account_id)
    if by_call:
        asked = asked.where(notification.call_session_id == wanted.call_session_id)
    if below is not None:
        asked = asked.where(notification.notification_id < below)
    if wanted.status is not None:
        asked = asked.where(notification.status == wanted.status)
        if wanted.status != NotificationStatus.DELIVERED:
            # Written out for the planner, which takes the index of open ones only so.
            asked = asked.where(text("notifications.status <> 'delivered'"))
    if wanted.event is not None:
        asked = asked.where(notification.event == wanted.event)
    if wanted.receiver_host is not None:
        asked = asked.where(receiver == find_receiver(connection, account_id, wanted.receiver_host))
    # Ids are made with their events and begin with the moment: so far the index reaches.
    if wanted.from_time is not None:
        asked = asked.where(
            notification.event_time >= wanted.from_time,
            notification.notification_id >= _first_id(wanted.from_time, -SLACK),
        )
    if wanted.until_time is not None:
        asked = asked.where(
            notification.event_time < wanted.until_time,
            notification.notification_id < _first_id(wanted.until_time, SLACK),
        )
    return _with_attempts(connection, asked.order_by(notification.notification_id.desc()).limit(most))


def find_notification(connection: Connection, account_id: int, notification_id: str) -> StoredNotification | None:
    """One of the account's notifications; None when there is no such."""
    notification = _notifications.c
    asked = select(_notifications).where(
        notification.account_id == account_id, notification.notification_id == notification_id
    )
    return next(iter(_with_attempts(connection, asked)), None)


def add_test(connection: Connection, row: NotificationRow, attempt: Attempt) -> None:
    """Keeps a test that was sent, with its one attempt."""
    receivers = ensure_receivers(connection, {(row.account_id, row.url)})
    values = {**row.model_dump(), "receiver_id": receivers[row.account_id, row.url]}
    connection.execute(insert(_notifications).values(values))
    log_attempts(connection, [(row.notification_id, 1, attempt)])


def _beside_index(column: ColumnElement[int]) -> ColumnElement[int]:
    """A column for which SQLite takes no index: a unary plus says so (its Query Optimizer Overview)."""
    return UnaryExpression(column, operator=_PLUS, type_=column.type)


def _first_id(moment: datetime, slack: timedelta) -> str:
    """An id that all of events after a moment follow, give or take the slack."""
    return uuid7(min(max(moment, EARLIEST), LATEST) + slack, bytes(10))


def _with_attempts(connection: Connection, asked: Select[Any]) -> list[StoredNotification]:
    rows = [NotificationRow(**row) for row in connection.execute(asked).mappings()]
    receivers = receivers_by_id(connection, {row.receiver_id for row in rows})
    by_id = {
        row.notification_id: StoredNotification(
            row, receivers[row.receiver_id].host if row.receiver_id in receivers else ""
        )
        for row in rows
    }
    for attempt in attempts_of(connection, by_id):
        by_id[attempt.notification_id].attempts.append(attempt)
    return list(by_id.values())
