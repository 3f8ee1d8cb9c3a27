"""Reading calls back, a page at a time."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.intake.call_filter import CallFilter
from services.intake.call_order import CallOrder, Position
from services.intake.draft import RecordingFormat
from services.intake.overview import Overview, check_span, overview_of
from services.intake.store.change_log import list_with_last_change
from services.intake.store.overview import count_calls
from services.intake.store.reading import StoredCall, audio_key, get_call, lookup_call, source_object
from services.shared.db.database import Database
from services.shared.errors import Mnemonic, Refusal
from services.shared.identity import AccountId
from services.shared.paging import MAX_KEY, page_token_below, read_page_token, size_of

_POSITION = re.compile(r"([0-9]{1,19})\.([0-9]{1,19})")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPage:
    """Calls in their order, for each the token of the page that begins after it, the token of the next page, empty on the last, and the number of the last change that the page shows."""

    calls: Sequence[StoredCall]
    tokens: Sequence[str]
    next_page_token: str
    last_change: int


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

    async def overview(self, account_id: AccountId, start_time_from: datetime, start_time_before: datetime) -> Overview:
        """The account's calls that began within a time, in numbers. Raises Refusal for a time that cannot be counted."""
        check_span(start_time_from, start_time_before)
        return overview_of(await self._db.read(count_calls, account_id, start_time_from, start_time_before))

    async def page(
        self, account_id: AccountId, wanted: CallFilter, order: CallOrder, page_size: int, page_token: str
    ) -> CallPage:
        """A page of the account's calls under a filter, in an order. New calls do not shift what is there, so nothing is skipped or repeated. Raises Refusal for a token that is not of this list, filter and order."""
        after = _read_token(wanted, order, page_token)
        listed, seq = await self._db.read(list_with_last_change, account_id, wanted, size_of(page_size), after, order)
        goes_on = listed.goes_on_after
        return CallPage(
            calls=[call for _, call in listed.calls],
            tokens=[_token_after(wanted, order, position) for position, _ in listed.calls],
            next_page_token=_token_after(wanted, order, goes_on) if goes_on else "",
            last_change=seq,
        )


def _token_after(filter_: CallFilter, order: CallOrder, position: Position) -> str:
    return page_token_below(_scope(filter_, order), f"{position.value}.{position.call_session_id}")


def _read_token(filter_: CallFilter, order: CallOrder, token: str) -> Position | None:
    key = read_page_token(_scope(filter_, order), token)
    if key is None:
        return None
    found = _POSITION.fullmatch(key)
    if found is None or max(map(int, found.groups())) > MAX_KEY:
        why = "not a page token of this list and filter"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("page_token",), value=token, why=why)
    return Position(*map(int, found.groups()))


def _scope(filter_: CallFilter, order: CallOrder) -> str:
    """What marks the page tokens of a list: a token works for no other."""
    return f"calls {hashlib.sha256(repr((filter_, order)).encode()).hexdigest()[:16]}"
