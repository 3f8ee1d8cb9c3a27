"""Notifications in the order of their call: taken over, posted one after another, settled (docs/contract.md 7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, update

from services.notify.breaker import BreakerRules
from services.notify.notification import (
    Attempt,
    AttemptOutcome,
    NewNotification,
    NotificationStatus,
)
from services.notify.payload import payload
from services.notify.schedule import Step
from services.notify.store.attempts import log_attempts
from services.notify.store.claims import DueClaim
from services.notify.store.lines import erased_calls, heads, line_up, lock_calls
from services.notify.store.receivers import ensure_receivers, judge_receivers, paused_receivers, receivers_by_id
from services.notify.store.tables import (
    NOTIFY_WORK,
    NotificationRow,
    line_of,
    work_key,
)
from services.shared.db.dialects import Sql, rows_text
from services.shared.db.lane_work import Lane
from services.shared.db.tables import insert_missing, table_of
from services.shared.db.work_table import Swept

_notifications = table_of(NotificationRow)

MAX_EXPIRIES = 5
"""Leases of one notification that may run out before it is buried."""
GIVEN_UP_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """An attempt that came to an end, and what follows."""

    claim: DueClaim
    attempt: Attempt
    step: Step


def enqueue(connection: Connection, new: Sequence[NewNotification], now: datetime) -> int:
    """Takes notifications over; known ids, and those of erased calls, are passed over. Answers how many were new."""
    lock_calls(connection, {each.event.call_session_id for each in new})
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
                "traceparent": each.traceparent,
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
    lock_calls(connection, {line_of(each.claim.key)[0] for each in settled})
    ours = NOTIFY_WORK.held(connection, [each.claim for each in settled])
    kept = [each for each in settled if each.claim.token in ours]
    if kept:
        log_attempts(
            connection,
            [(each.claim.due.notification_id, each.claim.due.attempts + 1, each.attempt) for each in kept],
        )
        _STEP.change(connection, {"rows": rows_text([_step_values(each, now) for each in kept])})
        NOTIFY_WORK.finish_all(connection, [each.claim for each in kept])
        _note_order(
            connection, {each.claim.key: each.claim.seq for each in kept if each.step.next_attempt_time is None}
        )
        # Also those that wait again: meanwhile another one may have come to be the first of the line.
        line_up(connection, [each.claim.key for each in kept], now)
        judge_receivers(connection, [(each.claim.due.receiver_id, each.attempt) for each in kept], rules, now)
    return [each.claim.token in ours for each in settled]


def sweep_notifications(connection: Connection, now: datetime) -> Swept:
    """Frees leases that ran out and wakes what is due; a notification whose work never comes to an end is buried."""
    expired = NOTIFY_WORK.sweep(connection, now)
    given_up = [lease for lease in expired if lease.expiries >= MAX_EXPIRIES]
    firsts = heads(connection, [lease.key for lease in given_up])
    NOTIFY_WORK.drop(connection, [lease.key for lease in given_up])
    for lease in given_up:
        if lease.key in firsts:
            reason = f"{lease.expiries} attempts did not come to an end"
            attempt = Attempt(attempt_time=now, latency_ms=0, outcome=AttemptOutcome.INTERNAL, reason=reason)
            due = firsts[lease.key].due
            log_attempts(connection, [(due.notification_id, due.attempts + 1, attempt)])
            _bury(connection, due.notification_id, due.attempts + 1, reason, now)
    _let_next_go(connection, {key: head.seq for key, head in firsts.items()}, now)
    return Swept(expired=len(expired), given_up=[line_of(lease.key)[0] for lease in given_up])


def find_forsaken(connection: Connection, before: datetime, tried_since: datetime) -> list[int]:
    """Up to 500 lines that have been ready since before then, of receivers that have failed for as long and were tried in vain since `tried_since`."""
    found: list[int] = []
    for receiver in paused_receivers(connection, before, tried_since):
        lane = Lane(receiver.account_id, receiver.receiver_id)
        found += NOTIFY_WORK.ready_since(connection, lane, before, GIVEN_UP_AT_ONCE - len(found))
        if len(found) >= GIVEN_UP_AT_ONCE:
            break
    return found


def give_up(connection: Connection, keys: Sequence[int], before: datetime, now: datetime) -> int:
    """Buries the first of these lines, as far as they are ready since before then, without another attempt. Answers how many."""
    lock_calls(connection, {line_of(key)[0] for key in keys})
    free = NOTIFY_WORK.drop_ready(connection, keys, before)
    firsts = heads(connection, free)
    health = receivers_by_id(connection, {head.due.receiver_id for head in firsts.values()})
    for head in firsts.values():
        last = health[head.due.receiver_id].health.reason if head.due.receiver_id in health else ""
        reason = f"the receiver was paused for too long; its last failure: {last}"
        _bury(connection, head.due.notification_id, head.due.attempts, reason, now)
    _let_next_go(connection, {key: head.seq for key, head in firsts.items()}, now)
    return len(firsts)


def _step_values(settled: Settled, now: datetime) -> tuple[object, ...]:
    due, step = settled.claim.due, settled.step
    again = step.next_attempt_time
    return (
        due.notification_id,
        step.status,
        due.attempts + 1,
        due.failures + (settled.attempt.outcome is not AttemptOutcome.DELIVERED),
        again,
        now if again is None else None,
        step.bury_reason,
    )


def _bury(connection: Connection, notification_id: str, attempts: int, reason: str, now: datetime) -> None:
    connection.execute(
        update(_notifications)
        .where(_notifications.c.notification_id == notification_id)
        .values(
            status=NotificationStatus.BURIED,
            attempts=attempts,
            next_attempt_time=None,
            end_time=now,
            bury_reason=reason,
        )
    )


def _let_next_go(connection: Connection, ended: Mapping[int, int], now: datetime) -> None:
    """The firsts of these lines (work key and seq) have ended: the next ones get their work."""
    _note_order(connection, ended)
    line_up(connection, ended, now)


def _note_order(connection: Connection, ended: Mapping[int, int]) -> None:
    """So far their calls have come. Redeliveries do not count for the order of their call."""
    in_order = {line_of(key)[0]: seq for key, seq in ended.items() if not line_of(key)[1]}
    if in_order:
        _ORDER.change(connection, {"rows": rows_text(sorted(in_order.items()))})


_STEP = Sql("""
UPDATE notifications SET
  status = step[1]::text, attempts = step[2]::integer, failures = step[3]::integer, next_attempt_time = step[4]::bigint, end_time = step[5]::bigint,
  bury_reason = step[6]::text
FROM EACH(:rows) AS step WHERE notification_id = step[0]::text
""")
_ORDER = Sql("""
INSERT INTO call_order AS o (call_session_id, settled_seq, is_erased)
SELECT r[0]::bigint, r[1]::bigint, false FROM EACH(:rows) AS r WHERE true
ON CONFLICT (call_session_id) DO UPDATE SET settled_seq = CASE WHEN o.settled_seq < excluded.settled_seq THEN excluded.settled_seq ELSE o.settled_seq END
""")
