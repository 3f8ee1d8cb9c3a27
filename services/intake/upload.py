"""Taking calls in: the drafts of every door are checked here and stored in one transaction."""

from collections import Counter
from collections.abc import Callable, Sequence

import structlog

from services.intake.account import Account
from services.intake.call import CheckedCall
from services.intake.call_rules import sort_out
from services.intake.draft import ReadDraft
from services.intake.store.accounts import get_account
from services.intake.store.uploads import (
    Priority,
    Saved,
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

log = structlog.get_logger()


class Uploads:
    """What the doors hand their drafts to. `webhooks` says where callbacks may go; `stored` is called after each commit, with whether there may be work."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        max_calls: int,
        webhooks: AddressPolicy,
        stored: Callable[[bool], None],
    ) -> None:
        self._webhooks = webhooks
        self._db = db
        self._clock = clock
        self._max_calls = max_calls
        self._stored = stored
        # Many small requests of an account cost little more than one.
        self._saving: Gathering[AccountId, Upload, Saved] = Gathering(self._save, going_together)
        self._reading: Gathering[AccountId, None, Account] = Gathering(self._read)

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

    async def validate(self, identity: Identity, drafts: Sequence[ReadDraft]) -> list[Refusal]:
        """All that is wrong with the calls, in the contract's order, so that an upload's error is the first; stores nothing. Raises Refusal for what is wrong with the request itself."""
        identity.require(Role.UPLOAD)
        self.check_count(len(drafts))
        account = await self._reading.ask(identity.account_id, None)
        calls, refusals = await self._sorted_out(account, drafts)
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
        account = await self._reading.ask(identity.account_id, None)
        calls, refusals = await self._sorted_out(account, drafts, takes_handed_over=takes_handed_over)
        if refusals:
            raise Refusals(refusals)
        uploaded = await self._saving.ask(
            identity.account_id, Upload(calls=calls, ext_request_id=ext_request_id, priority=priority)
        )
        if isinstance(uploaded, Exception):
            raise uploaded
        counts = Counter(call.outcome.value for call in uploaded)
        log.info("calls.uploaded", account_id=identity.account_id, calls=len(uploaded), **counts)
        return uploaded

    async def _read(self, account_id: AccountId, asking: Sequence[None]) -> Sequence[Account]:
        return [await self._db.read(get_account, account_id)] * len(asking)

    async def _save(self, account_id: AccountId, uploads: Sequence[Upload]) -> Sequence[Saved]:
        saved = await self._db.write(save_uploads, account_id, uploads, self._clock.now())
        self._stored(any(call.records or call.callback for upload in uploads for call in upload.calls))
        return saved

    async def _sorted_out(
        self, account: Account, drafts: Sequence[ReadDraft], *, takes_handed_over: bool = True
    ) -> tuple[list[CheckedCall], list[Refusal]]:
        """As `sort_out`. A call that is stored and would stay as it is is not refused for what the account's zone and region, or the operator's networks, say today (docs/contract.md 2)."""
        calls, refusals = sort_out(drafts, account.clock, takes_handed_over=takes_handed_over, webhooks=self._webhooks)
        if not refusals:
            return calls, refusals
        named = {drafts[index].draft.ext_id for refusal in refusals if isinstance(index := refusal.path[1], int)}
        known = [ext_id for ext_id in named if ext_id and "\0" not in ext_id]
        kept = await self._db.read(kept_ext_ids, account.account_id, known, self._clock.now())
        if not kept:
            return calls, refusals
        repeats = {index for index, read in enumerate(drafts) if read.draft.ext_id in kept}
        return sort_out(drafts, account.clock, repeats, takes_handed_over=takes_handed_over, webhooks=self._webhooks)
