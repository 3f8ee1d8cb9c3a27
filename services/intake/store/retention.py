"""What is over by the retention of its account: calls, audio, downloaded files, remembered ext_ids. Finding is for readers; letting go looks again, in a transaction of a few rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, delete, select, update

from services.intake.retention import RetentionDefaults
from services.intake.status import AT_REST
from services.intake.store.garbage import discard_keys
from services.intake.store.tables import AccountRow, CallRow, RecordingRow, RememberedExtIdRow
from services.shared.db.tables import table_of

_accounts = table_of(AccountRow)
_calls = table_of(CallRow)
_recordings = table_of(RecordingRow)
_remembered = table_of(RememberedExtIdRow)

_at_rest = _calls.c.status.in_(AT_REST)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountKeeps:
    """An account that forgets by itself: how long it keeps calls, their ext_ids after that, and notifications; None is as the operator has it."""

    account_id: int
    calls: timedelta | None
    ext_ids: timedelta | None
    payloads: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAudio:
    """A recording whose audio is here, and those of its objects whose time is over."""

    recording_id: int
    source_key: str | None
    audio_key: str | None
    over: frozenset[str]


def forgetting_accounts(connection: Connection, after: int, most: int) -> list[AccountKeeps]:
    """Accounts beyond a number that keep calls or notifications for a time, in the order of their numbers."""
    wanted = (
        select(_accounts)
        .where(
            _accounts.c.account_id > after,
            _accounts.c.calls_keep_s.is_not(None) | _accounts.c.payloads_keep_s.is_not(None),
        )
        .order_by(_accounts.c.account_id)
        .limit(most)
    )
    return [
        AccountKeeps(
            account_id=row.account_id,
            calls=_span(row.calls_keep_s),
            ext_ids=_span(row.ext_ids_keep_s),
            payloads=_span(row.payloads_keep_s),
        )
        for row in connection.execute(wanted)
    ]


def calls_over(
    connection: Connection, account_id: int, began_before: datetime, unchanged_since: datetime, most: int
) -> list[int]:
    """Calls of the account that began before a moment and are at rest, unchanged since another, oldest first."""
    wanted = (
        select(_calls.c.call_session_id)
        .where(
            _calls.c.account_id == account_id,
            _calls.c.start_time < began_before,
            _calls.c.status_time <= unchanged_since,
            _at_rest,
        )
        .order_by(_calls.c.start_time)
        .limit(most)
    )
    return list(connection.execute(wanted).scalars())


def kept_audio(
    connection: Connection, after: int, most: int, defaults: RetentionDefaults, now: datetime
) -> list[KeptAudio]:
    """Recordings beyond a number whose audio is here, in the order of their numbers."""
    kept = _recordings.c.source_key.is_not(None) | _recordings.c.audio_key.is_not(None)
    wanted = _AUDIO.where(_recordings.c.recording_id > after, kept).order_by(_recordings.c.recording_id).limit(most)
    return [_kept(row, defaults, now) for row in connection.execute(wanted)]


def let_audio_go(
    connection: Connection, recording_ids: Sequence[int], defaults: RetentionDefaults, now: datetime
) -> int:
    """Lets go what is over of these recordings. Answers how many lost something."""
    wanted = _AUDIO.where(_recordings.c.recording_id.in_(recording_ids)).order_by(_calls.c.call_session_id)
    # The call before its parts, as whoever changes the call has it.
    locked = wanted.with_for_update(of=[_calls, _recordings])
    found = [kept for row in connection.execute(locked) if (kept := _kept(row, defaults, now)).over]
    for each in found:
        gone: dict[str, None] = {}
        if each.source_key in each.over:
            gone |= {"source_key": None}
        if each.audio_key in each.over:
            gone |= {"audio_key": None, "audio_size_bytes": None}
        connection.execute(update(_recordings).where(_recordings.c.recording_id == each.recording_id).values(gone))
    discard_keys(connection, [key for each in found for key in each.over], now)
    return len(found)


def forget_ext_ids(connection: Connection, now: datetime, most: int) -> int:
    """Lets up to so many remembered ext_ids go whose time is over. Answers how many."""
    over = (
        select(_remembered.c.account_id, _remembered.c.ext_id_sha256)
        .where(_remembered.c.forget_time <= now)
        .order_by(_remembered.c.forget_time)
        .limit(most)
    )
    found = connection.execute(over).all()
    if found:
        connection.execute(_FORGET_EXT_ID, [{"account": row.account_id, "hash": row.ext_id_sha256} for row in found])
    return len(found)


def _kept(row: Row[Any], defaults: RetentionDefaults, now: datetime) -> KeptAudio:
    keys = {row.source_key, row.audio_key} - {None}
    keep = _span(row.recordings_keep_s)
    sources = _span(row.sources_keep_s) or defaults.sources
    over: set[str] = set()
    if row.status in AT_REST:
        if row.source_key != row.audio_key and row.status_time <= now - sources:
            over |= {row.source_key} - {None}
        if keep is not None and row.start_time < now - keep and row.status_time <= now - defaults.unchanged:
            over |= keys
    return KeptAudio(
        recording_id=row.recording_id, source_key=row.source_key, audio_key=row.audio_key, over=frozenset(over)
    )


def _span(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


_AUDIO: "Select[Any]" = (
    select(
        _recordings.c.recording_id,
        _recordings.c.source_key,
        _recordings.c.audio_key,
        _calls.c.status,
        _calls.c.status_time,
        _calls.c.start_time,
        _accounts.c.recordings_keep_s,
        _accounts.c.sources_keep_s,
    )
    .join(_calls, _calls.c.call_session_id == _recordings.c.call_session_id)
    .join(_accounts, _accounts.c.account_id == _recordings.c.account_id)
)
_FORGET_EXT_ID = delete(_remembered).where(
    and_(_remembered.c.account_id == bindparam("account"), _remembered.c.ext_id_sha256 == bindparam("hash"))
)
