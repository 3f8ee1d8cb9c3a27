"""Receivers that fail: paused without losing anything, tried again, told of; and what is claimed while others wait."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.notify.breaker import LONGEST_PAUSE
from services.notify.notification import AttemptOutcome
from services.notify.picking import PostLimits
from services.notify.store.claims import Cursor, claim_due
from services.notify.store.lines import HELD_BACK
from services.notify.store.queue import enqueue, find_forsaken, give_up, sweep_notifications
from services.notify.store.receivers import count_standing, list_receivers, probe_now, report_failing
from services.notify.store.redelivery import redeliver, redeliver_buried
from services.shared.db.database import Database
from tests.support.makers import NOON
from tests.support.notifying import (
    DOWN,
    FAILED,
    LEASE,
    LIMITS,
    a_notification,
    claim,
    listed,
    settle,
    settle_next,
    statuses,
)

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


async def fail_all(db: Database, calls: int) -> None:
    """So many calls to one dead receiver; all first attempts fail."""
    await db.write(enqueue, [a_notification(1, call=number + 1) for number in range(calls)], NOON)
    for due in await claim(db, most=calls):
        await settle(db, due, DOWN, next_s=3600)


async def fail_again(db: Database, now: datetime) -> None:
    """The receiver of account 1 is probed at this moment, in vain."""
    await db.write(probe_now, [1], now)
    await db.write(sweep_notifications, now)
    (probe,) = await claim(db, now=now)
    await settle(db, probe, replace(DOWN, attempt_time=now), next_s=3600, now=now)


async def test_a_dead_receiver_is_left_alone_and_loses_nothing(notify_db: Database) -> None:
    await fail_all(notify_db, 5)
    await notify_db.write(enqueue, [a_notification(1, call=9)], NOON)

    assert await claim(notify_db) == []
    (probe,) = await claim(notify_db, most=10, now=NOON + 5 * SECOND)
    assert await claim(notify_db, most=10, now=NOON + 6 * SECOND) == []
    await settle(notify_db, probe, now=NOON + 6 * SECOND)
    await notify_db.write(sweep_notifications, NOON + 3600 * SECOND)
    assert len(await claim(notify_db, most=10, now=NOON + 3600 * SECOND)) == 5


async def test_one_dead_receiver_is_another_accounts_and_hosts_affair(notify_db: Database) -> None:
    await fail_all(notify_db, 5)
    other_account = a_notification(1, call=20, account=2)
    other_host = a_notification(1, call=21, url="https://y/hook")
    await notify_db.write(enqueue, [a_notification(1, call=9), other_account, other_host], NOON)

    assert {each.due.notification_id for each in await claim(notify_db, most=10)} == {
        other_account.notification_id,
        other_host.notification_id,
    }


async def test_links_of_one_host_are_one_receiver(notify_db: Database) -> None:
    urls = ["https://x/a", "https://X:443/b?c", "https://someone@x./", "http://x/", "https://x:8443/"]
    new = [a_notification(1, call=place + 1, url=url) for place, url in enumerate(urls)]
    await notify_db.write(enqueue, new, NOON)

    found = await notify_db.read(list_receivers, 1)

    assert {each.receiver.host: each.waiting_calls for each in found} == {"x": 3, "x:80": 1, "x:8443": 1}


async def test_a_receiver_stands_in_the_list_with_its_failures_first(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(1, call=7, url="https://a/")], NOON)
    await settle_next(notify_db)
    await fail_all(notify_db, 5)

    dead, well = await notify_db.read(list_receivers, 1)

    assert (dead.receiver.host, dead.receiver.health.failures, dead.waiting_calls) == ("x", 5, 5)
    assert (dead.receiver.health.reason, dead.receiver.health.failing_since) == ("could not connect", NOON)
    assert (well.receiver.host, well.receiver.health.last_delivered_time, well.waiting_calls) == ("a", NOON, 0)


async def test_a_receiver_that_fails_for_days_is_told_of_once_a_day(notify_db: Database) -> None:
    await fail_all(notify_db, 5)

    told = []
    for hours in (0, 23, 25, 26, 48, 50, 120):
        now = NOON + timedelta(hours=hours)
        if 0 < hours < 100:
            await fail_again(notify_db, now)
        told += [(hours, each.host) for each in await notify_db.write(report_failing, now - DAY, now - DAY, now)]

    # It was not heard of for days before the last look: nothing is sent to it any more.
    assert told == [(25, "x"), (50, "x")]
    assert await notify_db.read(count_standing, NOON) == (
        5,
        {"failing": 1, "paused": 1, "failing_for_a_day": 1},
    )


async def forsake(db: Database, before: datetime, now: datetime, started: datetime = NOON - DAY) -> int:
    return await db.write(give_up, await db.read(find_forsaken, before, started), before, now)


async def test_nothing_waits_for_ever_for_a_paused_receiver(notify_db: Database) -> None:
    await fail_all(notify_db, 5)
    await notify_db.write(enqueue, [a_notification(1, call=9), a_notification(2, call=9)], NOON + 2 * DAY)
    assert await forsake(notify_db, NOON + DAY, NOON + DAY) == 0
    await notify_db.write(sweep_notifications, NOON + DAY)

    assert await forsake(notify_db, NOON + DAY, NOON + 3 * DAY) == 5
    assert [each.row.status for each in await listed(notify_db)] == ["buried"] * 5 + ["waiting"] * 2
    assert "could not connect" in (await listed(notify_db))[0].row.bury_reason
    # The one whose turn it is goes, the next one's turn begins then.
    assert await forsake(notify_db, NOON + 2 * DAY, NOON + 4 * DAY) == 1
    assert await forsake(notify_db, NOON + 2 * DAY, NOON + 4 * DAY) == 0
    assert await forsake(notify_db, NOON + 4 * DAY, NOON + 5 * DAY) == 1


async def test_what_waited_for_days_is_not_given_up_for_a_pause_of_minutes(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(1, call=9)], NOON - 9 * DAY)
    await fail_all(notify_db, 5)

    assert await forsake(notify_db, NOON - DAY, NOON) == 0


async def test_after_a_start_a_receiver_is_tried_before_what_waits_for_it_is_given_up(
    notify_db: Database,
) -> None:
    await fail_all(notify_db, 5)
    await notify_db.write(enqueue, [a_notification(1, call=9)], NOON)
    started = NOON + 9 * DAY

    assert await forsake(notify_db, NOON + 8 * DAY, started, started) == 0
    for minutes in (0, 20, 40):
        await fail_again(notify_db, started + timedelta(minutes=minutes))

    assert await forsake(notify_db, NOON + 8 * DAY, started + DAY, started) == 1


async def test_what_waits_for_a_receiver_that_works_is_never_given_up(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(1)], NOON)

    assert await forsake(notify_db, NOON + 30 * DAY, NOON + 30 * DAY) == 0
    assert await statuses(notify_db) == [("waiting", 0)]


async def test_what_is_under_way_is_not_given_up(notify_db: Database) -> None:
    await fail_all(notify_db, 5)
    assert await claim(notify_db, now=NOON + LONGEST_PAUSE) == []
    await notify_db.write(enqueue, [a_notification(1, call=9)], NOON)
    (probe,) = await claim(notify_db, now=NOON + LONGEST_PAUSE)

    await notify_db.write(give_up, [probe.key], NOON + DAY, NOON + DAY)

    assert await settle(notify_db, probe, now=NOON + DAY)


async def test_a_redelivery_goes_outside_the_order_with_the_whole_schedule(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(1), a_notification(2)], NOON)
    await settle_next(notify_db, FAILED, next_s=None)
    await settle_next(notify_db, FAILED, next_s=3600)

    await notify_db.write(redeliver, 1, a_notification(1).notification_id, NOON)

    (again,) = await claim(notify_db, most=10)
    assert (again.due.notification_id, again.due.failures, again.due.attempts) == (
        a_notification(1).notification_id,
        0,
        1,
    )
    await settle(notify_db, again, FAILED, next_s=5)
    await notify_db.write(sweep_notifications, NOON + 5 * SECOND)
    assert await settle_next(notify_db, now=NOON + 5 * SECOND) == a_notification(1).notification_id
    first, second = await listed(notify_db)
    assert (first.row.status, first.row.is_redelivery, len(first.attempts)) == ("delivered", True, 3)
    assert (second.row.status, second.row.is_redelivery, len(second.attempts)) == ("waiting", False, 1)


async def test_one_that_waits_is_hastened_in_its_turn_and_its_paused_receiver_tried(notify_db: Database) -> None:
    await fail_all(notify_db, 5)
    await notify_db.write(enqueue, [a_notification(2, call=1)], NOON)

    await notify_db.write(redeliver, 1, a_notification(2, call=1).notification_id, NOON)
    assert await claim(notify_db) == []
    await notify_db.write(redeliver, 1, a_notification(1, call=1).notification_id, NOON)

    assert [each.due.notification_id for each in await claim(notify_db, most=10)] == [
        a_notification(1, call=1).notification_id
    ]


async def test_a_redelivery_of_an_earlier_one_goes_before_one_that_waits_to_be_tried_again(
    notify_db: Database,
) -> None:
    new = [a_notification(1, url="https://a/"), a_notification(2, url="https://b/")]
    await notify_db.write(enqueue, new, NOON)
    for _ in new:
        await settle_next(notify_db, FAILED)
    await notify_db.write(redeliver, 1, new[1].notification_id, NOON)
    (later,) = await claim(notify_db)

    # While the later one is under way, and fails.
    await notify_db.write(redeliver, 1, new[0].notification_id, NOON)
    await settle(notify_db, later, FAILED, next_s=DAY.total_seconds())

    (earlier,) = await claim(notify_db, most=10)
    assert (earlier.due.notification_id, earlier.due.url) == (new[0].notification_id, "https://a/")
    await settle(notify_db, earlier)
    # The other one's pause is not over.
    assert await claim(notify_db) == []
    await notify_db.write(redeliver, 1, new[1].notification_id, NOON)
    assert (await listed(notify_db))[1].row.next_attempt_time is None
    assert await settle_next(notify_db) == new[1].notification_id


async def test_the_end_of_one_does_not_jump_the_pause_of_the_next(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(2)], NOON)
    await notify_db.write(sweep_notifications, NOON + HELD_BACK)
    await settle_next(notify_db, FAILED, next_s=DAY.total_seconds())

    await notify_db.write(enqueue, [a_notification(1)], NOON)

    assert await settle_next(notify_db) == a_notification(1).notification_id
    assert await claim(notify_db) == []
    await notify_db.write(sweep_notifications, NOON + DAY)
    assert await settle_next(notify_db) == a_notification(2).notification_id


async def test_a_line_is_counted_for_the_receiver_of_its_first(notify_db: Database) -> None:
    first, second = a_notification(1, url="https://a/"), a_notification(2, url="https://b/")
    await notify_db.write(enqueue, [second], NOON)
    await notify_db.write(sweep_notifications, NOON + HELD_BACK)
    (held,) = await claim(notify_db)
    await notify_db.write(enqueue, [first], NOON)

    # Its lease runs out; the line has another first meanwhile.
    await notify_db.write(sweep_notifications, NOON + LEASE)
    assert await claim(notify_db) == []
    (due,) = await claim(notify_db)

    assert (held.due.url, due.due.url) == ("https://b/", "https://a/")
    waiting = {each.receiver.host: each.waiting_calls for each in await notify_db.read(list_receivers, 1)}
    assert waiting == {"a": 1, "b": 0}


async def test_all_buried_ones_go_again_in_the_order_of_their_call(notify_db: Database) -> None:
    numbers = [(seq, call) for call in (1, 2) for seq in (1, 2, 3)]
    await notify_db.write(enqueue, [a_notification(seq, call) for seq, call in numbers], NOON)
    for place in range(6):
        await settle_next(notify_db, FAILED, now=NOON + place * SECOND)

    since, until = NOON + SECOND, NOON + 60 * SECOND
    assert await notify_db.write(redeliver_buried, 1, since, until, None, until) == (5, False)
    assert await notify_db.write(redeliver_buried, 2, since, until, None, until) == (0, False)
    assert await notify_db.write(redeliver_buried, 1, since, until, "elsewhere", until) == (0, False)

    went = [await settle_next(notify_db, now=until) for _ in range(5)]
    assert [went.index(a_notification(seq, 2).notification_id) for seq in (1, 2, 3)] == sorted(
        went.index(a_notification(seq, 2).notification_id) for seq in (1, 2, 3)
    )
    assert [each.row.status for each in await listed(notify_db)].count("delivered") == 5


async def test_no_account_redelivers_anothers(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(1)], NOON)
    await settle_next(notify_db, FAILED)
    until = NOON + SECOND

    assert await notify_db.write(redeliver_buried, 2, NOON, until, None, until) == (0, False)


async def test_accounts_beyond_the_first_ring_are_found_though_all_before_them_are_paused(
    notify_db: Database,
) -> None:
    for account in range(1, 101):
        new = [a_notification(1, call=account * 10 + place, account=account) for place in range(6)]
        await notify_db.write(enqueue, new, NOON)
    while claims := await claim(notify_db, most=1000, limits=PostLimits(per_host=1000, per_account=5)):
        for due in claims:
            await settle(notify_db, due, DOWN, next_s=3600)
    await notify_db.write(enqueue, [a_notification(1, call=9000, account=101)], NOON)

    (found,) = await claim(notify_db, most=10)

    assert found.account_id == 101


async def test_receivers_beyond_the_first_64_of_an_account_have_their_turn(notify_db: Database) -> None:
    urls = [f"https://h{number}/" for number in range(150)]
    await notify_db.write(enqueue, [a_notification(1, call=place + 1, url=url) for place, url in enumerate(urls)], NOON)

    cursor, seen = Cursor(), set()
    for _ in range(10):
        limits = replace(LIMITS, per_account=1000)
        claims, cursor = await notify_db.write(claim_due, 40, cursor, limits, NOON, NOON + LEASE, ())
        seen |= {each.due.url for each in claims}

    assert seen == set(urls)


async def test_a_claim_is_fair_to_accounts_within_the_bounds(notify_db: Database) -> None:
    many = [a_notification(1, call=number) for number in range(1, 101)]
    few = [a_notification(1, call=200 + number, account=2, url="https://y/") for number in range(3)]
    await notify_db.write(enqueue, [*many, *few], NOON)

    claims = await claim(notify_db, most=100, limits=PostLimits(per_host=10, per_account=64))

    assert [each.account_id for each in claims].count(1) == 10
    assert [each.account_id for each in claims].count(2) == 3


async def test_what_is_being_settled_is_not_under_way_and_counts_once(notify_db: Database) -> None:
    await notify_db.write(enqueue, [a_notification(1, call=number) for number in range(1, 101)], NOON)
    first = await claim(notify_db, most=100)
    settling = first[:15]

    second, _ = await notify_db.write(claim_due, 100, Cursor(), LIMITS, NOON, NOON + LEASE, settling)
    for due in settling:
        await settle(notify_db, due)
    # They are settled now, though who asked still had them for being settled.
    third, _ = await notify_db.write(claim_due, 100, Cursor(), LIMITS, NOON, NOON + LEASE, settling)

    assert (len(first), len(second), len(third)) == (16, 15, 0)


async def test_a_lone_accounts_working_receiver_is_found_beyond_hundreds_that_are_paused(
    notify_db: Database,
) -> None:
    dead = [a_notification(1, call=place, url=f"https://h{place // 5:03}/") for place in range(5, 1005)]
    await notify_db.write(enqueue, dead, NOON)
    cursor, limits = Cursor(), PostLimits(per_host=1000, per_account=1000)
    for _ in range(20):
        claims, cursor = await notify_db.write(claim_due, 1000, cursor, limits, NOON, NOON + LEASE, ())
        for due in claims:
            await settle(notify_db, due, DOWN, next_s=0)
    await notify_db.write(enqueue, [a_notification(1, call=9000, url="https://z/")], NOON)

    claims, _ = await notify_db.write(claim_due, 10, Cursor(), limits, NOON, NOON + LEASE, ())

    assert [each.due.url for each in claims] == ["https://z/"]


async def test_an_attempt_that_was_refused_by_the_guard_says_nothing_of_the_receiver(notify_db: Database) -> None:
    refused = replace(DOWN, outcome=AttemptOutcome.ADDRESS_REFUSED, reason="not public")
    await notify_db.write(enqueue, [a_notification(1, call=number) for number in range(1, 10)], NOON)
    for due in await claim(notify_db, most=9):
        await settle(notify_db, due, refused, next_s=5)

    (receiver,) = await notify_db.read(list_receivers, 1)
    assert receiver.receiver.health.failures == 0
