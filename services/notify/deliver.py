"""The delivery loop: lines are claimed in turns, their first notifications posted, and what comes of it settled together (docs/contract.md 7)."""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from itertools import count

import structlog

from services.notify.breaker import BreakerRules
from services.notify.custom_headers import headers_for
from services.notify.notification import Attempt, AttemptOutcome, receiver_host
from services.notify.picking import PostLimits
from services.notify.posters import Posters
from services.notify.schedule import Step, step_after
from services.notify.secrets import Secrets
from services.notify.signature import signature_header
from services.notify.store.claims import Cursor, DueClaim, claim_due
from services.notify.store.queue import Settled, settle_attempts
from services.notify.store.tables import NOTIFY_WORK
from services.shared.backoff import exponential
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.db.work_queue import WorkQueue
from services.shared.db.work_table import Claim
from services.shared.errors import Trouble
from services.shared.tracing import happened, trace_id_of

log = structlog.get_logger()

USER_AGENT = f"calldock/{version('calldock')}"
SETTLED_AT_ONCE = 1000
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=0.1), timedelta(seconds=2)
TRIES_AT_A_STOP = 5


class DueQueue(WorkQueue):
    """The lines whose first notification is due, as the loop takes them. `settling` are those that were posted and are about to be settled."""

    def __init__(self, db: Database, limits: PostLimits, clock: Clock, settling: Callable[[], Sequence[Claim]]) -> None:
        super().__init__(db, NOTIFY_WORK, stage=0, clock=clock)
        self._limits = limits
        self._settling = settling
        self._cursor = Cursor()

    async def claim(self, most: int, lease_end: datetime) -> Sequence[DueClaim]:
        """Takes up to `most` lines: accounts in turns, within the bounds for accounts, hosts and paused receivers."""
        claims, self._cursor = await self._db.write(
            claim_due, most, self._cursor, self._limits, self._clock.now(), lease_end, self._settling()
        )
        return claims

    async def renew(self, held: Sequence[Claim], lease_end: datetime) -> set[int]:
        """Lengthens leases, also of those that wait to be settled; answers the tokens that still hold."""
        return await super().renew([*held, *self._settling()], lease_end)


class Posting:
    """One signed POST of a notification."""

    def __init__(self, posters: Posters, secrets: Secrets, clock: Clock) -> None:
        self._posters = posters
        self._secrets = secrets
        self._clock = clock

    async def post(self, account_id: int, notification_id: str, url: str, body: str) -> Attempt:
        """Posts, and says how it went. Raises Trouble when it was not posted, or when that is not known."""
        async with self._posters.of(url) as poster:
            # Signed when there is room to post it, however long that took.
            signers, custom = await self._secrets.sending(account_id)
            began = self._clock.now()
            timestamp = int(began.timestamp())
            answer = await poster.post(
                url,
                {
                    **headers_for(url, custom),
                    "content-type": "application/json",
                    "user-agent": USER_AGENT,
                    "webhook-id": notification_id,
                    "webhook-timestamp": str(timestamp),
                    "webhook-signature": signature_header(signers, notification_id, timestamp, body.encode()),
                },
                body,
            )
        return Attempt(
            attempt_time=began,
            latency_ms=answer.latency_ms,
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
        db: Database,
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
        self._settled: list[Settled] = []
        self._being_settled: Sequence[Settled] = ()
        self._is_more = asyncio.Event()
        self._is_stopping = False

    @property
    def settling(self) -> Sequence[Claim]:
        """What was posted and is not durably settled yet, with some that just have been."""
        return [each.claim for each in (*self._being_settled, *self._settled)]

    async def deliver_next(self, claim: DueClaim) -> None:
        """One attempt; what follows from it is settled by `settle_until_stopped` with others."""
        due = claim.due
        attempt = await self._posting.post(due.account_id, due.notification_id, due.url, due.body)
        step = step_after(attempt, due.failures + 1, self._schedule_s, self._clock.now(), self._rng)
        self._settled.append(Settled(claim=claim, attempt=attempt, step=step))
        self._is_more.set()

    async def settle_until_stopped(self, changed: Callable[[], None]) -> None:
        """Settles what was posted, all that came together at once. `changed` is called after each commit: the next ones are due."""
        while self._settled or not self._is_stopping:
            await self._is_more.wait()
            self._is_more.clear()
            while self._settled:
                await self._settle_some()
                changed()

    def stop(self) -> None:
        """Nothing is posted any more: settling ends with what is left."""
        self._is_stopping = True
        self._is_more.set()

    async def _settle_some(self) -> None:
        some, self._settled = self._settled[:SETTLED_AT_ONCE], self._settled[SETTLED_AT_ONCE:]
        self._being_settled = some
        kept = await self._settle(some)
        self._being_settled = ()
        for each, is_kept in zip(some, kept, strict=True):
            self._attempted(each.attempt, each.step)
            _trace_attempt(each)
            _log_attempt(each, is_kept=is_kept)

    async def _settle(self, some: Sequence[Settled]) -> Sequence[bool]:
        try:
            return await self._write(some)
        except Exception:
            # A bug, which must not take others along: the lease of the one that has it runs out, which the sweep counts.
            log.exception("notifications.not_settled", count=len(some))
            if len(some) == 1:
                return [False]
        return [kept for each in some for kept in await self._settle([each])]

    async def _write(self, some: Sequence[Settled]) -> Sequence[bool]:
        for failures in count(1):
            try:
                return await self._db.write(settle_attempts, some, self._breaker, self._clock.now())
            except Trouble as trouble:
                # What was posted is not forgotten while the database cannot take it; leases that ran out meanwhile are told apart.
                log.warning("notifications.settling_failed", count=len(some), reason=str(trouble))
                if self._is_stopping and failures >= TRIES_AT_A_STOP:
                    return [False] * len(some)
                pause = exponential(failures, FIRST_PAUSE, LONGEST_PAUSE)
                await asyncio.sleep(pause.total_seconds())
        raise AssertionError("counts for ever")


def _trace_attempt(settled: Settled) -> None:
    due, attempt = settled.claim.due, settled.attempt
    if due.traceparent is None:
        return
    facts: dict[str, str | int] = {
        "calldock.notification_id": due.notification_id,
        "calldock.call_session_id": due.call_session_id,
        "calldock.attempt": due.attempts + 1,
        "calldock.outcome": attempt.outcome,
        "http.request.method": "POST",
        "server.address": receiver_host(due.url),
    }
    if attempt.http_status is not None:
        facts["http.response.status_code"] = attempt.http_status
    happened(
        "notification.post",
        due.traceparent,
        attempt.attempt_time,
        attempt.attempt_time + timedelta(milliseconds=attempt.latency_ms),
        facts,
        "" if attempt.outcome is AttemptOutcome.DELIVERED else attempt.outcome,
    )


def _log_attempt(settled: Settled, *, is_kept: bool) -> None:
    due, attempt, step = settled.claim.due, settled.attempt, settled.step
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
        is_kept=is_kept,
        trace_id=trace_id_of(due.traceparent),
    )
