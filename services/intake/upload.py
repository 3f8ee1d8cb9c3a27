"""Taking calls in: the drafts of every door are checked here and stored in one transaction."""

from collections.abc import Callable, Sequence

import structlog

from services.intake.call_rules import check_calls, sort_out
from services.intake.draft import ReadDraft
from services.intake.store.accounts import get_account
from services.intake.store.uploads import Priority, UploadedCall, find_refusals, save_upload
from services.shared.clock import Clock
from services.shared.db.engine import SqliteDatabase
from services.shared.errors import Mnemonic, Refusal
from services.shared.identity import Identity, Role

log = structlog.get_logger()


class Uploads:
    """What the doors hand their drafts to. `stored` is called after each commit: there may be work."""

    def __init__(self, db: SqliteDatabase, clock: Clock, *, max_calls: int, stored: Callable[[], None]) -> None:
        self._db = db
        self._clock = clock
        self._max_calls = max_calls
        self._stored = stored

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
        account = await self._db.read(get_account, identity.account_id)
        calls, refusals = sort_out(drafts, account.clock)
        return [*refusals, *await self._db.read(find_refusals, identity.account_id, calls)]

    async def upload(
        self,
        identity: Identity,
        drafts: Sequence[ReadDraft],
        *,
        ext_request_id: str = "",
        priority: Priority = Priority.LIVE,
    ) -> list[UploadedCall]:
        """Stores the calls and answers for each, once they are durable. Raises Refusal or Refusals, and stores nothing, when one is wrong."""
        identity.require(Role.UPLOAD)
        self.check_count(len(drafts))
        account = await self._db.read(get_account, identity.account_id)
        calls = check_calls(drafts, account.clock)
        uploaded = await self._db.write(
            save_upload, identity.account_id, calls, ext_request_id, self._clock.now(), priority
        )
        self._stored()
        counts = {
            outcome: sum(call.outcome == outcome for call in uploaded)
            for outcome in {call.outcome for call in uploaded}
        }
        log.info("calls.uploaded", account_id=identity.account_id, calls=len(uploaded), **counts)
        return uploaded
