"""Erasing calls on demand: one, or those that match a filter (docs/contract.md 2)."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from services.intake.call_filter import CallFilter
from services.intake.store.erasing import count_matching, delete_call, delete_calls, find_matching
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.errors import Mnemonic, Refusal
from services.shared.identity import AccountId

log = structlog.get_logger()

FOUND_AT_ONCE = 1_000
ERASED_AT_ONCE = 5
"""Calls of one transaction: so that it holds nobody else up for more than 5 ms."""
LASTS_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How many calls matched, and how many of them are gone."""

    matching: int
    deleted: int


class Erasing:
    """What the doors erase calls through. `erased` is called after commits: there may be objects to delete, and something for notify to forget."""

    def __init__(self, db: Database, clock: Clock, erased: Callable[[], None]) -> None:
        self._db = db
        self._clock = clock
        self._erased = erased

    async def delete(self, account_id: AccountId, call_session_id: int) -> None:
        """Returns when nobody can read the call any more. Raises Refusal entity_not_found."""
        await self._db.write(delete_call, account_id, call_session_id, self._clock.now())
        self._erased()
        log.info("call.erased", account_id=account_id, call_session_id=call_session_id)

    async def count(self, account_id: AccountId, wanted: CallFilter) -> int:
        """How many of the account's calls match. Raises Refusal without any filter."""
        if wanted.is_empty:
            why = "at least one filter is due; start_time_before a moment to come means every call"
            raise Refusal(Mnemonic.REQUIRED_PARAMETER_MISSED, path=("start_time_before",), why=why)
        return await self._db.read(count_matching, account_id, wanted)

    async def delete_matching(self, account_id: AccountId, wanted: CallFilter, expected: int | None) -> Erased:
        """Erases calls that match, oldest first, for about ten seconds. Raises Refusal, having erased nothing, without any filter or number, and when more match than expected."""
        matching = await self.count(account_id, wanted)
        if expected is None:
            why = "the number of calls that are to be erased is due: validate_only answers it"
            raise Refusal(Mnemonic.REQUIRED_PARAMETER_MISSED, path=("expected_count",), why=why)
        if matching > expected:
            raise Refusal(
                Mnemonic.INVALID_PARAMETER_VALUE,
                path=("expected_count",),
                value=expected,
                why=f"{matching:,} calls match: nothing was erased",
                grpc_code="FAILED_PRECONDITION",
            )
        until = self._clock.monotonic() + LASTS_S
        deleted = 0
        # No more than were counted: calls that come meanwhile were not meant.
        while deleted < matching and self._clock.monotonic() < until:
            found = await self._db.read(find_matching, account_id, wanted, min(FOUND_AT_ONCE, matching - deleted))
            if not found:
                break
            for start in range(0, len(found), ERASED_AT_ONCE):
                if self._clock.monotonic() >= until:
                    break
                some = found[start : start + ERASED_AT_ONCE]
                deleted += await self._db.write(delete_calls, account_id, some, self._clock.now())
                self._erased()
        log.info("calls.erased", account_id=account_id, calls=deleted)
        return Erased(matching=matching, deleted=deleted)
