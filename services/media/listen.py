"""Recordings for people, streamed from the object store: the MP3 of an accepted one, and its file as it came."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from services.media.peers import Intake
from services.media.verdict import RecordingFormat
from services.shared.errors import not_found
from services.shared.identity import AccountId
from services.shared.objects import ObjectMissing, ObjectStore


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that streams: its kind, its size in bytes, and the pieces."""

    format: RecordingFormat
    size_bytes: int
    pieces: AsyncIterator[bytes]


class Listening:
    """Opens recordings for the accounts that own them. Raises Refusal entity_not_found, Trouble when intake or the store is away."""

    def __init__(self, intake: Intake, objects: ObjectStore) -> None:
        self._intake = intake
        self._objects = objects

    async def open_audio(self, account_id: AccountId, recording_id: int) -> Opened:
        """The MP3 of an accepted recording."""
        key = await self._intake.audio_key(account_id, recording_id)
        return await self._open(key, RecordingFormat.MP3, recording_id, "there is no such recording to listen to")

    async def open_source(self, account_id: AccountId, recording_id: int) -> Opened:
        """The file as it was downloaded or handed over, while it is kept."""
        key, kind = await self._intake.source_object(account_id, recording_id)
        return await self._open(key, kind, recording_id, "there is no such recording, or its file is not here")

    async def _open(self, key: str, kind: RecordingFormat, recording_id: int, why: str) -> Opened:
        try:
            size_bytes, pieces = await self._objects.stream(key)
        except ObjectMissing as missing:
            raise not_found("recording_id", recording_id, why) from missing
        return Opened(kind, size_bytes, pieces)
