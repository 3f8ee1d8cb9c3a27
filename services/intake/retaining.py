"""What an account's retention says goes, a few rows at a time: no transaction of it holds anybody up."""

from collections.abc import Callable
from datetime import timedelta

import structlog

from services.intake.peers import Notify
from services.intake.retention import RetentionDefaults
from services.intake.store.erasing import retire_calls
from services.intake.store.retention import (
    AccountKeeps,
    calls_over,
    forget_ext_ids,
    forgetting_accounts,
    kept_audio,
    let_audio_go,
)
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.identity import AccountId

log = structlog.get_logger()

ACCOUNTS_AT_ONCE = 100
CALLS_AT_ONCE = 500
RECORDINGS_AT_ONCE = 1_000
ROWS_OF_A_WRITE = 5
"""Calls or recordings of one transaction: so that it holds nobody else up for more than 5 ms."""


class Retaining:
    """Walks round accounts and recordings, a piece at each step. `erased` is called after commits that erase calls."""

    def __init__(
        self, db: Database, notify: Notify, clock: Clock, defaults: RetentionDefaults, erased: Callable[[], None]
    ) -> None:
        self._db = db
        self._notify = notify
        self._clock = clock
        self._defaults = defaults
        self._erased = erased
        self._after_recording = 0
        self._after_account = 0

    async def retain_audio(self) -> bool:
        """Lets audio go that is over among the next recordings. Answers whether something went."""
        now = self._clock.now()
        found = await self._db.read(kept_audio, self._after_recording, RECORDINGS_AT_ONCE, self._defaults, now)
        over = [each.recording_id for each in found if each.over]
        for start in range(0, len(over), ROWS_OF_A_WRITE):
            await self._db.write(let_audio_go, over[start : start + ROWS_OF_A_WRITE], self._defaults, now)
        self._after_recording = found[-1].recording_id if len(found) == RECORDINGS_AT_ONCE else 0
        return bool(over)

    async def retain_calls(self) -> bool:
        """Erases calls that are over, and has notify delete notifications, of the next accounts. Answers whether there may be more."""
        found = await self._db.read(forgetting_accounts, self._after_account, ACCOUNTS_AT_ONCE)
        self._after_account = found[-1].account_id if len(found) == ACCOUNTS_AT_ONCE else 0
        more = len(found) == ACCOUNTS_AT_ONCE
        for account in found:
            more |= await self._retire(account)
        now = self._clock.now()
        limits = [(each.account_id, now - each.payloads) for each in found if each.payloads is not None]
        while limits:
            unfinished = await self._notify.forget(limits)
            limits = [each for each in limits if each[0] in unfinished]
        return more

    async def forget_ext_ids(self) -> bool:
        """Forgets ext_ids that were remembered long enough. Answers whether there may be more."""
        return await self._db.write(forget_ext_ids, self._clock.now(), ROWS_OF_A_WRITE) == ROWS_OF_A_WRITE

    async def _retire(self, account: AccountKeeps) -> bool:
        if account.calls is None:
            return False
        now = self._clock.now()
        began_before, unchanged_since = now - account.calls, now - self._defaults.unchanged
        calls = await self._db.read(calls_over, account.account_id, began_before, unchanged_since, CALLS_AT_ONCE)
        remembered: timedelta = self._defaults.ext_ids if account.ext_ids is None else account.ext_ids
        for start in range(0, len(calls), ROWS_OF_A_WRITE):
            some = calls[start : start + ROWS_OF_A_WRITE]
            await self._db.write(
                retire_calls, AccountId(account.account_id), some, began_before, unchanged_since, remembered, now
            )
            self._erased()
        if calls:
            log.info("calls.retired", account_id=account.account_id, calls=len(calls))
        return len(calls) == CALLS_AT_ONCE
