"""Two transactions that meet, on PostgreSQL: one has done all it does and is not committed yet when the other one comes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from sqlalchemy import Connection, text

from services.intake.account import AccountChange
from services.intake.call_rules import ONLY_PUBLIC
from services.intake.events import Announcement
from services.intake.server import MIGRATIONS as INTAKE_MIGRATIONS
from services.intake.status import CallEvent
from services.intake.store.accounts import create_account, update_account
from services.intake.store.call_work import begin_work, save_source
from services.intake.store.changes import cancel_call
from services.intake.store.erasing import delete_call, retire_calls
from services.intake.store.garbage import due_keys
from services.intake.store.outbox import announce, pending, settle
from services.intake.store.reading import lookup_call
from services.intake.store.sales import NewSale, add_sale
from services.intake.store.tables import CALL_WORK, FETCH, OUTBOX_WORK
from services.intake.store.taking_in import Sent, take_in
from services.intake.store.uploads import save_upload
from services.intake.store.used_links import take_link
from services.notify.server import MIGRATIONS as NOTIFY_MIGRATIONS
from services.notify.store.claims import Cursor, claim_due
from services.notify.store.queue import enqueue, settle_attempts
from services.notify.store.receivers import list_receivers
from services.notify.store.redelivery import redeliver
from services.notify.store.retention import erase_calls, forget_ended
from services.shared.db.postgres import PostgresDatabase
from services.shared.db.work_table import Claim
from services.shared.errors import Refusal
from services.shared.identity import AccountId
from services.shared.sessions import CODE_LIFETIME
from tests.stores.conftest import a_postgres
from tests.stores.test_call_work import source
from tests.support.makers import NOON, SentDrafts, a_callback, a_checked_call, a_draft, a_new_account, a_wav_record
from tests.support.notifying import DOWN, FAILED, LEASE, LIMITS, RULES, a_notification, a_settling, claim, settle_next
from tests.support.uploading import count

ACCOUNT = AccountId(1)
GATE = 4711

Write = tuple[Callable[..., Any], *tuple[Any, ...]]
"""A store function with what it is given."""


class Meeting(PostgresDatabase):
    """A database that transactions meet in, and where it is."""

    def __init__(self, url: str, schema: str) -> None:
        super().__init__(url, schema)
        self.url = url


@pytest.fixture
async def intake(postgres_url: str) -> AsyncIterator[Meeting]:
    async with a_postgres(postgres_url, "intake", INTAKE_MIGRATIONS):
        db = Meeting(postgres_url, "intake")
        yield db
        await db.stop()


@pytest.fixture
async def notify(postgres_url: str) -> AsyncIterator[Meeting]:
    async with a_postgres(postgres_url, "notify", NOTIFY_MIGRATIONS):
        db = Meeting(postgres_url, "notify")
        yield db
        await db.stop()


async def meet(db: Meeting, first: Write, second: Write) -> tuple[Any, Any]:
    """Runs the first write up to its commit, then the second one until it has ended or waits for the first, then commits the first. Answers what each came to."""

    def run_and_wait(connection: Connection) -> Any:
        function, *arguments = first
        result = function(connection, *arguments)
        connection.execute(text("SELECT pg_advisory_xact_lock(:gate)"), {"gate": GATE})
        return result

    async with _closed_gate(db) as open_gate:
        one = asyncio.create_task(db.write(run_and_wait))
        await _until(lambda: _waiting(db, 1))
        function, *arguments = second
        two = asyncio.create_task(db.write(function, *arguments))
        await _until(lambda: _is_over_or_waits(db, two))
        open_gate()
        found = await asyncio.gather(one, two, return_exceptions=True)
    return found[0], found[1]


async def _is_over_or_waits(db: Meeting, task: "asyncio.Task[Any]") -> bool:
    return task.done() or await _waiting(db, 2)


async def _waiting(db: Meeting, count: int) -> bool:
    def look(connection: Connection) -> int:
        found: int = connection.execute(text("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")).scalar_one()
        return found

    return await db.read(look) >= count


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await holds():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def _closed_gate(db: Meeting) -> AsyncIterator[Callable[[], None]]:
    opened, closed = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        connection = await asyncpg.connect(db.url)
        try:
            await connection.execute(f"SELECT pg_advisory_lock({GATE})")
            closed.set()
            await opened.wait()
        finally:
            await connection.close()

    holding = asyncio.create_task(hold())
    await closed.wait()
    try:
        yield opened.set
    finally:
        opened.set()
        await holding


async def both_ways(db: Meeting, one: Write, two: Write, *, turned: bool) -> tuple[Any, Any]:
    """Meets in either order; answers in the order of the arguments."""
    found = await meet(db, two, one) if turned else await meet(db, one, two)
    return (found[1], found[0]) if turned else found


turned = pytest.mark.parametrize("turned", [False, True], ids=["one first", "the other first"])


async def an_uploaded_call(db: Meeting) -> None:
    await db.write(create_account, a_new_account(), b"t" * 32, None, NOON)
    call = a_checked_call(wav_records=[a_wav_record()], callback=a_callback())
    await db.write(save_upload, ACCOUNT, [call], "", NOON)


async def leased(db: Meeting, work: Any) -> Claim:
    (found,) = await db.write(work.claim, stage=FETCH, most=1, after_account=0, now=NOON, lease_end=NOON + LEASE)
    assert isinstance(found, Claim)
    return found


def an_announcement(event_seq: int) -> Announcement:
    return Announcement(
        call_session_id=1,
        account_id=1,
        ext_id="call-1",
        callback_url="https://x/",
        asked=["in_process", "processed"],
        event_seq=event_seq,
        events=(CallEvent.PROCESSED if event_seq else CallEvent.IN_PROCESS,),
    )


@turned
async def test_what_is_announced_while_the_rest_is_handed_over_is_handed_over_too(
    intake: Meeting, turned: bool
) -> None:
    await intake.write(announce, [an_announcement(0)], NOON)
    relayed = await leased(intake, OUTBOX_WORK)

    await both_ways(intake, (announce, [an_announcement(1)], NOON), (settle, relayed, 1, NOON), turned=turned)

    again = await leased(intake, OUTBOX_WORK)
    assert [row.seq for row in await intake.read(pending, again.key)] == [2]


@turned
async def test_a_call_is_cancelled_or_begun_and_never_both(intake: Meeting, turned: bool) -> None:
    await an_uploaded_call(intake)
    held = await leased(intake, CALL_WORK)

    cancelled, begun = await both_ways(intake, (cancel_call, ACCOUNT, 1, NOON), (begin_work, held, NOON), turned=turned)

    assert (isinstance(cancelled, Refusal), begun is None) == (turned, not turned)


@turned
async def test_two_uploads_of_one_call_store_one(intake: Meeting, turned: bool) -> None:
    await intake.write(create_account, a_new_account(), b"t" * 32, None, NOON)
    upload: Write = (save_upload, ACCOUNT, [a_checked_call(wav_records=[a_wav_record()])], "", NOON)

    one, two = await both_ways(intake, upload, upload, turned=turned)

    assert sorted(answer.outcome for (answer,) in (one, two)) == ["created", "duplicate"]


@turned
async def test_a_notification_that_comes_while_the_one_before_is_settled_goes_next(
    notify: Meeting, turned: bool
) -> None:
    await notify.write(enqueue, [a_notification(1)], NOON)
    (due,) = await claim(notify)

    await both_ways(
        notify,
        (enqueue, [a_notification(2, url="https://y/")], NOON),
        (settle_attempts, [a_settling(due)], RULES, NOON),
        turned=turned,
    )

    (following,) = await claim(notify, most=10)
    assert following.due.notification_id == a_notification(2).notification_id
    assert following.due.url == "https://y/"


@turned
async def test_a_redelivery_asked_for_while_another_one_of_its_call_is_settled_goes_too(
    notify: Meeting, turned: bool
) -> None:
    await notify.write(enqueue, [a_notification(1), a_notification(2)], NOON)
    for _ in range(2):
        await settle_next(notify, FAILED)
    await notify.write(redeliver, 1, a_notification(2).notification_id, NOON)
    (due,) = await claim(notify)

    await both_ways(
        notify,
        (redeliver, 1, a_notification(1).notification_id, NOON),
        (settle_attempts, [a_settling(due)], RULES, NOON),
        turned=turned,
    )

    assert await settle_next(notify) == a_notification(1).notification_id


@turned
async def test_a_receiver_is_not_forgotten_while_it_is_used_anew(notify: Meeting, turned: bool) -> None:
    await notify.write(enqueue, [a_notification(1)], NOON)
    await settle_next(notify)

    await both_ways(
        notify, (enqueue, [a_notification(1, call=2)], NOON), (forget_ended, NOON + timedelta(days=1)), turned=turned
    )

    (receiver,) = await notify.read(list_receivers, 1)
    (due,) = await claim(notify)
    assert due.due.receiver_id == receiver.receiver.receiver_id


async def test_bounds_hold_over_two_who_claim_at_once(notify: Meeting) -> None:
    await notify.write(enqueue, [a_notification(1, call=number) for number in range(1, 101)], NOON)
    asking: Write = (claim_due, 100, Cursor(), LIMITS, NOON, NOON + LEASE, ())

    (one, _), (two, _) = await meet(notify, asking, asking)

    assert (len(one), len(two)) == (LIMITS.per_host, 0)


async def test_failures_of_one_receiver_that_are_settled_at_once_all_count(notify: Meeting) -> None:
    await notify.write(enqueue, [a_notification(1, call=1), a_notification(1, call=2)], NOON)
    one, two = await claim(notify, most=2)

    await meet(
        notify,
        (settle_attempts, [a_settling(one, DOWN, 60)], RULES, NOON),
        (settle_attempts, [a_settling(two, DOWN, 60)], RULES, NOON),
    )

    (receiver,) = await notify.read(list_receivers, 1)
    assert receiver.receiver.health.failures == 2


@turned
async def test_a_file_that_comes_while_its_call_is_erased_is_garbage(intake: Meeting, turned: bool) -> None:
    await an_uploaded_call(intake)
    held = await leased(intake, CALL_WORK)
    file = source(held.token)

    erased, kept = await both_ways(
        intake, (delete_call, ACCOUNT, 1, NOON), (save_source, held, [1], file, NOON), turned=turned
    )

    assert (erased, kept) == (None, turned)
    assert file.key in await intake.read(due_keys, NOON, 10)


@turned
async def test_a_sale_goes_with_its_call_or_is_refused(intake: Meeting, turned: bool) -> None:
    await an_uploaded_call(intake)
    sale = NewSale(call_session_id=1, sale_time=NOON + timedelta(days=1), transaction_value=1.0, comment="")

    _, sold = await both_ways(intake, (delete_call, ACCOUNT, 1, NOON), (add_sale, ACCOUNT, sale), turned=turned)

    assert isinstance(sold, Refusal) is not turned
    assert [await count(intake, table) for table in ("sales", "call_tags")] == [0, 0]


@turned
async def test_an_upload_that_meets_the_erasure_of_its_call_finds_it_or_makes_it_anew(
    intake: Meeting, turned: bool
) -> None:
    await intake.write(create_account, a_new_account(), b"t" * 32, None, NOON)
    upload: Write = (save_upload, ACCOUNT, [a_checked_call()], "", NOON)
    await intake.write(save_upload, ACCOUNT, [a_checked_call()], "", NOON)

    _, (answer,) = await both_ways(intake, (delete_call, ACCOUNT, 1, NOON), upload, turned=turned)

    assert answer.outcome == ("duplicate" if turned else "created")
    assert await count(intake, "calls") == (0 if turned else 1)


@turned
async def test_an_upload_that_meets_the_retirement_of_its_call_saves_it_or_hears_of_it(
    intake: Meeting, turned: bool
) -> None:
    await an_uploaded_call(intake)
    await intake.write(cancel_call, ACCOUNT, 1, NOON)
    upload: Write = (save_upload, ACCOUNT, [a_checked_call(wav_records=[a_wav_record()])], "", NOON)
    retire: Write = (retire_calls, ACCOUNT, [1], NOON, NOON, timedelta(days=1), NOON)

    retired, (answer,) = await both_ways(intake, retire, upload, turned=turned)

    assert (retired, answer.outcome) == ((0, "uploaded_again") if turned else (1, "retired"))


@turned
async def test_a_notification_that_comes_while_its_call_is_erased_is_not_kept(notify: Meeting, turned: bool) -> None:
    await both_ways(notify, (enqueue, [a_notification(1)], NOON), (erase_calls, [1]), turned=turned)

    assert await count(notify, "notifications") == 0


@pytest.mark.parametrize(("request_id", "second_hears"), [("two", False), ("one", True)], ids=["another", "a repeat"])
async def test_of_two_uses_of_a_link_that_meet_the_second_waits_for_the_first(
    intake: Meeting, request_id: str, second_hears: bool
) -> None:
    link, end = bytes(16), NOON + CODE_LIFETIME

    found = await meet(
        intake,
        (take_link, link, ACCOUNT, end, "one", NOON),
        (take_link, link, ACCOUNT, end, request_id, NOON),
    )

    assert found == (True, second_hears)
    assert await count(intake, "used_links") == 1


@turned
async def test_an_upload_that_meets_a_change_of_its_accounts_zone_is_read_by_the_zone_that_it_is_stored_under(
    intake: Meeting, turned: bool
) -> None:
    await intake.write(create_account, a_new_account(time_zone="Europe/Moscow"), b"t" * 32, None, NOON)
    change: Write = (update_account, ACCOUNT, AccountChange(time_zone="Asia/Tokyo"))
    draft = a_draft(start_time="2026-06-01 12:00:00", finish_time="2026-06-01 12:00:00")
    upload: Write = (take_in, ACCOUNT, [Sent(SentDrafts([draft]))], NOON, ONLY_PUBLIC)

    _, (taken,) = await both_ways(intake, change, upload, turned=turned)

    assert isinstance(taken.answer, list)
    stored = await intake.read(lookup_call, ACCOUNT, "call-1")
    assert stored.row.start_time == datetime(2026, 6, 1, 9 if turned else 3, tzinfo=UTC)
