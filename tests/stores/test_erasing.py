"""Erasing calls, on both databases: what goes at once, what goes later, and a stop between any two steps."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from services.intake.account import Account
from services.intake.call_filter import CallFilter
from services.intake.discarding import Discarding
from services.intake.draft import RecordingFormat
from services.intake.erasing import Erasing
from services.intake.handed_over import SCHEME
from services.intake.store.call_work import begin_work, finish_fetch, save_source, save_verdict
from services.intake.store.change_log import DELETED, changes_after
from services.intake.store.erasing import count_matching, delete_call, delete_calls, erasures, find_matching
from services.intake.store.garbage import LATE_WRITES, due_keys
from services.intake.store.handed_over import register_file
from services.intake.store.outbox import pending
from services.intake.store.sales import NewSale, add_sale
from services.intake.store.tables import METADATA, OUTBOX_WORK
from services.shared.db.database import Database
from services.shared.db.work_table import Claim
from services.shared.errors import Refusal
from services.shared.identity import AccountId
from tests.stores.test_call_work import accepted, begin, claim, source
from tests.support.makers import NOON, HandClock, a_callback, a_checked_call, a_wav_record
from tests.support.uploading import an_account, upload

LATE = NOON + LATE_WRITES
LEFT = {"accounts", "tokens", "tags", "employees", "change_seqs", "call_changes", "work_token"}
"""Tables that have rows when all calls of an account are erased."""


async def a_full_call(db: Database) -> Account:
    """A call with a tag, a sale, a notification that waits, a file and a lease on its work."""
    account = await an_account(db)
    call = a_checked_call(
        wav_records=[a_wav_record(), a_wav_record(record_url="https://x/2.wav")],
        callback=a_callback(),
        comment="secret words",
    )
    await upload(db, account, call)
    sale = NewSale(call_session_id=1, sale_time=NOON + timedelta(days=1), transaction_value=1.0, comment="sold")
    await db.write(add_sale, account.account_id, sale)
    return account


async def tables(db: Database) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables."""

    def read(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table))] for table in METADATA.sorted_tables
        }

    return await db.read(read)


def assert_nothing_is_left(left: dict[str, list[tuple[object, ...]]]) -> None:
    assert {name for name, rows in left.items() if rows} <= LEFT
    words = ("call-1", "secret words", "sold", "https://", "+7")
    assert not [word for word in words if word in str(left)]


async def test_all_rows_of_a_call_go_in_one_transaction(intake_db: Database) -> None:
    account = await a_full_call(intake_db)
    held = await claim(intake_db)
    await begin(intake_db, held)
    await intake_db.write(save_source, held, [1], source(held.token), NOON)

    await intake_db.write(delete_call, account.account_id, 1, NOON)

    left = await tables(intake_db)
    assert {name for name, rows in left.items() if rows} <= LEFT | {"object_garbage", "erasures"}
    assert await intake_db.read(due_keys, NOON, 10) == [source(held.token).key]
    # What the worker may still write: of both recordings, as it has not come to the end.
    assert set(await intake_db.read(due_keys, LATE, 10)) == {
        source(held.token).key,
        f"{account.account_id}/1/1/{held.token}.wav",
        f"{account.account_id}/1/2/{held.token}.wav",
    }
    assert await intake_db.read(erasures, 10) == [1]


@pytest.mark.parametrize("callback", [None, a_callback(events=["error"])])
async def test_a_call_that_notify_never_heard_of_is_not_asked_of_it(intake_db: Database, callback: Any) -> None:
    account = await an_account(intake_db)
    await upload(intake_db, account, a_checked_call(callback=callback))

    await intake_db.write(delete_call, account.account_id, 1, NOON)

    assert_nothing_is_left(await tables(intake_db))


async def test_a_call_of_another_account_and_one_that_is_gone_are_not_there(intake_db: Database) -> None:
    account, other = await an_account(intake_db), await an_account(intake_db, b"u" * 32)
    await upload(intake_db, account, a_checked_call())

    with pytest.raises(Refusal) as theirs:
        await intake_db.write(delete_call, other.account_id, 1, NOON)
    await intake_db.write(delete_call, account.account_id, 1, NOON)
    with pytest.raises(Refusal) as gone:
        await intake_db.write(delete_call, account.account_id, 1, NOON)

    assert theirs.value.mnemonic == gone.value.mnemonic == "entity_not_found"


async def test_an_erased_ext_id_is_a_new_call_with_a_new_number(intake_db: Database) -> None:
    account = await an_account(intake_db)
    await upload(intake_db, account, a_checked_call())
    await intake_db.write(delete_call, account.account_id, 1, NOON)

    (again,) = await upload(intake_db, account, a_checked_call())

    assert (again.outcome, again.call_session_id) == ("created", 2)


async def test_a_late_worker_finds_the_call_gone_at_every_step(intake_db: Database) -> None:
    account = await a_full_call(intake_db)
    held = await claim(intake_db)
    await begin(intake_db, held)
    await intake_db.write(delete_call, account.account_id, 1, NOON)

    assert await intake_db.write(begin_work, held, NOON) is None
    assert not await intake_db.write(save_source, held, [1], source(held.token), NOON)
    assert not await intake_db.write(save_verdict, held, [1], accepted(held.token), NOON)
    assert not await intake_db.write(finish_fetch, held, NOON)

    # What it wrote may go at once.
    assert set(await intake_db.read(due_keys, NOON, 10)) == {source(held.token).key, accepted(held.token).audio_key}


async def test_a_relay_under_way_has_nothing_more_to_hand_over(intake_db: Database) -> None:
    account = await an_account(intake_db)
    await upload(intake_db, account, a_checked_call(callback=a_callback()))
    await intake_db.write(OUTBOX_WORK.claim, stage=0, most=1, after_account=0, now=NOON, lease_end=LATE)

    await intake_db.write(delete_call, account.account_id, 1, NOON)

    assert await intake_db.read(pending, 1) == []
    assert await intake_db.read(erasures, 10) == [1]


async def test_a_file_that_was_handed_over_goes_with_its_call(intake_db: Database) -> None:
    account = await an_account(intake_db)
    file = await intake_db.write(
        register_file, account.account_id, "f1", RecordingFormat.WAV, 10, "a" * 64, "b" * 128, NOON
    )
    await upload(intake_db, account, a_checked_call(wav_records=[a_wav_record(record_url=f"{SCHEME}f1")]))

    await intake_db.write(delete_call, account.account_id, 1, NOON)

    assert await intake_db.read(due_keys, NOON, 10) == [file.key]
    assert {name for name, rows in (await tables(intake_db)).items() if rows} <= LEFT | {"object_garbage"}


async def test_who_watches_hears_of_the_erasure_after_what_came_before(intake_db: Database) -> None:
    account = await an_account(intake_db)
    await upload(intake_db, account, a_checked_call(), a_checked_call(ext_id="kept"))
    await intake_db.write(delete_calls, account.account_id, [1], NOON)

    heard = await intake_db.read(changes_after, account.account_id, 0, 10)

    assert [(each.call_session_id, each.status, each.call is None) for each in heard] == [
        (1, "processed", True),
        (2, "processed", False),
        (1, DELETED, True),
    ]


async def test_calls_are_found_by_a_filter_oldest_first(intake_db: Database) -> None:
    account, other = await an_account(intake_db), await an_account(intake_db, b"u" * 32)
    await upload(intake_db, account, *(a_checked_call(ext_id=str(n), is_lost=n % 2 == 0) for n in range(6)))
    await upload(intake_db, other, a_checked_call(is_lost=True))
    lost = CallFilter(is_lost=True)

    assert await intake_db.read(count_matching, account.account_id, lost) == 3
    assert await intake_db.read(find_matching, account.account_id, lost, 2) == [1, 3]
    assert await intake_db.write(delete_calls, account.account_id, [1, 3, 7], NOON) == 2
    assert await intake_db.read(count_matching, other.account_id, lost) == 1


class Stopped(Exception):
    """The process is gone."""


class Steps:
    """Counts steps, and stops at one."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.taken = 0

    def step(self) -> None:
        self.taken += 1
        if self.taken == self.at:
            raise Stopped

    async def around(self, action: Awaitable[Any]) -> Any:
        """A stop may come before an action, or after it and before its answer."""
        try:
            self.step()
        except Stopped:
            action.close()  # type: ignore[attr-defined]
            raise
        answer = await action
        self.step()
        return answer


class Outside:
    """What media and notify have of the calls, reached through steps."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.objects: set[str] = set()
        self.notified = {1}
        self.erased: set[int] = set()
        self._is_late = False

    def come_late(self, key: str) -> None:
        """An object that is written once, whatever becomes of the process that asked for it."""
        if not self._is_late:
            self.objects.add(key)
        self._is_late = True

    async def delete(self, keys: Sequence[str]) -> None:
        await self.steps.around(self._delete(keys))

    async def erase(self, calls: Sequence[int]) -> None:
        await self.steps.around(self._erase(calls))

    async def _delete(self, keys: Sequence[str]) -> None:
        self.objects -= set(keys)

    async def _erase(self, calls: Sequence[int]) -> None:
        self.notified -= set(calls)
        self.erased |= set(calls)


class SteppedDatabase:
    """A database whose commits are steps."""

    def __init__(self, db: Database, steps: Steps) -> None:
        self._db = db
        self._steps = steps

    async def write(self, function: Callable[..., Any], *args: Any) -> Any:
        return await self._steps.around(self._db.write(function, *args))

    async def read(self, function: Callable[..., Any], *args: Any) -> Any:
        return await self._db.read(function, *args)


ALL_STEPS = 14
"""Of an erasure: before and after the commit, notify's answer and its commit, the deletion and its commit, and the deletion of what came late with its commit."""


@pytest.mark.parametrize("at", range(1, ALL_STEPS + 2))
async def test_stopped_at_any_step_it_ends_with_nothing_left(intake_db: Database, at: int) -> None:
    account = await a_full_call(intake_db)
    held = await claim(intake_db)
    await begin(intake_db, held)
    steps, clock = Steps(at), HandClock()
    outside = Outside(steps)
    outside.objects.add(source(held.token).key)
    await intake_db.write(save_source, held, [1], source(held.token), NOON)

    is_stopped = await a_run(intake_db, steps, outside, clock, account.account_id, held)
    while is_stopped:
        steps.at = 0
        is_stopped = await a_run(intake_db, steps, outside, clock, account.account_id, held)

    assert (outside.objects, outside.notified, outside.erased) == (set(), set(), {1})
    assert_nothing_is_left(await tables(intake_db))
    assert (steps.taken == ALL_STEPS) == (at > ALL_STEPS)


async def a_run(
    db: Database, steps: Steps, outside: Outside, clock: HandClock, account_id: AccountId, held: Claim
) -> bool:
    """A process that erases the call as it is asked to, and its loops, until it is stopped. Answers whether it was."""
    stepped: Any = SteppedDatabase(db, steps)
    peers: Any = outside
    discarding = Discarding(stepped, peers, peers, clock)
    try:
        # When the answer was lost, what it said is true.
        with suppress(Refusal):
            await Erasing(stepped, clock, lambda: None).delete(account_id, 1)
        await discarding.erase_in_notify()
        await discarding.discard_objects()
        # The worker that had the call writes late, and never comes back to say so.
        outside.come_late(f"{account_id}/1/2/{held.token}.wav")
        clock.set(LATE)
        await discarding.discard_objects()
    except Stopped:
        return True
    return False
