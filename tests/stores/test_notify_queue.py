"""docs/contract.md 7: notifications in the order of their call."""

from datetime import timedelta

import pytest

from services.notify.notification import Attempt, AttemptOutcome, DueNotification, NewNotification
from services.notify.payload import Event
from services.notify.store.queue import HELD_BACK, enqueue, settle_attempt, sweep_notifications, take_due
from services.notify.store.reading import list_notifications
from services.notify.store.tables import NOTIFY_WORK
from services.shared.db.engine import SqliteDatabase
from services.shared.db.work_table import Claim
from tests.support.makers import NOON

LEASE = timedelta(seconds=30)
OK = Attempt(attempt_time=NOON, latency_ms=3, outcome=AttemptOutcome.DELIVERED, http_status=204)
FAILED = Attempt(
    attempt_time=NOON,
    latency_ms=3,
    outcome=AttemptOutcome.HTTP_STATUS,
    http_status=500,
    reason="the receiver answered 500",
)


def a_notification(seq: int, call: int = 1) -> NewNotification:
    event = Event(name="processed", ext_id=f"call-{call}", call_session_id=call, event_time=NOON)
    return NewNotification(
        notification_id=f"00000000-0000-7000-8000-{call:06}{seq:06}",
        account_id=1,
        seq=seq,
        previous_seq=seq - 1,
        url="https://x/hook",
        event=event,
    )


async def due(db: SqliteDatabase) -> tuple[Claim, DueNotification] | None:
    claims = await db.write(NOTIFY_WORK.claim, stage=0, most=1, after_account=0, now=NOON, lease_end=NOON + LEASE)
    if not claims:
        return None
    taken = await db.write(take_due, claims[0])
    assert taken is not None
    return claims[0], taken


async def settle(db: SqliteDatabase, attempt: Attempt = OK, next_s: float | None = None) -> str:
    found = await due(db)
    assert found is not None
    next_time = None if next_s is None else NOON + timedelta(seconds=next_s)
    assert await db.write(settle_attempt, *found, attempt, next_time, NOON)
    return found[1].notification_id


async def statuses(db: SqliteDatabase) -> list[tuple[str, int]]:
    found = await db.read(list_notifications, 1, 100, None, None)
    return [(each.row.status, len(each.attempts)) for each in reversed(found)]


@pytest.mark.contract("7 in order")
async def test_notifications_of_a_call_are_posted_one_after_another(notify_db: SqliteDatabase) -> None:
    await notify_db.write(enqueue, [a_notification(1), a_notification(2)], NOON)

    first = await due(notify_db)
    assert first is not None
    assert first[1].notification_id == a_notification(1).notification_id
    assert await due(notify_db) is None
    await notify_db.write(settle_attempt, *first, OK, None, NOON)
    assert await settle(notify_db) == a_notification(2).notification_id
    assert await due(notify_db) is None
    assert await statuses(notify_db) == [("delivered", 1), ("delivered", 1)]


async def test_one_that_comes_ahead_is_held_back_until_its_predecessor_has_gone(notify_db: SqliteDatabase) -> None:
    await notify_db.write(enqueue, [a_notification(2)], NOON)
    assert await due(notify_db) is None

    await notify_db.write(enqueue, [a_notification(1)], NOON)

    assert await settle(notify_db) == a_notification(1).notification_id
    assert await settle(notify_db) == a_notification(2).notification_id


async def test_one_whose_predecessor_never_comes_goes_after_a_while(notify_db: SqliteDatabase) -> None:
    await notify_db.write(enqueue, [a_notification(3)], NOON)

    await notify_db.write(sweep_notifications, NOON + HELD_BACK - timedelta(seconds=1))
    assert await due(notify_db) is None
    await notify_db.write(sweep_notifications, NOON + HELD_BACK)
    assert await settle(notify_db) == a_notification(3).notification_id


async def test_one_whose_attempts_never_end_is_buried_and_lets_the_next_go(notify_db: SqliteDatabase) -> None:
    await notify_db.write(enqueue, [a_notification(1), a_notification(2)], NOON)
    for attempt in range(5):
        now = NOON + attempt * LEASE
        await notify_db.write(NOTIFY_WORK.claim, stage=0, most=1, after_account=0, now=now, lease_end=now + LEASE)
        await notify_db.write(sweep_notifications, now + LEASE)

    assert await settle(notify_db) == a_notification(2).notification_id
    assert await statuses(notify_db) == [("buried", 1), ("delivered", 1)]


async def test_enqueueing_again_changes_nothing(notify_db: SqliteDatabase) -> None:
    assert await notify_db.write(enqueue, [a_notification(1)], NOON) == 1
    await settle(notify_db)

    assert await notify_db.write(enqueue, [a_notification(1)], NOON) == 0
    assert await due(notify_db) is None
    assert await statuses(notify_db) == [("delivered", 1)]


@pytest.mark.contract("7 at least once", "7 in order")
async def test_a_failed_one_waits_for_its_time_and_holds_back_the_next(notify_db: SqliteDatabase) -> None:
    await notify_db.write(enqueue, [a_notification(1), a_notification(2)], NOON)
    await settle(notify_db, FAILED, next_s=5)

    assert await due(notify_db) is None
    await notify_db.write(NOTIFY_WORK.sweep, NOON + timedelta(seconds=5))
    assert await settle(notify_db) == a_notification(1).notification_id
    assert await settle(notify_db) == a_notification(2).notification_id
    assert await statuses(notify_db) == [("delivered", 2), ("delivered", 1)]


async def test_a_buried_one_lets_the_next_go(notify_db: SqliteDatabase) -> None:
    await notify_db.write(enqueue, [a_notification(1), a_notification(2)], NOON)
    await settle(notify_db, FAILED, next_s=None)

    assert await settle(notify_db) == a_notification(2).notification_id
    assert await statuses(notify_db) == [("buried", 1), ("delivered", 1)]


async def test_a_late_worker_logs_and_settles_nothing(notify_db: SqliteDatabase) -> None:
    await notify_db.write(enqueue, [a_notification(1)], NOON)
    late = await due(notify_db)
    assert late is not None
    await notify_db.write(NOTIFY_WORK.sweep, NOON + LEASE)

    assert not await notify_db.write(settle_attempt, *late, OK, None, NOON)
    assert await statuses(notify_db) == [("waiting", 0)]


async def test_calls_do_not_wait_for_each_other(notify_db: SqliteDatabase) -> None:
    await notify_db.write(enqueue, [a_notification(1, call=1), a_notification(1, call=2)], NOON)
    await settle(notify_db, FAILED, next_s=3600)

    assert await settle(notify_db) == a_notification(1, call=2).notification_id
