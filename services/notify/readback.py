"""Reading notifications back, a page at a time."""

from services.notify.store.reading import StoredNotification, list_notifications
from services.shared.db.engine import SqliteDatabase
from services.shared.paging import Page, page_of, page_token_below, read_page_token, size_of


class Readback:
    """What the door reads notifications through."""

    def __init__(self, db: SqliteDatabase) -> None:
        self._db = db

    async def page(
        self, account_id: int, page_size: int, page_token: str, call_session_id: int | None
    ) -> Page[StoredNotification]:
        """A page of the account's notifications, newest first. Raises Refusal for a token that is not of this list and filter."""
        size = size_of(page_size)
        scope = scope_of(call_session_id)
        below = read_page_token(scope, page_token)
        found = await self._db.read(list_notifications, account_id, size + 1, below, call_session_id)
        return page_of(found, size, lambda stored: page_token_below(scope, stored.row.notification_id))


def scope_of(call_session_id: int | None) -> str:
    """What marks the page tokens of this list and filter."""
    return f"notifications of {call_session_id or 'all'}"
