"""Cancelling a call, and judging it anew: each in one transaction that fences whoever works on it."""

from datetime import datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.engine import Row

from services.intake.handed_over import upload_id_of
from services.intake.recording import RecordingStatus
from services.intake.status import CallStatus, ImpossibleMove, cancel, reprocess
from services.intake.store.accounts import account_of
from services.intake.store.moves import move_call
from services.intake.store.tables import CALL_WORK, FETCH, CallRow, RecordingRow
from services.shared.db.tables import table_of
from services.shared.errors import Mnemonic, Refusal, not_found
from services.shared.identity import AccountId

_calls = table_of(CallRow)
_recordings = table_of(RecordingRow)


def cancel_call(connection: Connection, account_id: AccountId, call_session_id: int, now: datetime) -> None:
    """Stops a call before work began. Raises Refusal when there is no such call, or work began."""
    call = _call(connection, account_id, call_session_id)
    try:
        move = cancel(CallStatus(call.status))
    except ImpossibleMove as error:
        raise _stands_elsewhere(call.status, "only a call that waits can be cancelled") from error
    if move is not None:
        CALL_WORK.drop(connection, [call_session_id])
        move_call(connection, call, move, now)


def reprocess_call(connection: Connection, account_id: AccountId, call_session_id: int, now: datetime) -> None:
    """Makes a call that ended new again: recordings that were refused, or judged by other rules, lose their verdict and keep their file.

    Raises Refusal when there is no such call, or it was cancelled.
    """
    call = _call(connection, account_id, call_session_id)
    rules_version = account_of(connection, account_id).audio.version
    recordings = connection.execute(select(_recordings).where(_recordings.c.call_session_id == call_session_id)).all()
    try:
        move = reprocess(CallStatus(call.status), has_recordings=bool(recordings))
    except ImpossibleMove as error:
        raise _stands_elsewhere(call.status, "a cancelled call is uploaded again instead") from error
    if move is None:
        return
    for recording in recordings:
        judged_by = (recording.audio_report or {}).get("rules_version")
        if recording.status == RecordingStatus.ACCEPTED and judged_by == rules_version:
            continue
        if recording.status == RecordingStatus.ACCEPTED and not recording.source_key and upload_id_of(recording.url):
            # Its file is gone and can be had nowhere: what was made of it stays.
            continue
        fresh = RecordingStatus.FETCHED if recording.source_key else RecordingStatus.WAITING
        connection.execute(
            update(_recordings)
            .where(_recordings.c.recording_id == recording.recording_id)
            .values(status=fresh, fetch_failures=0, next_fetch_time=None)
        )
    if recordings:
        CALL_WORK.add(connection, [(call_session_id, account_id)], now, stage=FETCH)
    move_call(connection, call, move, now)


def _call(connection: Connection, account_id: AccountId, call_session_id: int) -> "Row[tuple[object, ...]]":
    wanted = select(_calls).where(_calls.c.account_id == account_id, _calls.c.call_session_id == call_session_id)
    found = connection.execute(wanted.with_for_update()).first()
    if found is None:
        raise not_found("call_session_id", call_session_id, "there is no such call")
    return found


def _stands_elsewhere(status: str, why: str) -> Refusal:
    return Refusal(
        Mnemonic.INVALID_PARAMETER_VALUE,
        path=("call_session_id",),
        why=f"the call is {status}: {why}",
        grpc_code="FAILED_PRECONDITION",
    )
