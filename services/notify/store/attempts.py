"""Attempts, as they are logged and read back."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, insert, select

from services.notify.notification import Attempt
from services.notify.store.tables import AttemptRow
from services.shared.db.tables import table_of

_attempts = table_of(AttemptRow)


def log_attempts(connection: Connection, attempts: Sequence[tuple[str, int, Attempt]]) -> None:
    """Keeps attempts: the notification's id, the number of the attempt, how it went."""
    if attempts:
        connection.execute(
            insert(_attempts),
            [
                {
                    "notification_id": notification_id,
                    "number": number,
                    "attempt_time": attempt.attempt_time,
                    "latency_ms": attempt.latency_ms,
                    "outcome": attempt.outcome,
                    "http_status": attempt.http_status,
                    "reason": attempt.reason,
                    "answer_head": attempt.answer_head,
                }
                for notification_id, number, attempt in attempts
            ],
        )


def attempts_of(connection: Connection, notification_ids: Collection[str]) -> list[AttemptRow]:
    """All attempts of these notifications, by notification, oldest first."""
    found = connection.execute(
        select(_attempts)
        .where(_attempts.c.notification_id.in_(notification_ids))
        .order_by(_attempts.c.notification_id, _attempts.c.number)
    )
    return [AttemptRow(**row) for row in found.mappings()]
