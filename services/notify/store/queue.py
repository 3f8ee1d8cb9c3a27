"""Notifications in the order of their call: taken over, posted one after another, settled (docs/contract.md 7)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Update, insert, select, update
from sqlalchemy.engine import Row

from services.notify.notification import Attempt, AttemptOutcome, DueNotification, NewNotification, NotificationStatus
from services.notify.payload import payload
from services.notify.store.tables import NOTIFY_WORK, AttemptRow, CallOrderRow, NotificationRow
from services.shared.db.tables import insert_missing, table_of
from services.shared.db.work_table import Claim

_notifications = table_of(NotificationRow)
_attempts = table_of(AttemptRow)
_call_order = table_of(CallOrderRow)

HELD_BACK = timedelta(minutes=10)
"""How long one that came ahead waits for its predecessor."""
MAX_EXPIRIES = 5
"""Leases of one notification that may run out before it is buried."""


def enqueue(connection: Connection, new: Sequence[NewNotification], now: datetime) -> int:
    """Takes notifications over; known ids are passed over. Answers how many were new."""
    taken = insert_missing(
        connection,
        _notifications,
        [
            {
                "notification_id": each.notification_id,
                "account_id": each.account_id,
                "call_session_id": each.event.call_session_id,
                "ext_id": each.event.ext_id,
                "seq": each.seq,
                "previous_seq": each.previous_seq,
                "url": each.url,
                "event": each.event.name,
                "event_time": each.event.event_time,
                "body": payload(each.event),
                "status": NotificationStatus.WAITING,
                "attempts": 0,
            }
            for each in new
        ],
    )
    for call, account_id in {each.event.call_session_id: each.account_id for each in new}.items():
        _schedule(connection, call, account_id, now)
    return taken


def take_due(connection: Connection, claim: Claim) -> DueNotification | None:
    """The claimed call's next notification; None when there is none (its work ends) or the lease is lost.

    One whose predecessor did not come in all the time that it was held back is due too: the predecessor is lost, and waiting for ever helps nobody.
    """
    if not NOTIFY_WORK.holds(connection, claim.key, claim.token):
        return None
    head = _head(connection, claim.key)
    if head is None:
        NOTIFY_WORK.finish(connection, claim.key, claim.token)
        return None
    return _due(head)


def settle_attempt(
    connection: Connection,
    claim: Claim,
    due: DueNotification,
    attempt: Attempt,
    next_attempt_time: datetime | None,
    now: datetime,
) -> bool:
    """Logs an attempt and what follows: delivered, tried again at `next_attempt_time`, or buried when that is None. False when the lease is lost."""
    if not NOTIFY_WORK.holds(connection, claim.key, claim.token):
        return False
    _log_attempt(connection, due, attempt)
    if attempt.outcome is AttemptOutcome.DELIVERED:
        _close(connection, due, NotificationStatus.DELIVERED)
    elif next_attempt_time is None:
        _close(connection, due, NotificationStatus.BURIED)
    else:
        connection.execute(_changed(due).values(next_attempt_time=next_attempt_time, attempts=due.failures + 1))
        return NOTIFY_WORK.delay(connection, claim.key, claim.token, next_attempt_time)
    NOTIFY_WORK.finish(connection, claim.key, claim.token)
    _schedule(connection, due.call_session_id, due.account_id, now)
    return True


def sweep_notifications(connection: Connection, now: datetime) -> list[int]:
    """Frees leases that ran out and wakes what is due; a notification whose work never comes to an end is buried. Answers the calls of these."""
    given_up = [lease for lease in NOTIFY_WORK.sweep(connection, now) if lease.expiries >= MAX_EXPIRIES]
    for lease in given_up:
        NOTIFY_WORK.drop(connection, [lease.key])
        head = _head(connection, lease.key)
        if head is not None:
            due = _due(head)
            reason = f"{lease.expiries} attempts did not come to an end"
            _log_attempt(
                connection, due, Attempt(attempt_time=now, latency_ms=0, outcome=AttemptOutcome.INTERNAL, reason=reason)
            )
            _close(connection, due, NotificationStatus.BURIED)
        _schedule(connection, lease.key, lease.account_id, now)
    return [lease.key for lease in given_up]


def _schedule(connection: Connection, call_session_id: int, account_id: int, now: datetime) -> None:
    """Gives the call's next notification its work: now, or much later while it has come ahead of its predecessor."""
    head = _head(connection, call_session_id)
    if head is None:
        return
    if head.previous_seq > _settled_seq(connection, call_session_id):
        NOTIFY_WORK.ensure(connection, [(call_session_id, account_id)], now, until=now + HELD_BACK)
        return
    NOTIFY_WORK.ensure(connection, [(call_session_id, account_id)], now)
    if head.attempts == 0:
        # The work may have been put off for one that came ahead; now its predecessor is here.
        NOTIFY_WORK.wake(connection, call_session_id, now)


def _head(connection: Connection, call_session_id: int) -> "Row[tuple[object, ...]] | None":
    waiting = select(_notifications).where(
        _notifications.c.call_session_id == call_session_id, _notifications.c.status == NotificationStatus.WAITING
    )
    return connection.execute(waiting.order_by(_notifications.c.seq).limit(1)).first()


def _settled_seq(connection: Connection, call_session_id: int) -> int:
    settled = select(_call_order.c.settled_seq).where(_call_order.c.call_session_id == call_session_id)
    return connection.execute(settled).scalar() or 0


def _due(head: "Row[tuple[object, ...]]") -> DueNotification:
    return DueNotification(
        notification_id=head.notification_id,
        account_id=head.account_id,
        call_session_id=head.call_session_id,
        url=head.url,
        body=head.body,
        failures=head.attempts,
    )


def _log_attempt(connection: Connection, due: DueNotification, attempt: Attempt) -> None:
    connection.execute(
        insert(_attempts).values(
            notification_id=due.notification_id,
            number=due.failures + 1,
            attempt_time=attempt.attempt_time,
            latency_ms=attempt.latency_ms,
            outcome=attempt.outcome,
            http_status=attempt.http_status,
            reason=attempt.reason,
        )
    )


def _close(connection: Connection, due: DueNotification, status: NotificationStatus) -> None:
    seq = connection.execute(
        _changed(due)
        .values(status=status, next_attempt_time=None, attempts=due.failures + 1)
        .returning(_notifications.c.seq)
    ).scalar_one()
    insert_missing(connection, _call_order, [{"call_session_id": due.call_session_id, "settled_seq": 0}])
    connection.execute(
        update(_call_order)
        .where(_call_order.c.call_session_id == due.call_session_id, _call_order.c.settled_seq < seq)
        .values(settled_seq=seq)
    )


def _changed(due: DueNotification) -> Update:
    return update(_notifications).where(_notifications.c.notification_id == due.notification_id)
