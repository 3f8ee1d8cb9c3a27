"""Objects that nothing points to any more. Their keys are written down in the transaction that lets them go; nobody ever lists a bucket."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select

from services.intake.draft import RecordingFormat
from services.intake.handed_over import is_handed_over
from services.intake.recording import object_key, source_extension
from services.intake.store.tables import PROCESS, HandedOverRow, ObjectGarbageRow, RecordingRow
from services.shared.db.dialects import Sql, rows_text
from services.shared.db.tables import table_of
from services.shared.db.work_table import Claim, Expired

_garbage = table_of(ObjectGarbageRow)
_recordings = table_of(RecordingRow)
_files = table_of(HandedOverRow)

LATE_WRITES = timedelta(minutes=10)
"""How much longer a worker that lost its lease may still write: beyond every deadline of a step."""


def discard_keys(connection: Connection, keys: Sequence[str], not_before: datetime) -> None:
    """Notes keys to be deleted; one that is noted already goes at the earlier of the two times. A file among them that was handed over can be named no more."""
    if keys:
        rows = [[key, not_before] for key in sorted(set(keys))]
        _NOTE.change(connection, {"rows": rows_text(rows)})
    _forget_files(connection, keys)


def keep_objects(connection: Connection, keys: Sequence[str]) -> None:
    """Takes keys back that were noted."""
    connection.execute(delete(_garbage).where(_garbage.c.key.in_(keys)))


def discard_objects(
    connection: Connection, call_session_ids: Sequence[int], now: datetime, kept: Collection[str] = ()
) -> None:
    """Notes all objects of the calls to be deleted, but for the `kept` keys."""
    found = connection.execute(
        select(_recordings.c.source_key, _recordings.c.audio_key).where(
            _recordings.c.call_session_id.in_(call_session_ids)
        )
    )
    discard_keys(connection, [key for row in found for key in row if key is not None and key not in kept], now)


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


def due_keys(connection: Connection, now: datetime, most: int) -> list[str]:
    """Keys of objects that may be deleted now, longest due first."""
    wanted = select(_garbage.c.key).where(_garbage.c.not_before <= now).order_by(_garbage.c.not_before).limit(most)
    return list(connection.execute(wanted).scalars())


def forget_keys(connection: Connection, keys: Sequence[str]) -> None:
    """The objects under these keys are gone."""
    connection.execute(delete(_garbage).where(_garbage.c.key.in_(keys)))
    _forget_files(connection, keys)


def _forget_files(connection: Connection, keys: Sequence[str]) -> None:
    handed_over = [key for key in keys if is_handed_over(key)]
    if handed_over:
        connection.execute(delete(_files).where(_files.c.key.in_(handed_over)))


_NOTE = Sql("""
INSERT INTO object_garbage AS g (key, not_before) SELECT r[0]::text, r[1]::bigint FROM EACH(:rows) AS r WHERE true
ON CONFLICT (key) DO UPDATE SET not_before = excluded.not_before WHERE g.not_before > excluded.not_before
""")
