"""Who waits for whom where several processes write: on PostgreSQL, advisory locks until the end of the transaction. SQLite has one writer, and nothing to wait for.

Everybody takes them in the order in which they stand here, before any row.
"""

from enum import IntEnum

from sqlalchemy import Connection, text

from services.shared.db.dialects import is_postgresql

_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_ROOM = 2**56


class Lock(IntEnum):
    """What is locked, each by a number; the databases of all services share them."""

    ACCOUNT = 1
    """What an account has: its settings, directory, and the calls that come."""
    POINTS = 2
    """What an account has spent."""
    SECRETS = 3
    """What an account's notifications are signed with."""
    CLAIMS = 4
    """Whose notifications go next: bounds hold over all processes."""


def take(connection: Connection, lock: Lock, number: int = 0) -> None:
    """Waits for the lock; it is let go at the end of the transaction."""
    if is_postgresql(connection):
        connection.execute(_LOCK, {"key": lock * _ROOM + number})
