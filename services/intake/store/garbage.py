"""Objects that nothing points to any more. Their keys are written down in the transaction that lets them go; nobody ever lists a bucket."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from services.intake.draft import RecordingFormat
from services.intake.recording import object_key, source_extension
from services.intake.store.tables import PROCESS, ObjectGarbageRow, RecordingRow
from services.shared.db.tables import insert_missing, table_of
from services.shared.db.work_table import Claim, Expired

_garbage = table_of(ObjectGarbageRow)
_recordings = table_of(RecordingRow)

LATE_WRITES = timedelta(minutes=10)
"""How much longer a worker that lost its lease may still write: beyond every deadline of a step."""


def discard_keys(connection: Connection, keys: Sequence[str], not_before: datetime) -> None:
    """Notes keys to be deleted."""
    insert_missing(connection, _garbage, [{"key": key, "not_before": not_before} for key in sorted(set(keys))])


def discard_objects(connection: Connection, call_session_ids: Sequence[int], now: datetime) -> None:
    """Notes all objects of the calls to be deleted."""
    found = connection.execute(
        select(_recordings.c.source_key, _recordings.c.audio_key).where(
            _recordings.c.call_session_id.in_(call_session_ids)
        )
    )
    discard_keys(connection, [key for row in found for key in row if key is not None], now)


def discard_let_go(connection: Connection, claim: Claim, stage: int, now: datetime) -> None:
    """As `discard_lost`, for a holder that gives its piece back: it may have asked for objects whose answers it did not see."""
    lease = Expired(key=claim.key, account_id=claim.account_id, stage=stage, token=claim.token, expiries=claim.expiries)
    discard_lost(connection, [lease], now)


def discard_lost(connection: Connection, lost: Sequence[Expired], now: datetime) -> None:
    """Notes what holders of lost leases may have written, or may still write, without it being committed."""
    keys: list[str] = []
    for lease in lost:
        found = connection.execute(
            select(
                _recordings.c.recording_id, _recordings.c.format, _recordings.c.source_key, _recordings.c.audio_key
            ).where(_recordings.c.call_session_id == lease.key)
        ).all()
        kept = {key for row in found for key in (row.source_key, row.audio_key)}
        for row in found:
            extension = "mp3" if lease.stage == PROCESS else source_extension(RecordingFormat(row.format))
            keys.append(object_key(lease.account_id, lease.key, row.recording_id, lease.token, extension))
        keys = [key for key in keys if key not in kept]
    discard_keys(connection, keys, now + LATE_WRITES)
