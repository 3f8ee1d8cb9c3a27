"""The changes of an account's calls: each numbered once, in the order of the commits, kept for a while."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection

from services.intake.call_filter import CallFilter
from services.intake.store.change_log import (
    changes_after,
    forget_changes,
    last_change,
    list_with_last_change,
    note_changes,
)
from services.intake.store.changes import cancel_call
from services.intake.store.reading import Listed
from services.shared.db.database import Database
from services.shared.errors import Refusal
from services.shared.identity import AccountId
from tests.support.makers import NOON, a_checked_call, a_wav_record
from tests.support.uploading import an_account, upload

DAY = timedelta(days=1)


async def seen(db: Database, account_id: AccountId, after: int = 0, most: int = 100) -> list[tuple[int, int, str]]:
    return [
        (change.seq, change.call.row.call_session_id or 0 if change.call else 0, change.status)
        for change in await db.read(changes_after, account_id, after, most)
    ]


async def test_what_is_stored_and_what_changes_is_numbered_and_a_repeat_is_not(intake_db: Database) -> None:
    account = await an_account(intake_db)
    waiting = a_checked_call(ext_id="b", wav_records=[a_wav_record()])
    await upload(intake_db, account, a_checked_call(ext_id="a"), waiting)
    await upload(intake_db, account, waiting)

    await intake_db.write(cancel_call, account.account_id, 2, NOON)
    await intake_db.write(cancel_call, account.account_id, 2, NOON)

    changes = await seen(intake_db, account.account_id)
    assert changes == [(1, 1, "processed"), (2, 2, "new"), (3, 2, "cancelled")]
    assert await seen(intake_db, account.account_id, after=1, most=1) == [(2, 2, "new")]
    assert await seen(intake_db, account.account_id, after=3) == []


async def test_an_account_has_its_own_numbers(intake_db: Database) -> None:
    one, two = await an_account(intake_db), await an_account(intake_db, b"u" * 32)
    await upload(intake_db, one, a_checked_call())
    await upload(intake_db, two, a_checked_call())

    assert [(seq, status) for seq, _, status in await seen(intake_db, two.account_id)] == [(1, "processed")]


async def test_a_list_says_up_to_where_it_shows_the_changes(intake_db: Database) -> None:
    account = await an_account(intake_db)
    assert await intake_db.read(list_with_last_change, account.account_id, CallFilter(), 10, None) == (
        Listed([], None),
        0,
    )
    await upload(intake_db, account, a_checked_call(), a_checked_call(ext_id="b"))

    listed, seq = await intake_db.read(list_with_last_change, account.account_id, CallFilter(), 1, None)

    assert (len(listed.calls), seq) == (1, 2)


async def test_what_is_refused_has_no_number(intake_db: Database) -> None:
    account = await an_account(intake_db)

    def fail(connection: Connection) -> None:
        note_changes(connection, account.account_id, [(1, "new")], NOON)
        raise LookupError

    with pytest.raises(LookupError):
        await intake_db.write(fail)

    assert await intake_db.read(last_change, account.account_id) == 0


async def test_old_changes_go_and_whoever_has_not_seen_them_is_told_so(intake_db: Database) -> None:
    account = await an_account(intake_db)
    for day in range(3):
        await intake_db.write(note_changes, account.account_id, [(1, "new"), (2, "new")], NOON + day * DAY)

    assert await intake_db.write(forget_changes, NOON + DAY) == 2

    assert [seq for seq, _, _ in await seen(intake_db, account.account_id, after=2)] == [3, 4, 5, 6]
    with pytest.raises(Refusal) as caught:
        await seen(intake_db, account.account_id, after=1)
    assert (caught.value.grpc_code, caught.value.path) == ("OUT_OF_RANGE", ("cursor",))
    assert await intake_db.write(forget_changes, NOON + DAY) == 0


async def test_a_cursor_of_a_future_that_a_restored_database_does_not_have_is_told_from_one_without_news(
    intake_db: Database,
) -> None:
    account = await an_account(intake_db)
    await intake_db.write(note_changes, account.account_id, [(1, "new")], NOON)

    assert await seen(intake_db, account.account_id, after=1) == []
    with pytest.raises(Refusal) as caught:
        await seen(intake_db, account.account_id, after=2)
    assert caught.value.grpc_code == "OUT_OF_RANGE"
