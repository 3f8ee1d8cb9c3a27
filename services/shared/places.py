"""Places for requests that are costly or long: so many at once for one account, so many in all."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from services.shared.errors import Busy, Mnemonic, Refusal
from services.shared.identity import AccountId

RETRY_AFTER_S = 1.0


class Places:
    """Counts what is under way. `what` is it in words, for a refusal: `checks of recordings`."""

    def __init__(self, what: str, *, of_account: int, most: int | None = None) -> None:
        """Without `most`, only accounts are bounded."""
        self._what = what
        self._most_of_account = of_account
        self._most = most
        self._of_account: Counter[AccountId] = Counter()
        self._taken = 0

    def check(self, account_id: AccountId, width: int = 1) -> None:
        """As `one`, without taking a place: for who has work to do before."""
        if self._of_account[account_id] + width > self._most_of_account:
            raise Refusal(
                Mnemonic.LIMIT_EXCEEDED,
                why=f"{self._most_of_account} {self._what} of the account are under way, no more are at once",
                params={"limit_type": f"{self._what} at once", "limit_max_value": str(self._most_of_account)},
                retry_after_s=RETRY_AFTER_S,
            )
        if self._most is not None and self._taken + width > self._most:
            raise Busy(f"no more {self._what} fit at once")

    @contextmanager
    def one(self, account_id: AccountId, width: int = 1) -> Iterator[None]:
        """A place until the end of the block, as wide as `width` ordinary ones. Raises Refusal limit_exceeded when the account has too many of its own, Busy when too many are taken in all."""
        self.check(account_id, width)
        self._of_account[account_id] += width
        self._taken += width
        try:
            yield
        finally:
            self._taken -= width
            self._of_account[account_id] -= width
            if not self._of_account[account_id]:
                del self._of_account[account_id]
