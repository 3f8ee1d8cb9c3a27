"""The delivery loop's step: a call's next notification, posted and settled (docs/contract.md 7)."""

import random
from collections.abc import Callable, Sequence
from importlib.metadata import version

import structlog

from services.notify.notification import Attempt, AttemptOutcome, DueNotification
from services.notify.receiver import Receivers, host_of
from services.notify.schedule import pause_after
from services.notify.secrets import Secrets
from services.notify.signature import sign
from services.notify.store.queue import settle_attempt, take_due
from services.shared.backoff import jittered
from services.shared.clock import Clock
from services.shared.db.engine import SqliteDatabase
from services.shared.db.work_table import Claim

log = structlog.get_logger()

USER_AGENT = f"calldock/{version('calldock')}"


class Deliveries:
    """Posts the next notification of one claimed call. `changed` is called when another may be due at once."""

    def __init__(
        self,
        db: SqliteDatabase,
        receivers: Receivers,
        secrets: Secrets,
        clock: Clock,
        rng: random.Random,
        *,
        schedule_s: Sequence[float],
        changed: Callable[[], None],
    ) -> None:
        self._db = db
        self._receivers = receivers
        self._secrets = secrets
        self._clock = clock
        self._rng = rng
        self._schedule_s = schedule_s
        self._changed = changed

    async def deliver_next(self, claim: Claim) -> None:
        """One attempt, logged with what follows from it."""
        due = await self._db.write(take_due, claim)
        if due is None:
            return
        attempt = await self._post(due)
        pause = None if attempt.outcome is AttemptOutcome.DELIVERED else pause_after(due.failures + 1, self._schedule_s)
        next_time = None if pause is None else self._clock.now() + jittered(pause, self._rng)
        kept = await self._db.write(settle_attempt, claim, due, attempt, next_time, self._clock.now())
        self._changed()
        log.info(
            "notification.attempted",
            notification_id=due.notification_id,
            call_session_id=due.call_session_id,
            receiver_host=host_of(due.url),
            attempt=due.failures + 1,
            outcome=attempt.outcome,
            http_status=attempt.http_status,
            duration_ms=attempt.latency_ms,
            next_pause_s=None if pause is None else pause.total_seconds(),
            is_kept=kept,
        )

    async def _post(self, due: DueNotification) -> Attempt:
        secret = await self._secrets.ensure(due.account_id)
        began, began_s = self._clock.now(), self._clock.monotonic()
        body = due.body.encode()
        timestamp = int(began.timestamp())
        answer = await self._receivers.post(
            due.url,
            {
                "content-type": "application/json",
                "user-agent": USER_AGENT,
                "webhook-id": due.notification_id,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": sign(secret, due.notification_id, timestamp, body),
            },
            body,
        )
        return Attempt(
            attempt_time=began,
            latency_ms=round((self._clock.monotonic() - began_s) * 1000),
            outcome=answer.outcome,
            http_status=answer.http_status,
            reason=answer.reason,
        )
