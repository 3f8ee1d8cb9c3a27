"""Taking a recording that has no link: received whole, given an id by intake, then stored under its key."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from services.media.peers import Intake
from services.media.receive import receive_file
from services.media.scratch import scratch_file
from services.media.verdict import RecordingFormat
from services.shared.errors import Mnemonic, Refusal, Trouble
from services.shared.identity import AccountId
from services.shared.objects import ObjectStore
from services.shared.places import Places

log = structlog.get_logger()

SCHEME = "calldock-upload:"
"""What a call's `record_url` begins with to name such a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A file that is stored: what names it, its size in bytes, its SHA-256, and until when a call has to name it."""

    record_url: str
    size_bytes: int
    sha256: str
    expire_time: datetime


class HandingOver:
    """Takes files. What is received lies in a folder of its own below `scratch` until it is stored, or until the caller is gone."""

    def __init__(
        self, intake: Intake, objects: ObjectStore, scratch: Path, places: Places, upload_timeout_s: float
    ) -> None:
        self._intake = intake
        self._objects = objects
        self._scratch = scratch
        self._places = places
        self._upload_timeout_s = upload_timeout_s

    async def take(
        self, account_id: AccountId, pieces: AsyncIterator[bytes], size_bytes: int, kind: RecordingFormat
    ) -> Taken:
        """Stores a file of the declared size. Raises Refusal limit_exceeded, or for a file that is too large or comes otherwise; Busy, Trouble."""
        rules = await self._intake.audio_rules(account_id)
        if size_bytes > rules.max_size_bytes:
            why = f"the file is too large: {size_bytes:,} bytes, at most {rules.max_size_bytes:,} are taken"
            raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("size_bytes",), value=size_bytes, why=why)
        with (
            self._places.one(account_id),
            scratch_file(self._scratch, "put") as file,
        ):
            digests = await receive_file(pieces, size_bytes, file, self._upload_timeout_s)
            # Registered first: a file that was stored and is not known to anybody would stay for ever.
            registered = await self._intake.register_upload(account_id, kind, size_bytes, digests)
            try:
                await self._objects.put_file(registered.key, file)
            except Trouble:
                await self._drop(account_id, registered.upload_id)
                raise
        return Taken(
            record_url=f"{SCHEME}{registered.upload_id}",
            size_bytes=size_bytes,
            sha256=digests.sha256,
            expire_time=registered.expire_time,
        )

    async def _drop(self, account_id: AccountId, upload_id: str) -> None:
        try:
            await self._intake.drop_upload(account_id, upload_id)
        except Trouble as trouble:
            # It goes by itself after a day.
            log.warning("recording.not_dropped", account_id=account_id, reason=str(trouble))
