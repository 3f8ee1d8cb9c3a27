"""Attempts, as they are logged and read back."""

import json
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, select, text

from services.notify.notification import Attempt
from services.notify.store.tables import AttemptRow
from services.shared.db.tables import table_of, to_microseconds

_attempts = table_of(AttemptRow)


def log_attempts(connection: Connection, attempts: Sequence[tuple[str, int, Attempt]]) -> None:
    """Keeps attempts: the notification's id, the number of the attempt, how it went."""
    rows = [
        (
            notification_id,
            number,
            to_microseconds(attempt.attempt_time),
            attempt.latency_ms,
            attempt.outcome,
            attempt.http_status,
            attempt.reason,
            attempt.answer_head,
        )
        for notification_id, number, attempt in attempts
    ]
    connection.execute(_LOG, {"rows": json.dumps(rows)})


def attempts_of(connection: Connection, notification_ids: Collection[str]) -> list[AttemptRow]:
    """All attempts of these notifications, by notification, oldest first."""
    found = connection.execute(
        select(_attempts)
        .where(_attempts.c.notification_id.in_(notification_ids))
        .order_by(_attempts.c.notification_id, _attempts.c.number)
    )
    return [AttemptRow(**row) for row in found.mappings()]


_LOG = text("""
INSERT INTO attempts (notification_id, number, attempt_time, latency_ms, outcome, http_status, reason, answer_head)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'), json_extract(value, '$[4]'),
  json_extract(value, '$[5]'), json_extract(value, '$[6]'), json_extract(value, '$[7]')
FROM json_each(:rows)
""")
