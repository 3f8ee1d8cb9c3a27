"""The outbox: notifications committed with the change that they tell of, until notify has them."""

import os
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select

from services.intake.events import Announcement
from services.intake.store.tables import OUTBOX_WORK, OutboxRow
from services.shared.db.bulk import insert_all
from services.shared.db.tables import table_of
from services.shared.db.work_table import Claim
from services.shared.ids import uuid7

_outbox = table_of(OutboxRow)

HANDED_OVER_AT_ONCE = 100


def announce(connection: Connection, announcements: Sequence[Announcement], now: datetime) -> None:
    """Writes the outbox rows of events that receivers asked for. The caller stores `seq_after` in the call."""
    rows = [
        {
            "notification_id": uuid7(now, os.urandom(10)),
            "call_session_id": each.call_session_id,
            "account_id": each.account_id,
            "ext_id": each.ext_id,
            "seq": each.event_seq + place + 1,
            "previous_seq": each.event_seq + place,
            "url": each.callback_url,
            "event": event,
            "event_time": now,
            "error_code": each.error_code,
            "error_message": each.error_message,
            "traceparent": each.traceparent,
        }
        for each in announcements
        for place, event in enumerate(each.told)
    ]
    if rows:
        insert_all(connection, _outbox, rows)
        OUTBOX_WORK.ensure(
            connection, [(each.call_session_id, each.account_id) for each in announcements if each.told], now
        )


def pending(connection: Connection, call_session_id: int) -> list[OutboxRow]:
    """The call's notifications that notify has not taken over, in order, up to 100."""
    found = connection.execute(
        select(_outbox)
        .where(_outbox.c.call_session_id == call_session_id)
        .order_by(_outbox.c.seq)
        .limit(HANDED_OVER_AT_ONCE)
    )
    return [OutboxRow(**row) for row in found.mappings()]


def settle(connection: Connection, claim: Claim, last_seq: int, now: datetime) -> None:
    """Notify has the call's notifications up to `last_seq`: their rows go, and the work too when nothing is left."""
    if not OUTBOX_WORK.holds(connection, claim.key, claim.token):
        return
    connection.execute(delete(_outbox).where(_outbox.c.call_session_id == claim.key, _outbox.c.seq <= last_seq))
    left = connection.execute(select(_outbox.c.seq).where(_outbox.c.call_session_id == claim.key).limit(1)).first()
    if left is None:
        OUTBOX_WORK.finish(connection, claim.key, claim.token)
    else:
        OUTBOX_WORK.release(connection, claim.key, claim.token, now)
