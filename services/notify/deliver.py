"""The delivery loop: lines are claimed in turns, their first notifications posted, and what comes of it settled together (docs/contract.md 7)."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.metadata import version

import structlog

from services.notify.breaker import BreakerRules
from services.notify.notification import Attempt, DueNotification, receiver_host
from services.notify.picking import PostLimits
from services.notify.receiver import Receivers
from services.notify.schedule import Step, step_after
from services.notify.secrets import Secrets
from services.notify.signature import signature_header
from services.notify.store.claims import Cursor, DueClaim, claim_due
from services.notify.store.queue import Settled, settle_attempts
from services.notify.store.tables import NOTIFY_WORK
from services.shared.batching import Batcher
from services.shared.clock import Clock
from services.shared.db.engine import SqliteDatabase
from services.shared.db.work_queue import WorkQueue

log = structlog.get_logger()

USER_AGENT = f"calldock/{version('calldock')}"
SETTLED_AT_ONCE = 200


class DueQueue(WorkQueue):
    """The lines whose first notification is due, as the loop takes them."""

    def __init__(self, db: SqliteDatabase, limits: PostLimits, clock: Clock) -> None:
        super().__init__(db, NOTIFY_WORK, stage=0, clock=clock)
        self._limits = limits
        self._cursor = Cursor()

    async def claim(self, most: int, lease_end: datetime) -> Sequence[DueClaim]:
        """Takes up to `most` lines: accounts in turns, within the bounds for accounts, hosts and paused receivers."""
        claims, self._cursor = await self._db.write(
            claim_due, most, self._cursor, self._limits, self._clock.now(), lease_end
        )
        return claims


class Posting:
    """One signed POST of a notification."""

    def __init__(self, receivers: Receivers, secrets: Secrets, clock: Clock) -> None:
        self._receivers = receivers
        self._secrets = secrets
        self._clock = clock

    async def post(self, account_id: int, notification_id: str, url: str, body: bytes) -> Attempt:
        """Posts, and says how it went."""
        signers, headers = await self._secrets.sending(account_id)
        began, began_s = self._clock.now(), self._clock.monotonic()
        timestamp = int(began.timestamp())
        answer = await self._receivers.post(
            url,
            {
                **headers,
                "content-type": "application/json",
                "user-agent": USER_AGENT,
                "webhook-id": notification_id,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": signature_header(signers, notification_id, timestamp, body),
            },
            body,
        )
        return Attempt(
            attempt_time=began,
            latency_ms=round((self._clock.monotonic() - began_s) * 1000),
            outcome=answer.outcome,
            http_status=answer.http_status,
            reason=answer.reason,
            answer_head=answer.head,
            retry_after_s=answer.retry_after_s,
        )


class Deliveries:
    """Posts the first notification of one claimed line. `attempted` is told of each attempt."""

    def __init__(
        self,
        db: SqliteDatabase,
        posting: Posting,
        clock: Clock,
        rng: random.Random,
        *,
        schedule_s: Sequence[float],
        breaker: BreakerRules,
        attempted: Callable[[Attempt, Step], None],
    ) -> None:
        self._db = db
        self._posting = posting
        self._clock = clock
        self._rng = rng
        self._schedule_s = schedule_s
        self._breaker = breaker
        self._attempted = attempted
        self._settling = Batcher(self._settle, most=SETTLED_AT_ONCE)

    async def deliver_next(self, claim: DueClaim) -> None:
        """One attempt, logged with what follows from it."""
        due = claim.due
        attempt = await self._posting.post(due.account_id, due.notification_id, due.url, due.body.encode())
        step = step_after(attempt, due.failures + 1, self._schedule_s, self._clock.now(), self._rng)
        settled = Settled(claim=claim, attempt=attempt, step=step)
        kept = await self._settling.ask(settled)
        self._attempted(attempt, step)
        _log_attempt(due, settled, kept=kept)

    async def _settle(self, settled: Sequence[Settled]) -> Sequence[bool]:
        return await self._db.write(settle_attempts, settled, self._breaker, self._clock.now())


def _log_attempt(due: DueNotification, settled: Settled, *, kept: bool) -> None:
    attempt, step = settled.attempt, settled.step
    log.info(
        "notification.attempted",
        notification_id=due.notification_id,
        call_session_id=due.call_session_id,
        receiver_host=receiver_host(due.url),
        attempt=due.attempts + 1,
        outcome=attempt.outcome,
        http_status=attempt.http_status,
        reason=attempt.reason or None,
        duration_ms=attempt.latency_ms,
        status=step.status,
        next_attempt_time=None if step.next_attempt_time is None else step.next_attempt_time.isoformat(),
        is_kept=kept,
    )
