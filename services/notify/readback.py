"""Reading notifications and receivers back."""

import json
from dataclasses import asdict

from services.notify.store.reading import (
    NotificationFilter,
    StoredNotification,
    find_notification,
    list_notifications,
)
from services.notify.store.receivers import StoredReceiver, list_receivers
from services.shared.db.database import Database
from services.shared.errors import not_found
from services.shared.paging import Page, page_of, page_token_below, read_page_token, size_of


class Readback:
    """What the door reads notifications through."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def page(
        self, account_id: int, page_size: int, page_token: str, wanted: NotificationFilter
    ) -> Page[StoredNotification]:
        """A page of the account's notifications, newest first. Raises Refusal for a token that is not of this list and filter."""
        size = size_of(page_size)
        scope = scope_of(wanted)
        below = read_page_token(scope, page_token)
        found = await self._db.read(list_notifications, account_id, size + 1, below, wanted)
        return page_of(found, size, lambda stored: page_token_below(scope, stored.row.notification_id))

    async def get(self, account_id: int, notification_id: str) -> StoredNotification:
        """One of the account's notifications. Raises Refusal when there is no such."""
        found = await self._db.read(find_notification, account_id, notification_id)
        if found is None:
            raise not_found("notification_id", notification_id, "the account has no such notification")
        return found

    async def receivers(self, account_id: int) -> list[StoredReceiver]:
        """The account's receivers, those that fail first."""
        return await self._db.read(list_receivers, account_id)


def scope_of(wanted: NotificationFilter) -> str:
    """What marks the page tokens of this list and filter."""
    asked = {name: str(value) for name, value in asdict(wanted).items() if value is not None}
    return f"notifications of {json.dumps(asked)}"
