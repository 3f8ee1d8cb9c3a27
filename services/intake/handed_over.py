"""Files that were handed over instead of a link: how a call names them, and which it may name (docs/contract.md 6, beyond the contract)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.intake.call import CheckedCall
from services.intake.draft import RecordingFormat
from services.shared.errors import Mnemonic, Refusal

SCHEME = "calldock-upload:"
NAMED = re.compile(re.escape(SCHEME) + r"[0-9A-Za-z_-]{1,64}")
"""How a `record_url` names a file that was handed over."""

KEEP = timedelta(hours=24)
"""How long a file waits for the call that names it."""
MOST_WAITING_BYTES = 20 * 1024**3
"""What an account's files that no call has named yet may weigh together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """A file in the object store: its key, size in bytes and digests. `call_session_id` is the call that named it, `expire_time` until when one may."""

    upload_id: str
    key: str
    format: RecordingFormat
    size_bytes: int
    sha256: str
    sha512: str
    expire_time: datetime
    call_session_id: int | None


def upload_id_of(url: str) -> str | None:
    """The id in a `record_url` that names such a file; None for a link."""
    return url.removeprefix(SCHEME) if url.startswith(SCHEME) else None


def handed_over_key(account_id: int, upload_id: str, kind: RecordingFormat) -> str:
    """Where such a file lies."""
    return f"{account_id}/uploads/{upload_id}.{kind.value}"


def is_handed_over(key: str) -> bool:
    """Whether such a file lies under the key of an object."""
    return key.partition("/")[2].startswith("uploads/")


def first_named(calls: Sequence[CheckedCall]) -> dict[str, int]:
    """The place in its request of the first call that names each file."""
    first: dict[str, int] = {}
    for call in calls:
        for record in call.records:
            upload_id = upload_id_of(record.url)
            if upload_id is not None:
                first.setdefault(upload_id, call.place)
    return first


def check_handed_over(
    call: CheckedCall,
    call_session_id: int | None,
    files: Mapping[str, HandedOver],
    first: Mapping[str, int],
    now: datetime,
) -> list[Refusal]:
    """What speaks against the files that a call names: one is there for one call of the account, which may be uploaded again with it."""
    refusals = []
    for place, record in enumerate(call.records):
        upload_id = upload_id_of(record.url)
        if upload_id is None:
            continue
        path = ("calls", call.place, f"{record.format}_records", place, "record_url")
        file = files.get(upload_id)
        if file is None or (file.call_session_id is None and file.expire_time <= now):
            why = "the account has handed over no such file, or it is no longer kept: hand it over again"
            refusals.append(Refusal(Mnemonic.ENTITY_NOT_FOUND, path=path, value=record.url, why=why))
        elif file.format is not record.format:
            why = f"the file was handed over as {file.format}, not as {record.format}"
            refusals.append(Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=path, value=record.url, why=why))
        elif file.call_session_id not in (None, call_session_id) or first[upload_id] != call.place:
            why = "the file belongs to another call: hand it over once for each"
            refusals.append(Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=path, value=record.url, why=why))
    return refusals
