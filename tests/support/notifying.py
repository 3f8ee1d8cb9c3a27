"""What tests of notify's store do again and again: notifications, attempts, and one turn of the loop by hand."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.notify.breaker import BreakerRules
from services.notify.notification import Attempt, AttemptOutcome, NewNotification, NotificationStatus
from services.notify.payload import Event
from services.notify.picking import PostLimits
from services.notify.schedule import Step
from services.notify.store.claims import Cursor, DueClaim, claim_due
from services.notify.store.queue import Settled, settle_attempts
from services.notify.store.reading import NotificationFilter, StoredNotification, list_notifications
from services.shared.db.database import Database
from tests.support.makers import NOON

LEASE = timedelta(seconds=30)
RULES = BreakerRules()
LIMITS = PostLimits(per_host=16, per_account=64)
ALL = NotificationFilter()
OK = Attempt(attempt_time=NOON, latency_ms=3, outcome=AttemptOutcome.DELIVERED, http_status=204)
FAILED = Attempt(
    attempt_time=NOON,
    latency_ms=3,
    outcome=AttemptOutcome.HTTP_STATUS,
    http_status=404,
    reason="the receiver answered 404",
)
DOWN = Attempt(attempt_time=NOON, latency_ms=3, outcome=AttemptOutcome.CONNECTION, reason="could not connect")


def a_notification(
    seq: int, call: int = 1, *, account: int = 1, url: str = "https://x/hook", name: str = "processed"
) -> NewNotification:
    event = Event(name=name, ext_id=f"call-{call}", call_session_id=call, event_time=NOON)
    return NewNotification(
        notification_id=f"00000000-0000-7000-8000-{call:06}{seq:06}",
        account_id=account,
        seq=seq,
        previous_seq=seq - 1,
        url=url,
        event=event,
    )


async def claim(db: Database, most: int = 1, *, now: datetime = NOON, limits: PostLimits = LIMITS) -> list[DueClaim]:
    claims, _ = await db.write(claim_due, most, Cursor(), limits, now, now + LEASE, ())
    return claims


async def settle(
    db: Database, due: DueClaim, attempt: Attempt = OK, next_s: float | None = None, *, now: datetime = NOON
) -> bool:
    """Settles one attempt: delivered, tried again after `next_s`, or buried."""
    (kept,) = await db.write(settle_attempts, [a_settling(due, attempt, next_s, now=now)], RULES, now)
    return kept


def a_settling(due: DueClaim, attempt: Attempt = OK, next_s: float | None = None, *, now: datetime = NOON) -> Settled:
    """An attempt that is to be settled: delivered, tried again after `next_s`, or buried."""
    if attempt.outcome is AttemptOutcome.DELIVERED:
        step = Step(status=NotificationStatus.DELIVERED)
    elif next_s is None:
        step = Step(status=NotificationStatus.BURIED, bury_reason="given up")
    else:
        step = Step(status=NotificationStatus.WAITING, next_attempt_time=now + timedelta(seconds=next_s))
    return Settled(claim=due, attempt=attempt, step=step)


async def settle_next(db: Database, attempt: Attempt = OK, next_s: float | None = None, *, now: datetime = NOON) -> str:
    """One turn: what is due next is claimed and settled. Answers its id."""
    (due,) = await claim(db, now=now)
    assert await settle(db, due, attempt, next_s, now=now)
    return due.due.notification_id


async def listed(db: Database, account: int = 1, wanted: NotificationFilter = ALL) -> Sequence[StoredNotification]:
    """Oldest first."""
    return list(reversed(await db.read(list_notifications, account, 1000, None, wanted)))


async def statuses(db: Database) -> list[tuple[str, int]]:
    return [(each.row.status, len(each.attempts)) for each in await listed(db)]
