"""docs/contract.md 7: notifications in the order of their call."""

from datetime import timedelta

import pytest

from services.notify.store.lines import HELD_BACK
from services.notify.store.queue import enqueue, sweep_notifications
from services.notify.store.retention import erase_calls, forget_ended
from services.notify.store.tables import NOTIFY_WORK, work_key
from services.shared.db.database import Database
from tests.support.makers import NOON
from tests.support.notifying import (
    FAILED,
    LEASE,
    a_notification,
    claim,
    listed,
    settle,
    settle_next,
    statuses,
)


@pytest.mark.contract("7 in order")
async def test_notifications_of_a_call_are_posted_one_after_another(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(1), a_notification(2)], NOON)

    (first,) = await claim(notify_db, most=10)
    assert first.due.notification_id == a_notification(1).notification_id
    assert await claim(notify_db) == []
    await settle(notify_db, first)
    assert await settle_next(notify_db) == a_notification(2).notification_id
    assert await claim(notify_db) == []
    assert await statuses(notify_db) == [("delivered", 1), ("delivered", 1)]


async def test_one_that_comes_ahead_is_held_back_until_its_predecessor_has_gone(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(2)], NOON)
    assert await claim(notify_db) == []

    await notify_db.write(enqueue, [a_notification(1)], NOON)

    assert await settle_next(notify_db) == a_notification(1).notification_id
    assert await settle_next(notify_db) == a_notification(2).notification_id


async def test_one_whose_predecessor_never_comes_goes_after_a_while(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(3)], NOON)

    await notify_db.write(sweep_notifications, NOON + HELD_BACK - timedelta(seconds=1))
    assert await claim(notify_db) == []
    await notify_db.write(sweep_notifications, NOON + HELD_BACK)
    assert await settle_next(notify_db) == a_notification(3).notification_id


async def test_one_that_comes_after_its_successor_went_is_not_lost(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(3)], NOON)
    await notify_db.write(sweep_notifications, NOON + HELD_BACK)
    await settle_next(notify_db)

    await notify_db.write(enqueue, [a_notification(2)], NOON)

    assert await settle_next(notify_db) == a_notification(2).notification_id


async def test_one_whose_attempts_never_end_is_buried_and_lets_the_next_go(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(1), a_notification(2)], NOON)
    for attempt in range(5):
        now = NOON + attempt * LEASE
        await claim(notify_db, now=now)
        await notify_db.write(sweep_notifications, now + LEASE)

    assert await settle_next(notify_db) == a_notification(2).notification_id
    assert await statuses(notify_db) == [("buried", 1), ("delivered", 1)]
    assert (await listed(notify_db))[0].row.bury_reason == "5 attempts did not come to an end"


async def test_enqueueing_again_changes_nothing(notify_db: Database) -> None:
    assert await notify_db.write(enqueue, [a_notification(1)], NOON) == 1
    await settle_next(notify_db)

    assert await notify_db.write(enqueue, [a_notification(1)], NOON) == 0
    assert await claim(notify_db) == []
    assert await statuses(notify_db) == [("delivered", 1)]


@pytest.mark.contract("7 at least once", "7 in order")
async def test_a_failed_one_waits_for_its_time_and_holds_back_the_next(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(1), a_notification(2)], NOON)
    await settle_next(notify_db, FAILED, next_s=5)

    assert await claim(notify_db) == []
    await notify_db.write(NOTIFY_WORK.sweep, NOON + timedelta(seconds=5))
    assert await settle_next(notify_db) == a_notification(1).notification_id
    assert await settle_next(notify_db) == a_notification(2).notification_id
    assert await statuses(notify_db) == [("delivered", 2), ("delivered", 1)]


async def test_what_comes_while_one_waits_to_be_tried_again_does_not_hasten_it(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(1)], NOON)
    await settle_next(notify_db, FAILED, next_s=5)

    await notify_db.write(enqueue, [a_notification(2)], NOON)

    assert await claim(notify_db) == []


async def test_a_buried_one_lets_the_next_go(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(1), a_notification(2)], NOON)
    await settle_next(notify_db, FAILED, next_s=None)

    assert await settle_next(notify_db) == a_notification(2).notification_id
    assert await statuses(notify_db) == [("buried", 1), ("delivered", 1)]


async def test_a_late_worker_logs_and_settles_nothing(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(1)], NOON)
    (late,) = await claim(notify_db)
    await notify_db.write(NOTIFY_WORK.sweep, NOON + LEASE)

    assert not await settle(notify_db, late)
    assert await statuses(notify_db) == [("waiting", 0)]


async def test_calls_do_not_wait_for_each_other(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(1, call=1), a_notification(1, call=2)], NOON)
    await settle_next(notify_db, FAILED, next_s=3600)

    assert await settle_next(notify_db) == a_notification(1, call=2).notification_id


async def test_the_first_of_a_line_may_go_elsewhere_than_the_one_before(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(1, url="https://a/"), a_notification(2, url="https://b/")], NOON)

    for url in ("https://a/", "https://b/"):
        (due,) = await claim(notify_db)
        assert (due.due.url, await settle(notify_db, due)) == (url, True)


async def test_an_erased_call_is_forgotten_for_good(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(1), a_notification(2), a_notification(1, call=2)], NOON)
    await settle_next(notify_db)
    (under_way,) = await claim(notify_db)

    for _ in range(2):
        await notify_db.write(erase_calls, [1])

    assert not await settle(notify_db, under_way)
    assert await notify_db.write(enqueue, [a_notification(1), a_notification(3)], NOON) == 0
    assert [each.row.call_session_id for each in await listed(notify_db)] == [2]
    (left,) = await claim(notify_db, most=10)
    assert left.key == work_key(2, is_redelivery=False)


async def test_what_ended_long_ago_goes_with_its_attempts_and_its_receiver(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(1), a_notification(2), a_notification(1, call=2)], NOON)
    await settle_next(notify_db)
    await settle_next(notify_db, FAILED, now=NOON + LEASE)

    assert await notify_db.write(forget_ended, NOON + timedelta(seconds=1)) == 1
    assert await statuses(notify_db) == [("buried", 1), ("waiting", 0)]
    # Its place in the order is remembered: the next one of the call is not held back.
    await notify_db.write(enqueue, [a_notification(3)], NOON)
    assert {each.due.notification_id for each in await claim(notify_db, most=10)} == {
        a_notification(3).notification_id,
        a_notification(1, call=2).notification_id,
    }
