"""What a request costs its account: points are taken before it runs, and given back when it does not succeed, so that racing requests never overdraw."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Protocol, TypeAlias, TypeVar

import structlog

from services.shared.errors import Trouble
from services.shared.identity import AccountId, Identity

log = structlog.get_logger()

T = TypeVar("T")

Meter: TypeAlias = Callable[[str], AbstractAsyncContextManager[object]]
"""Goes round a request to a method (its path), from its admission to its end."""


class Points(Protocol[T]):
    """Whoever keeps the accounts' points: intake's own database, or intake itself for other services."""

    async def spend(self, account_id: AccountId, points: int) -> T:
        """Takes points. Raises Refusal limit_exceeded, Trouble when it cannot be known."""

    async def refund(self, account_id: AccountId, points: int, taken: T) -> None:
        """Gives back what was taken."""


def metered(quota: Points[T], costs: Mapping[str, int], caller: Callable[[], Identity]) -> Meter:
    """The meter of a listener. `costs` has the points of each method path, 0 for one that meters itself; a path that is not listed is a bug."""

    def meter(method: str) -> AbstractAsyncContextManager[T | None]:
        if not costs[method]:
            return nullcontext()
        identity = caller()
        if not identity.has_limits:
            return nullcontext()
        return spending(quota, identity, costs[method])

    return meter


@asynccontextmanager
async def spending(quota: Points[T], identity: Identity, points: int) -> AsyncIterator[T | None]:
    """Takes points for what runs inside and gives them back when it raises; None for an account without limits. A request that its caller gives up counts."""
    if not identity.has_limits:
        yield None
        return
    taken = await quota.spend(identity.account_id, points)
    try:
        yield taken
    except Exception:
        await _give_back(quota, identity.account_id, points, taken)
        raise


async def _give_back(quota: Points[T], account_id: AccountId, points: int, taken: T) -> None:
    try:
        await quota.refund(account_id, points, taken)
    except Trouble as trouble:
        log.warning("points.not_refunded", account_id=account_id, points=points, reason=str(trouble))
