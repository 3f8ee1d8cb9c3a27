"""Taking calls in: the drafts of every door are checked here and stored in one transaction."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import structlog

from services.intake.call import AccountClock, CheckedCall
from services.intake.call_rules import sort_out
from services.intake.draft import ReadDraft
from services.intake.store.accounts import get_account
from services.intake.store.uploads import (
    Priority,
    Saved,
    Stale,
    Upload,
    UploadedCall,
    find_refusals,
    going_together,
    kept_ext_ids,
    save_uploads,
)
from services.shared.addresses import AddressPolicy
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.errors import Mnemonic, Refusal, Refusals
from services.shared.gathering import Gathering
from services.shared.identity import AccountId, Identity, Role
from services.shared.places import Places
from services.shared.tracing import contexts_of_calls, is_on

log = structlog.get_logger()

CALLS_AT_ONCE = 20_000
"""Calls of uploads under way, of one account half of them: each takes some 5 KB until it is stored, and whoever comes later is told at once to come again."""
REMEMBERED_CLOCKS = 10_000
MOMENT_S = 0.0003
"""About what reading and checking one small upload takes (benchmarks/results.md)."""


class Uploads:
    """What the doors hand their drafts to. `webhooks` says where callbacks may go; `stored` is called after each commit, with whether there may be work; `uploaded` is told how many calls came to which outcome."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        max_calls: int,
        webhooks: AddressPolicy,
        calls_at_once: int = CALLS_AT_ONCE,
        stored: Callable[[bool], None],
        uploaded: Callable[[Mapping[str, int]], None],
    ) -> None:
        self._uploaded = uploaded
        self._places = Places("calls that are uploaded", of_account=calls_at_once // 2, most=calls_at_once)
        self._webhooks = webhooks
        self._db = db
        self._clock = clock
        self._max_calls = max_calls
        self._stored = stored
        # Many small requests of an account cost little more than one.
        self._saving: Gathering[AccountId, Upload, Saved] = Gathering(self._save, going_together, moment_s=MOMENT_S)
        self._clocks: dict[AccountId, AccountClock] = {}

    def check_count(self, count: int) -> None:
        """Raises Refusal when a request holds no call, or more than it may."""
        if count == 0:
            raise Refusal(Mnemonic.REQUIRED_PARAMETER_MISSED, path=("calls",), why="at least one call is due")
        if count > self._max_calls:
            raise Refusal(
                Mnemonic.DATA_LIMIT_EXCEEDED,
                path=("calls",),
                why=f"{count:,} calls, a request may hold {self._max_calls:,}",
            )

    def check_room(self, account_id: AccountId, count: int = 1) -> None:
        """Raises Refusal limit_exceeded or Busy where so many calls would not be taken now: before they are read."""
        self._places.check(account_id, count)

    async def validate(self, identity: Identity, drafts: Sequence[ReadDraft]) -> list[Refusal]:
        """All that is wrong with the calls, in the contract's order, so that an upload's error is the first; stores nothing. Raises Refusal for what is wrong with the request itself."""
        identity.require(Role.UPLOAD)
        self.check_count(len(drafts))
        with self._places.one(identity.account_id, len(drafts)):
            clock = await self._read_clock(identity.account_id)
            calls, refusals = await self._sorted_out(identity.account_id, clock, drafts)
            return [*refusals, *await self._db.read(find_refusals, identity.account_id, calls, self._clock.now())]

    async def upload(
        self,
        identity: Identity,
        drafts: Sequence[ReadDraft],
        *,
        ext_request_id: str = "",
        priority: Priority = Priority.LIVE,
        takes_handed_over: bool = True,
    ) -> list[UploadedCall]:
        """Stores the calls and answers for each, once they are durable. `takes_handed_over` says whether their door takes files that were handed over. Raises Refusal or Refusals, and stores nothing, when one is wrong."""
        identity.require(Role.UPLOAD)
        self.check_count(len(drafts))
        with self._places.one(identity.account_id, len(drafts)):
            return await self._upload(identity.account_id, drafts, ext_request_id, priority, takes_handed_over)

    async def _upload(
        self,
        account_id: AccountId,
        drafts: Sequence[ReadDraft],
        ext_request_id: str,
        priority: Priority,
        takes_handed_over: bool,
    ) -> list[UploadedCall]:
        known = self._clocks.get(account_id)
        if known is not None:
            # What the account's settings were a while ago: the transaction that stores looks whether they still are.
            calls, refusals = sort_out(drafts, known, takes_handed_over=takes_handed_over, webhooks=self._webhooks)
            if not refusals:
                upload = Upload(
                    calls=calls,
                    clock=known,
                    ext_request_id=ext_request_id,
                    priority=priority,
                    traceparents=_traceparents(calls),
                )
                saved = await self._saving.ask(account_id, upload)
                if not isinstance(saved, Stale):
                    return _answered(saved)
        clock = await self._read_clock(account_id)
        calls, refusals = await self._sorted_out(account_id, clock, drafts, takes_handed_over=takes_handed_over)
        if refusals:
            raise Refusals(refusals)
        # Settings that change from here on change after this upload.
        upload = Upload(
            calls=calls, ext_request_id=ext_request_id, priority=priority, traceparents=_traceparents(calls)
        )
        return _answered(await self._saving.ask(account_id, upload))

    async def _read_clock(self, account_id: AccountId) -> AccountClock:
        clock = (await self._db.read(get_account, account_id)).clock
        if len(self._clocks) >= REMEMBERED_CLOCKS:
            # Whose turn it is next is read again.
            self._clocks.clear()
        self._clocks[account_id] = clock
        return clock

    async def _save(self, account_id: AccountId, uploads: Sequence[Upload]) -> Sequence[Saved]:
        saved = await self._db.write(save_uploads, account_id, uploads, self._clock.now())
        self._stored(any(call.records or call.callback for upload in uploads for call in upload.calls))
        outcomes = Counter(call.outcome.value for each in saved if isinstance(each, list) for call in each)
        if outcomes:
            self._uploaded(outcomes)
            log.info("calls.uploaded", account_id=account_id, uploads=len(uploads), calls=outcomes.total(), **outcomes)
        return saved

    async def _sorted_out(
        self, account_id: AccountId, clock: AccountClock, drafts: Sequence[ReadDraft], *, takes_handed_over: bool = True
    ) -> tuple[list[CheckedCall], list[Refusal]]:
        """As `sort_out`. A call that is stored and would stay as it is is not refused for what the account's zone and region, or the operator's networks, say today (docs/contract.md 2)."""
        calls, refusals = sort_out(drafts, clock, takes_handed_over=takes_handed_over, webhooks=self._webhooks)
        if not refusals:
            return calls, refusals
        named = {drafts[index].draft.ext_id for refusal in refusals if isinstance(index := refusal.path[1], int)}
        known = [ext_id for ext_id in named if ext_id and "\0" not in ext_id]
        kept = await self._db.read(kept_ext_ids, account_id, known, self._clock.now())
        if not kept:
            return calls, refusals
        repeats = {index for index, read in enumerate(drafts) if read.draft.ext_id in kept}
        return sort_out(drafts, clock, repeats, takes_handed_over=takes_handed_over, webhooks=self._webhooks)


def _traceparents(calls: Sequence[CheckedCall]) -> Mapping[str, str]:
    if not is_on():
        return {}
    # What is neither fetched nor told ends with its upload, and its trace with it. Of the same call twice the first counts.
    return contexts_of_calls({call.ext_id: bool(call.records or call.callback) for call in reversed(calls)})


def _answered(saved: Saved) -> list[UploadedCall]:
    if isinstance(saved, Exception):
        raise saved
    return saved
