"""What intake does to all of its work at once: at its start, and twice a second."""

from datetime import datetime

from sqlalchemy import Connection

from services.intake.store.call_work import free_calls, sweep_calls
from services.intake.store.tables import OUTBOX_WORK
from services.shared.db.work_table import Swept


def free_all_work(connection: Connection, now: datetime) -> None:
    """At the start of the database's only owner: frees what its predecessor held."""
    free_calls(connection, now)
    OUTBOX_WORK.free_all(connection, now)


def sweep_all_work(connection: Connection, now: datetime) -> Swept:
    """Frees leases that ran out and wakes delayed work."""
    relays = OUTBOX_WORK.sweep(connection, now)
    calls = sweep_calls(connection, now)
    return Swept(expired=len(relays) + calls.expired, given_up=calls.given_up)
