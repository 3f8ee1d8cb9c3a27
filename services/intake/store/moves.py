"""A call's change of status, written together with what it announces."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, update
from sqlalchemy.engine import Row

from services.intake.events import Announcement
from services.intake.recording import Fault
from services.intake.status import CallStatus, Move
from services.intake.store.change_log import note_changes
from services.intake.store.outbox import announce
from services.intake.store.tables import CallRow
from services.shared.db.tables import table_of

_calls = table_of(CallRow)
_CHANGED = ("status", "status_time", "error_code", "error_message", "event_seq")
_MOVED = update(_calls).where(_calls.c.call_session_id == bindparam("moved"))
_MOVE = _MOVED.values({name: bindparam(name) for name in _CHANGED})
_RENEW = _MOVED.values({name: bindparam(name) for name in (*_CHANGED, "new_time")})


def move_call(
    connection: Connection, call: "Row[tuple[object, ...]]", move: Move, now: datetime, fault: Fault | None = None
) -> None:
    """Moves a call; `call` is its row as it stands. A fault is the call's error, none clears it."""
    announcement = Announcement(
        call_session_id=call.call_session_id,
        account_id=call.account_id,
        ext_id=call.ext_id,
        callback_url=call.callback_url,
        asked=call.callback_events.split(","),
        event_seq=call.event_seq,
        events=move.events,
        error_code=fault.code if fault else None,
        error_message=fault.message if fault else "",
        traceparent=call.traceparent,
    )
    values = {
        "moved": call.call_session_id,
        "status": move.status,
        "status_time": now,
        "error_code": announcement.error_code,
        "error_message": announcement.error_message,
        "event_seq": announcement.seq_after,
    }
    if move.status is CallStatus.NEW:
        values["new_time"] = now
    connection.execute(_RENEW if move.status is CallStatus.NEW else _MOVE, values)
    announce(connection, [announcement], now)
    note_changes(connection, call.account_id, [(call.call_session_id, move.status)], now)
