"""Attempts, as they are logged and read back."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, select

from services.notify.notification import Attempt
from services.notify.store.tables import AttemptRow, NotificationRow
from services.shared.db.dialects import Sql, rows_text
from services.shared.db.tables import table_of

_attempts = table_of(AttemptRow)
_notifications = table_of(NotificationRow)

MOST_SHOWN = 100
"""Attempts of one notification that are read back: redeliveries add to them without end."""


def log_attempts(connection: Connection, attempts: Sequence[tuple[str, int, Attempt]]) -> None:
    """Keeps attempts: the notification's id, the number of the attempt, how it went."""
    rows = [
        (
            notification_id,
            number,
            attempt.attempt_time,
            attempt.latency_ms,
            attempt.outcome,
            attempt.http_status,
            attempt.reason,
            attempt.answer_head,
        )
        for notification_id, number, attempt in attempts
    ]
    _LOG.change(connection, {"rows": rows_text(rows)})


def attempts_of(connection: Connection, notification_ids: Collection[str]) -> list[AttemptRow]:
    """The newest 100 attempts of each of these notifications, by notification, oldest first."""
    found = connection.execute(
        select(_attempts)
        .join(_notifications, _notifications.c.notification_id == _attempts.c.notification_id)
        .where(
            _notifications.c.notification_id.in_(notification_ids),
            # They are numbered from 1 on: so many begin the primary key of those that are not read.
            _attempts.c.number > _notifications.c.attempts - MOST_SHOWN,
        )
        .order_by(_notifications.c.notification_id, _attempts.c.number)
    )
    return [AttemptRow(**row) for row in found.mappings()]


_LOG = Sql("""
INSERT INTO attempts (notification_id, number, attempt_time, latency_ms, outcome, http_status, reason, answer_head)
SELECT r[0]::text, r[1]::integer, r[2]::bigint, r[3]::integer, r[4]::text, r[5]::integer, r[6]::text, r[7]::text FROM EACH(:rows) AS r
""")
