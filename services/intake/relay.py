"""The relay loop's step: a call's outbox to notify, in order; only what notify has durably leaves the outbox."""

from services.intake.peers import Notify
from services.intake.store.outbox import pending, settle
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.db.work_table import Claim
from services.shared.tracing import step


class Relay:
    """Hands the notifications of one claimed call over."""

    def __init__(self, db: Database, notify: Notify, clock: Clock) -> None:
        self._db = db
        self._notify = notify
        self._clock = clock

    async def relay_call(self, claim: Claim) -> None:
        """Raises Trouble when notify is away; the rows stay."""
        rows = await self._db.read(pending, claim.key)
        if rows:
            # They belong to one trace, but for those of an upload before that have not gone yet.
            with step("notification.relay", rows[0].traceparent, {"calldock.call_session_id": claim.key}):
                await self._notify.enqueue(rows)
        await self._db.write(settle, claim, rows[-1].seq if rows else 0, self._clock.now())
