"""Reading notifications back, a page at a time."""

from services.notify.store.reading import StoredNotification, list_notifications
from services.shared.db.engine import SqliteDatabase
from services.shared.paging import DEFAULT_PAGE, LARGEST_PAGE, Page, page_token_below, read_page_token


class Readback:
    """What the door reads notifications through."""

    def __init__(self, db: SqliteDatabase) -> None:
        self._db = db

    async def page(
        self, account_id: int, page_size: int, page_token: str, call_session_id: int | None
    ) -> Page[StoredNotification]:
        """A page of the account's notifications, newest first. Raises Refusal for a token that is not ours."""
        size = min(page_size or DEFAULT_PAGE, LARGEST_PAGE)
        below = read_page_token(page_token)
        found = await self._db.read(list_notifications, account_id, size + 1, below, call_session_id)
        shown = found[:size]
        return Page(shown, page_token_below(shown[-1].row.notification_id) if len(found) > size else "")
