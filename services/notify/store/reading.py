"""Reading notifications back, with every attempt."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from services.notify.store.tables import AttemptRow, NotificationRow
from services.shared.db.tables import table_of

_notifications = table_of(NotificationRow)
_attempts = table_of(AttemptRow)


@dataclass(frozen=True, slots=True)
class StoredNotification:
    """A notification with its attempts, oldest first."""

    row: NotificationRow
    attempts: list[AttemptRow] = field(default_factory=list)


def list_notifications(
    connection: Connection, account_id: int, most: int, below: str | None, call_session_id: int | None
) -> list[StoredNotification]:
    """The account's notifications, newest first, up to `most`, with ids below the given one; of one call if it is named."""
    wanted = select(_notifications).where(_notifications.c.account_id == account_id)
    if below is not None:
        wanted = wanted.where(_notifications.c.notification_id < below)
    if call_session_id is not None:
        wanted = wanted.where(_notifications.c.call_session_id == call_session_id)
    wanted = wanted.order_by(_notifications.c.notification_id.desc()).limit(most)
    found = [StoredNotification(NotificationRow(**row)) for row in connection.execute(wanted).mappings()]
    by_id = {each.row.notification_id: each for each in found}
    attempts = connection.execute(
        select(_attempts)
        .where(_attempts.c.notification_id.in_(by_id))
        .order_by(_attempts.c.notification_id, _attempts.c.number)
    )
    for row in attempts.mappings():
        by_id[row["notification_id"]].attempts.append(AttemptRow(**row))
    return found
