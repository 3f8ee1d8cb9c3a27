"""Who listens: so many recordings at once of a link, of an account and in all, and no listener that takes nothing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from services.shared.errors import Mnemonic, Refusal
from services.shared.identity import AccountId
from services.shared.places import RETRY_AFTER_S, Places

_WHAT = "recordings listened to"


class ListenerGone(Exception):
    """A listener took nothing for as long as one is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningBounds:
    """How many listen at once, and for how many seconds a listener may take nothing."""

    of_link: int
    of_account: int
    most: int
    idle_s: float


class Listeners:
    """Counts who listens, at whichever door."""

    def __init__(self, bounds: ListeningBounds) -> None:
        self._bounds = bounds
        self._places = Places(_WHAT, of_account=bounds.of_account, most=bounds.most)
        self._of_link: Counter[str] = Counter()

    @contextmanager
    def one(self, account_id: AccountId, link: str | None = None) -> Iterator[None]:
        """A place until the end of the block, for who listens by a link or by a token. Raises Refusal limit_exceeded when the link or the account has too many, Busy when too many are taken in all."""
        if link is None:
            with self._places.one(account_id):
                yield
            return
        if self._of_link[link] >= self._bounds.of_link:
            raise Refusal(
                Mnemonic.LIMIT_EXCEEDED,
                why=f"{self._bounds.of_link} {_WHAT} by this link are under way, no more are at once",
                params={"limit_type": f"{_WHAT} at once by a link", "limit_max_value": str(self._bounds.of_link)},
                retry_after_s=RETRY_AFTER_S,
            )
        with self._places.one(account_id):
            self._of_link[link] += 1
            try:
                yield
            finally:
                self._of_link[link] -= 1
                if not self._of_link[link]:
                    del self._of_link[link]

    @asynccontextmanager
    async def taking(self) -> AsyncIterator[None]:
        """Round the handing over of one piece. Raises ListenerGone when the listener does not take it in time."""
        try:
            async with asyncio.timeout(self._bounds.idle_s):
                yield
        except TimeoutError as error:
            raise ListenerGone from error
