"""Watching an account's calls: every change once, in the order of the commits, for as long as somebody looks."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from services.intake.store.change_log import Change, changes_after, last_change
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.errors import Trouble
from services.shared.identity import AccountId
from services.shared.paging import page_token_below, read_number_token
from services.shared.places import Places
from services.shared.waiting import set_within

AT_ONCE = 200
"""Changes that are read together."""
POLL_S = 1.0
"""Changes that another process committed are seen this late at most."""
QUIET_S = 15.0
"""A sign of life comes after so long without a change."""
ADMITTED_S = 5.0
"""The caller's token is looked at again after so long."""
MOST_STREAMS = 10


@dataclass(frozen=True, slots=True)
class Told:
    """What a watcher hears: the cursor to go on from, and a change or, as a sign of life, none."""

    cursor: str
    change: Change | None


class Bell:
    """Wakes all who listen at that moment."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def ring(self) -> None:
        """Something was committed."""
        rung, self._next = self._next, asyncio.Event()
        rung.set()

    async def wait(self, longest_s: float) -> None:
        """Returns at the next ring, or when so many seconds have gone."""
        await set_within(self._next, longest_s)


class Watching:
    """The streams of changes at this server, up to ten of an account."""

    def __init__(self, db: Database, bell: Bell, clock: Clock) -> None:
        self._db = db
        self._bell = bell
        self._clock = clock
        self._places = Places("streams of changes", of_account=MOST_STREAMS)
        self._is_stopping = False

    async def watch(
        self, account_id: AccountId, cursor: str, admit: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[Told, None]:
        """Changes after the cursor, or from now on; first a sign that the watch has begun, and one whenever nothing has changed for 15 s.

        `admit` is asked from time to time whether the caller may still hear them, and raises Refusal. Raises Refusal for a cursor that is not of this account, or whose
        changes are not kept any more, and for one stream too many; Trouble at a stop.
        """
        with self._places.one(account_id):
            seq = read_cursor(account_id, cursor)
            if seq is None:
                seq = await self._db.read(last_change, account_id)
            changes = await self._db.read(changes_after, account_id, seq, AT_ONCE)
            yield Told(cursor_of(account_id, seq), None)
            admitted_s = told_s = self._clock.monotonic()
            while True:
                for change in changes:
                    seq = change.seq
                    yield Told(cursor_of(account_id, seq), change)
                now_s = self._clock.monotonic()
                if changes:
                    told_s = now_s
                elif now_s - told_s > QUIET_S:
                    told_s = now_s
                    yield Told(cursor_of(account_id, seq), None)
                if self._is_stopping:
                    raise Trouble("intake stops")
                if len(changes) < AT_ONCE:
                    await self._bell.wait(POLL_S)
                if now_s - admitted_s > ADMITTED_S:
                    await admit()
                    admitted_s = now_s
                changes = await self._db.read(changes_after, account_id, seq, AT_ONCE)

    def stop(self) -> None:
        """Ends all streams, each after what it has read."""
        self._is_stopping = True
        self._bell.ring()


def cursor_of(account_id: AccountId, seq: int) -> str:
    """The cursor after a change."""
    return page_token_below(_scope(account_id), seq)


def read_cursor(account_id: AccountId, cursor: str) -> int | None:
    """The number of the change that a cursor stands after; None for no cursor. Raises Refusal for one that is not of this account."""
    return read_number_token(_scope(account_id), cursor, name="cursor", why="not a cursor of this account's changes")


def _scope(account_id: AccountId) -> str:
    return f"changes {account_id}"
