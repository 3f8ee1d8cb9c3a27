"""Recordings for people, streamed from the object store: the MP3 of an accepted one, and its file as it came."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

from services.media.peers import Intake
from services.media.playback import PATH, Playback, sign
from services.media.verdict import RecordingFormat
from services.shared.clock import Clock
from services.shared.errors import Mnemonic, Refusal, not_found
from services.shared.identity import AccountId
from services.shared.objects import ObjectMissing, ObjectStore


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that streams: its kind, its size in bytes, and the pieces."""

    format: RecordingFormat
    size_bytes: int
    pieces: AsyncIterator[bytes]


class LinkMaker:
    """Makes links for players. Raises Refusal entity_not_found, Trouble when intake is away."""

    def __init__(self, intake: Intake, key: bytes | None, lifetime: timedelta, clock: Clock) -> None:
        """Without a key, none can be made."""
        self._intake = intake
        self._key = key
        self._lifetime = lifetime
        self._clock = clock

    async def make(self, account_id: AccountId, recording_id: int) -> tuple[str, Playback]:
        """The path at the front door, and what it gives. Raises Refusal method_component_disabled where no links are served."""
        if self._key is None:
            why = "no playback links are served here"
            raise Refusal(Mnemonic.METHOD_COMPONENT_DISABLED, why=why, params={"components": "playback"})
        await self._intake.audio_key(account_id, recording_id)
        until = (self._clock.now() + self._lifetime).replace(microsecond=0)
        playback = Playback(account_id=account_id, recording_id=recording_id, expire_time=until)
        return PATH + sign(playback, self._key), playback


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
