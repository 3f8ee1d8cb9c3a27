"""Reading calls back, a page at a time."""

from services.intake.call_filter import CallFilter
from services.intake.draft import RecordingFormat
from services.intake.store.change_log import list_with_last_change
from services.intake.store.reading import StoredCall, audio_key, get_call, lookup_call, source_object
from services.shared.db.database import Database
from services.shared.identity import AccountId
from services.shared.paging import Page, page_of, page_token_below, read_number_token, size_of


class Readback:
    """What the doors read calls through."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, account_id: AccountId, call_session_id: int) -> StoredCall:
        """One call by our number. Raises Refusal entity_not_found."""
        return await self._db.read(get_call, account_id, call_session_id)

    async def lookup(self, account_id: AccountId, ext_id: str) -> StoredCall:
        """One call by the account's id. Raises Refusal entity_not_found."""
        return await self._db.read(lookup_call, account_id, ext_id)

    async def audio_key(self, account_id: AccountId, recording_id: int) -> str:
        """The key of a recording's MP3. Raises Refusal entity_not_found."""
        return await self._db.read(audio_key, account_id, recording_id)

    async def source_object(self, account_id: AccountId, recording_id: int) -> tuple[str, RecordingFormat]:
        """The key of a recording's file as it came, and its kind. Raises Refusal entity_not_found."""
        return await self._db.read(source_object, account_id, recording_id)

    async def page(
        self, account_id: AccountId, wanted: CallFilter, page_size: int, page_token: str
    ) -> tuple[Page[StoredCall], int]:
        """A page of the account's calls under a filter, and the number of the last change that it shows. The order never changes and new calls come before it, so nothing is skipped or repeated. Raises Refusal for a token that is not of this list and filter."""
        size = size_of(page_size)
        below = read_number_token(wanted.scope, page_token)
        found, seq = await self._db.read(list_with_last_change, account_id, wanted, size + 1, below)
        return page_of(found, size, lambda call: page_token_below(wanted.scope, call.row.call_session_id or 0)), seq
