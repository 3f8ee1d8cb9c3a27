"""A call's work: what the fetch and process loops read and write, each step fenced by the lease's token."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.engine import Row

from services.intake.audio_settings import AudioSettings
from services.intake.draft import RecordingFormat
from services.intake.recording import (
    INTERNAL_ERROR,
    Fault,
    RecordingStatus,
    RecordingWork,
    Source,
    Verdict,
    call_fault,
)
from services.intake.status import CallStatus, begin, end
from services.intake.store.accounts import account_of
from services.intake.store.garbage import discard_keys, discard_lost
from services.intake.store.moves import move_call
from services.intake.store.tables import CALL_WORK, PROCESS, CallRow, RecordingRow
from services.shared.db.tables import table_of
from services.shared.db.work_table import Claim, Expired, Swept

_calls = table_of(CallRow)
_recordings = table_of(RecordingRow)

# Made once: building them anew for each call took longer than the database does.
_CALL = select(_calls).where(_calls.c.call_session_id == bindparam("key"))
_CALL_LOCKED = _CALL.with_for_update()
_RECORDINGS_OF_CALL = (
    select(_recordings).where(_recordings.c.call_session_id == bindparam("key")).order_by(_recordings.c.position)
)

MAX_EXPIRIES = 5
"""Leases of one stage that may run out before the call ends as internal_error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallWork:
    """A claimed call with its recordings, in upload order."""

    account_id: int
    call_session_id: int
    ext_id: str
    start_time: datetime
    new_time: datetime
    """When it last became new: by an upload or a reprocess."""
    audio: AudioSettings
    """What it is judged by: its account's settings at the claim."""
    recordings: list[RecordingWork]
    traceparent: str | None
    """The trace that the call belongs to."""

    @property
    def facts(self) -> dict[str, int]:
        """What a trace says of the call."""
        return {"calldock.account_id": self.account_id, "calldock.call_session_id": self.call_session_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedCall:
    """How a call with recordings ended."""

    status: CallStatus
    error_code: str | None


def begin_work(connection: Connection, claim: Claim, now: datetime) -> CallWork | None:
    """The claimed call; its status becomes in_process, which is announced once an upload. None when the lease is lost."""
    # The call before its work, as whoever changes the call has it.
    call = connection.execute(_CALL_LOCKED, {"key": claim.key}).first()
    if call is None or not CALL_WORK.holds(connection, claim.key, claim.token):
        return None
    move = begin(CallStatus(call.status))
    if move is not None:
        move_call(connection, call, move, now)
    return CallWork(
        account_id=call.account_id,
        call_session_id=call.call_session_id,
        ext_id=call.ext_id,
        start_time=call.start_time,
        new_time=call.new_time,
        audio=account_of(connection, call.account_id).audio,
        recordings=_recordings_of(connection, claim.key),
        traceparent=call.traceparent,
    )


def save_source(
    connection: Connection, claim: Claim, recording_ids: Sequence[int], source: Source, now: datetime
) -> bool:
    """Keeps a downloaded file for these recordings. With the lease lost, the file is garbage and the answer False."""
    if not CALL_WORK.holds(connection, claim.key, claim.token):
        discard_keys(connection, [source.key], now)
        return False
    _change(
        connection,
        recording_ids,
        status=RecordingStatus.FETCHED,
        source_key=source.key,
        source_size_bytes=source.size_bytes,
        source_sha256=source.sha256,
        source_sha512=source.sha512,
    )
    return True


def save_failure(connection: Connection, claim: Claim, recording_ids: Sequence[int], again: datetime) -> bool:
    """Notes that a download failed in a way that may pass, and when it is tried again. False when the lease is lost."""
    if not CALL_WORK.holds(connection, claim.key, claim.token):
        return False
    _change(connection, recording_ids, fetch_failures=_recordings.c.fetch_failures + 1, next_fetch_time=again)
    return True


def save_verdict(
    connection: Connection, claim: Claim, recording_ids: Sequence[int], verdict: Verdict, now: datetime
) -> bool:
    """Keeps the verdict on these recordings. With the lease lost, the MP3 is garbage and the answer False."""
    if not CALL_WORK.holds(connection, claim.key, claim.token):
        if verdict.audio_key is not None:
            discard_uncommitted(connection, claim.key, verdict.audio_key, now)
        return False
    fault = verdict.fault
    _discard_replaced(connection, claim.key, recording_ids, verdict.audio_key, now)
    _change(
        connection,
        recording_ids,
        status=RecordingStatus.REFUSED if fault else RecordingStatus.ACCEPTED,
        error_code=fault.code if fault else None,
        error_message=fault.message if fault else "",
        audio_report=verdict.report,
        audio_key=verdict.audio_key,
        audio_size_bytes=verdict.audio_size_bytes,
    )
    return True


def discard_uncommitted(connection: Connection, call_session_id: int, key: str, now: datetime) -> None:
    """Notes a key to be deleted unless a recording of the call has it as its source (an MP3 recording's MP3 is its source)."""
    kept = connection.execute(
        select(_recordings.c.source_key).where(_recordings.c.call_session_id == call_session_id)
    ).scalars()
    if key not in set(kept):
        discard_keys(connection, [key], now)


def _discard_replaced(
    connection: Connection, call_session_id: int, recording_ids: Sequence[int], audio_key: str | None, now: datetime
) -> None:
    """Notes the MP3s of an earlier verdict to be deleted. One that is a source, or another recording's too, stays."""
    wanted = select(_recordings.c.recording_id, _recordings.c.source_key, _recordings.c.audio_key)
    rows = connection.execute(wanted.where(_recordings.c.call_session_id == call_session_id)).all()
    replaced = {row.audio_key for row in rows if row.recording_id in recording_ids}
    kept = {row.source_key for row in rows} | {row.audio_key for row in rows if row.recording_id not in recording_ids}
    discard_keys(connection, [key for key in replaced - kept - {None, audio_key} if key is not None], now)


def finish_fetch(connection: Connection, claim: Claim, now: datetime) -> EndedCall | bool:
    """All recordings are here, refused, or wait for their next try: the call waits for the first of those, or goes on to processing, or to its end when nothing is left to process. Answers that end, or whether the lease was still ours."""
    recordings = _recordings_of(connection, claim.key)
    tries = [
        recording.next_fetch_time or now for recording in recordings if recording.status is RecordingStatus.WAITING
    ]
    if tries:
        return CALL_WORK.delay(connection, claim.key, claim.token, min(tries))
    if any(recording.status is RecordingStatus.FETCHED for recording in recordings):
        return CALL_WORK.advance(connection, claim.key, claim.token, stage=PROCESS, now=now)
    return finish_call(connection, claim, now) or False


def finish_call(connection: Connection, claim: Claim, now: datetime) -> EndedCall | None:
    """All recordings have a verdict: the call's status, its announcement and the end of its work, together. None when the lease is lost."""
    call = connection.execute(_CALL_LOCKED, {"key": claim.key}).first()
    if call is None or not CALL_WORK.finish(connection, claim.key, claim.token):
        return None
    return _end(connection, call, now)


def sweep_calls(connection: Connection, now: datetime) -> Swept:
    """Frees leases that ran out and wakes delayed work; a call that lost too many ends as internal_error."""
    lost = CALL_WORK.sweep(connection, now)
    discard_lost(connection, lost, now)
    given_up = [lease for lease in lost if lease.expiries >= MAX_EXPIRIES]
    for lease in given_up:
        _give_up(connection, lease, now)
    return Swept(expired=len(lost), given_up=[lease.key for lease in given_up])


def free_calls(connection: Connection, now: datetime) -> int:
    """At the start of the database's only owner: frees what its predecessor held. Answers how many leases that were."""
    lost = CALL_WORK.free_all(connection, now)
    discard_lost(connection, lost, now)
    return len(lost)


def _give_up(connection: Connection, lease: Expired, now: datetime) -> None:
    unfinished = [
        recording.recording_id
        for recording in _recordings_of(connection, lease.key)
        if recording.status in (RecordingStatus.WAITING, RecordingStatus.FETCHED)
    ]
    fault = Fault(
        code=INTERNAL_ERROR, message=f"could not be processed: {lease.expiries} attempts did not come to an end"
    )
    _change(connection, unfinished, status=RecordingStatus.REFUSED, error_code=fault.code, error_message=fault.message)
    CALL_WORK.drop(connection, [lease.key])
    _end(connection, connection.execute(_CALL, {"key": lease.key}).one(), now)


def _end(connection: Connection, call: "Row[tuple[object, ...]]", now: datetime) -> EndedCall:
    fault = call_fault(_recordings_of(connection, call.call_session_id))
    move = end(CallStatus(call.status), failed=fault is not None)
    move_call(connection, call, move, now, fault)
    return EndedCall(status=move.status, error_code=fault.code if fault else None)


def _recordings_of(connection: Connection, call_session_id: int) -> list[RecordingWork]:
    found = connection.execute(_RECORDINGS_OF_CALL, {"key": call_session_id})
    return [
        RecordingWork(
            recording_id=row.recording_id,
            position=row.position,
            format=RecordingFormat(row.format),
            employee_channel=row.employee_channel,
            url=row.url,
            status=RecordingStatus(row.status),
            source_key=row.source_key,
            error_code=row.error_code,
            error_message=row.error_message,
            fetch_failures=row.fetch_failures,
            next_fetch_time=row.next_fetch_time,
        )
        for row in found
    ]


def _change(connection: Connection, recording_ids: Sequence[int], **values: object) -> None:
    connection.execute(update(_recordings).where(_recordings.c.recording_id.in_(recording_ids)).values(**values))
