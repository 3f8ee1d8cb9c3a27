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

    @contextmanager
    def one(self, account_id: AccountId) -> Iterator[None]:
        """A place until the end of the block. Raises Refusal limit_exceeded when the account has all of its own, Busy when there is none at all."""
        if self._of_account[account_id] >= self._most_of_account:
            raise Refusal(
                Mnemonic.LIMIT_EXCEEDED,
                why=f"{self._most_of_account} {self._what} of the account are under way, no more are at once",
                params={"limit_type": f"{self._what} at once", "limit_max_value": str(self._most_of_account)},
                retry_after_s=RETRY_AFTER_S,
            )
        if self._most is not None and self._of_account.total() >= self._most:
            raise Busy(f"no more {self._what} fit at once")
        self._of_account[account_id] += 1
        try:
            yield
        finally:
            self._of_account[account_id] -= 1
            if not self._of_account[account_id]:
                del self._of_account[account_id]
