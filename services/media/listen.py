"""Listening: the MP3 of an accepted recording, streamed from the object store."""

from collections.abc import AsyncIterator

from services.media.peers import Intake
from services.shared.errors import not_found
from services.shared.identity import AccountId
from services.shared.objects import ObjectMissing, ObjectStore


class Listening:
    """Opens recordings for the accounts that own them."""

    def __init__(self, intake: Intake, objects: ObjectStore) -> None:
        self._intake = intake
        self._objects = objects

    async def open(self, account_id: AccountId, recording_id: int) -> tuple[int, AsyncIterator[bytes]]:
        """Size in bytes and the pieces. Raises Refusal entity_not_found, Trouble when intake or the store is away."""
        key = await self._intake.audio_key(account_id, recording_id)
        try:
            return await self._objects.stream(key)
        except ObjectMissing as missing:
            raise not_found("recording_id", recording_id, "there is no such recording to listen to") from missing
