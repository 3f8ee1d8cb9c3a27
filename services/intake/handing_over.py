"""Taking files that have no link: media receives one, intake gives it an id and a key before media stores it."""

import secrets

from services.intake.draft import RecordingFormat
from services.intake.handed_over import HandedOver
from services.intake.store.handed_over import drop_file, register_file
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.identity import AccountId

ID_BYTES = 18


class HandingOver:
    """Registers files."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def register(
        self, account_id: AccountId, kind: RecordingFormat, size_bytes: int, sha256: str, sha512: str
    ) -> HandedOver:
        """The file with an id that nobody guesses. Raises Refusal account_inactive, limit_exceeded."""
        upload_id = secrets.token_urlsafe(ID_BYTES)
        return await self._db.write(
            register_file, account_id, upload_id, kind, size_bytes, sha256, sha512, self._clock.now()
        )

    async def drop(self, account_id: AccountId, upload_id: str) -> None:
        """Takes back a file that could not be stored."""
        await self._db.write(drop_file, account_id, upload_id, self._clock.now())
