"""Files that were handed over: registered before they are stored, named by one call, gone when none names them in time."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, select, update

from services.intake.call import CheckedCall
from services.intake.draft import RecordingFormat
from services.intake.handed_over import KEEP, MOST_WAITING_BYTES, HandedOver, handed_over_key, upload_id_of
from services.intake.store.accounts import get_account
from services.intake.store.garbage import LATE_WRITES, discard_keys, keep_objects
from services.intake.store.tables import HandedOverRow
from services.shared.db.locks import Lock, take
from services.shared.db.tables import table_of
from services.shared.errors import Mnemonic, Refusal
from services.shared.identity import AccountId

_files = table_of(HandedOverRow)


def register_file(
    connection: Connection,
    account_id: AccountId,
    upload_id: str,
    kind: RecordingFormat,
    size_bytes: int,
    sha256: str,
    sha512: str,
    now: datetime,
) -> HandedOver:
    """Notes a file that is about to be stored, and that it goes when no call names it in time. Raises Refusal account_inactive, limit_exceeded."""
    take(connection, Lock.ACCOUNT, account_id)
    get_account(connection, account_id)
    waiting = connection.execute(
        select(func.coalesce(func.sum(_files.c.size_bytes), 0)).where(
            _files.c.account_id == account_id, _files.c.call_session_id.is_(None), _files.c.expire_time > now
        )
    ).scalar_one()
    if waiting + size_bytes > MOST_WAITING_BYTES:
        raise Refusal(
            Mnemonic.LIMIT_EXCEEDED,
            why=f"files that no call has named yet hold {waiting:,} bytes, at most {MOST_WAITING_BYTES:,} may wait",
            params={"limit_type": "bytes of waiting files", "limit_max_value": str(MOST_WAITING_BYTES)},
            retry_after_s=3600.0,
        )
    key = handed_over_key(account_id, upload_id, kind)
    file = HandedOver(
        upload_id=upload_id,
        key=key,
        format=kind,
        size_bytes=size_bytes,
        sha256=sha256,
        sha512=sha512,
        expire_time=now + KEEP,
        call_session_id=None,
    )
    # Later than a call may name it, so that the deletion of an object never meets a call that has just named it.
    discard_keys(connection, [key], file.expire_time + LATE_WRITES)
    connection.execute(
        insert(_files).values(
            account_id=account_id,
            upload_id=upload_id,
            key=key,
            format=kind,
            size_bytes=size_bytes,
            sha256=sha256,
            sha512=sha512,
            expire_time=file.expire_time,
        )
    )
    return file


def drop_file(connection: Connection, account_id: AccountId, upload_id: str, now: datetime) -> None:
    """Takes back a file that could not be stored, unless a call has named it: it counts no more, and what may have been written goes soon."""
    take(connection, Lock.ACCOUNT, account_id)
    mine = (_files.c.account_id == account_id, _files.c.upload_id == upload_id, _files.c.call_session_id.is_(None))
    key = connection.execute(select(_files.c.key).where(*mine)).scalar()
    if key is not None:
        keep_objects(connection, [key])
        discard_keys(connection, [key], now + LATE_WRITES)


def load_files(connection: Connection, account_id: int, calls: Sequence[CheckedCall]) -> dict[str, HandedOver]:
    """Those of the files that the calls name which the account has, by id."""
    named = {upload_id_of(record.url) for call in calls for record in call.records} - {None}
    if not named:
        return {}
    found = connection.execute(select(_files).where(_files.c.account_id == account_id, _files.c.upload_id.in_(named)))
    return {
        row.upload_id: HandedOver(
            upload_id=row.upload_id,
            key=row.key,
            format=RecordingFormat(row.format),
            size_bytes=row.size_bytes,
            sha256=row.sha256,
            sha512=row.sha512,
            expire_time=row.expire_time,
            call_session_id=row.call_session_id,
        )
        for row in found
    }


def give_files(connection: Connection, account_id: int, owners: Sequence[tuple[HandedOver, int]]) -> None:
    """The files belong to these calls from now on, and stay as long as theirs do."""
    if not owners:
        return
    keep_objects(connection, [file.key for file, _ in owners])
    connection.execute(
        update(_files)
        .where(_files.c.account_id == account_id, _files.c.upload_id == bindparam("named"))
        .values(call_session_id=bindparam("owner")),
        [{"named": file.upload_id, "owner": call_session_id} for file, call_session_id in owners],
    )
