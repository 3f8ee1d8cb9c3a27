"""Notifications in the order of their call: taken over, posted one after another, settled (docs/contract.md 7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select, update

from services.notify.breaker import BreakerRules
from services.notify.notification import (
    Attempt,
    AttemptOutcome,
    DueNotification,
    NewNotification,
    NotificationStatus,
)
from services.notify.payload import payload
from services.notify.schedule import Step
from services.notify.store.attempts import log_attempts
from services.notify.store.claims import DueClaim
from services.notify.store.lines import IS_WAITING, due_of, erased_calls, heads, line_up
from services.notify.store.receivers import ensure_receivers, judge_receivers
from services.notify.store.tables import (
    NOTIFY_WORK,
    CallOrderRow,
    NotificationRow,
    ReceiverRow,
    line_of,
    work_key,
)
from services.shared.db.tables import insert_missing, table_of, upsert

_notifications = table_of(NotificationRow)
_call_order = table_of(CallOrderRow)
_receivers = table_of(ReceiverRow)

MAX_EXPIRIES = 5
"""Leases of one notification that may run out before it is buried."""
GIVEN_UP_AT_ONCE = 500

_STEP = (
    update(_notifications)
    .where(_notifications.c.notification_id == bindparam("due_id"))
    .values(
        status=bindparam("status"),
        attempts=bindparam("attempts"),
        failures=bindparam("failures"),
        turn_time=func.coalesce(_notifications.c.turn_time, bindparam("attempt_time")),
        next_attempt_time=bindparam("next_attempt_time"),
        end_time=bindparam("end_time"),
        bury_reason=bindparam("bury_reason"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """An attempt that came to an end, and what follows."""

    claim: DueClaim
    attempt: Attempt
    step: Step


def enqueue(connection: Connection, new: Sequence[NewNotification], now: datetime) -> int:
    """Takes notifications over; known ids, and those of erased calls, are passed over. Answers how many were new."""
    erased = erased_calls(connection, {each.event.call_session_id for each in new})
    kept = [each for each in new if each.event.call_session_id not in erased]
    receivers = ensure_receivers(connection, {(each.account_id, each.url) for each in kept})
    taken = insert_missing(
        connection,
        _notifications,
        [
            {
                "notification_id": each.notification_id,
                "account_id": each.account_id,
                "receiver_id": receivers[each.account_id, each.url],
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
                "failures": 0,
                "is_redelivery": False,
                "is_test": False,
                "bury_reason": "",
            }
            for each in kept
        ],
    )
    line_up(connection, {work_key(each.event.call_session_id, is_redelivery=False) for each in kept}, now)
    return taken


def settle_attempts(
    connection: Connection, settled: Sequence[Settled], rules: BreakerRules, now: datetime
) -> list[bool]:
    """Logs attempts and what follows: delivered, tried again, or buried. Answers for each whether its lease was still ours; nothing is kept of the others."""
    ours = NOTIFY_WORK.held(connection, [each.claim for each in settled])
    kept = [each for each in settled if each.claim.token in ours]
    if kept:
        log_attempts(
            connection,
            [(each.claim.due.notification_id, each.claim.due.attempts + 1, each.attempt) for each in kept],
        )
        connection.execute(_STEP, [_step_values(each, now) for each in kept])
        again = [each for each in kept if each.step.next_attempt_time is not None]
        NOTIFY_WORK.delay_all(
            connection,
            [(each.claim, each.step.next_attempt_time) for each in again if each.step.next_attempt_time is not None],
        )
        ended = [each.claim for each in kept if each.step.next_attempt_time is None]
        NOTIFY_WORK.finish_all(connection, ended)
        _let_next_go(connection, {claim.key: claim.seq for claim in ended}, now)
        judge_receivers(connection, [(each.claim.due.receiver_id, each.attempt) for each in kept], rules, now)
    return [each.claim.token in ours for each in settled]


def sweep_notifications(connection: Connection, now: datetime) -> list[int]:
    """Frees leases that ran out and wakes what is due; a notification whose work never comes to an end is buried. Answers the calls of these."""
    given_up = [lease for lease in NOTIFY_WORK.sweep(connection, now) if lease.expiries >= MAX_EXPIRIES]
    firsts = heads(connection, [lease.key for lease in given_up])
    NOTIFY_WORK.drop(connection, [lease.key for lease in given_up])
    for lease in given_up:
        if lease.key in firsts:
            reason = f"{lease.expiries} attempts did not come to an end"
            attempt = Attempt(attempt_time=now, latency_ms=0, outcome=AttemptOutcome.INTERNAL, reason=reason)
            due = due_of(firsts[lease.key])
            log_attempts(connection, [(due.notification_id, due.attempts + 1, attempt)])
            _bury(connection, due, due.attempts + 1, reason, now)
    _let_next_go(connection, {key: head.seq for key, head in firsts.items()}, now)
    return [line_of(lease.key)[0] for lease in given_up]


def give_up_waiting(connection: Connection, before: datetime, now: datetime) -> int:
    """Buries, up to 500 at once, what has been first in its line since before then while its receiver is paused: nothing waits for ever. Answers how many."""
    found = connection.execute(
        select(_notifications, _receivers.c.reason, _receivers.c.failing_since)
        .join(_receivers, _receivers.c.receiver_id == _notifications.c.receiver_id)
        .where(
            IS_WAITING,
            _notifications.c.turn_time <= before,
            _receivers.c.probe_time.is_not(None),
        )
        .order_by(_notifications.c.turn_time)
        .limit(GIVEN_UP_AT_ONCE)
    ).all()
    by_key = {work_key(row.call_session_id, is_redelivery=row.is_redelivery): row for row in found}
    free = NOTIFY_WORK.drop_free(connection, list(by_key))
    for key in free:
        row = by_key[key]
        reason = f"the receiver was paused until its time was over; its last failure: {row.reason}"
        _bury(connection, due_of(row), row.attempts, reason, now)
    _let_next_go(connection, {key: by_key[key].seq for key in free}, now)
    return len(free)


def _step_values(settled: Settled, now: datetime) -> dict[str, object]:
    due, step = settled.claim.due, settled.step
    return {
        "due_id": due.notification_id,
        "status": step.status,
        "attempts": due.attempts + 1,
        "failures": due.failures + (settled.attempt.outcome is not AttemptOutcome.DELIVERED),
        "attempt_time": settled.attempt.attempt_time,
        "next_attempt_time": step.next_attempt_time,
        "end_time": now if step.next_attempt_time is None else None,
        "bury_reason": step.bury_reason,
    }


def _bury(connection: Connection, due: DueNotification, attempts: int, reason: str, now: datetime) -> None:
    connection.execute(
        update(_notifications)
        .where(_notifications.c.notification_id == due.notification_id)
        .values(
            status=NotificationStatus.BURIED,
            attempts=attempts,
            next_attempt_time=None,
            end_time=now,
            bury_reason=reason,
        )
    )


def _let_next_go(connection: Connection, ended: Mapping[int, int], now: datetime) -> None:
    """The firsts of these lines (work key and seq) have ended: the next ones get their work. Redeliveries do not count for the order of their call."""
    in_order = {line_of(key)[0]: seq for key, seq in ended.items() if not line_of(key)[1]}
    upsert(
        connection,
        _call_order,
        [{"call_session_id": call, "settled_seq": seq, "is_erased": False} for call, seq in in_order.items()],
        raises=("settled_seq",),
    )
    line_up(connection, ended, now)
