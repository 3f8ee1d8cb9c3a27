"""What goes by the retention of its account, on both databases, and what stays."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.intake import retaining
from services.intake.account import Account, AccountChange, check_change
from services.intake.retaining import Retaining
from services.intake.retention import Retention, RetentionDefaults
from services.intake.store.accounts import get_account, update_account
from services.intake.store.changes import cancel_call, reprocess_call
from services.intake.store.erasing import delete_call
from services.intake.store.garbage import due_keys
from services.intake.store.reading import audio_key
from services.shared.db.database import Database
from services.shared.errors import Refusal
from tests.stores.test_call_work import rows
from tests.stores.test_changes import ACCOUNT, an_ended_call
from tests.support.makers import NOON, HandClock, a_checked_call, a_wav_record
from tests.support.uploading import an_account, count, lookup, upload

DAY = timedelta(days=1)
DEFAULTS = RetentionDefaults(sources=DAY, ext_ids=365 * DAY, unchanged=DAY)


class Notify:
    """What notify is asked for; it has more for so many answers."""

    def __init__(self, more: int = 0) -> None:
        self.asked: list[list[tuple[int, datetime]]] = []
        self._more = more

    async def forget(self, limits: Sequence[tuple[int, datetime]]) -> set[int]:
        self.asked.append(list(limits))
        self._more -= 1
        return {account_id for account_id, _ in limits if self._more >= 0}


async def a_forgetting_account(db: Database, **spans: timedelta) -> Account:
    account = await an_account(db)
    return await db.write(update_account, account.account_id, AccountChange(retention=Retention(**spans)))


def a_retaining(db: Database, now: datetime, notify: Any = None, defaults: RetentionDefaults = DEFAULTS) -> Retaining:
    asked: Any = notify or Notify()
    return Retaining(db, asked, HandClock(now), defaults, lambda: None)


async def retain(db: Database, now: datetime) -> None:
    """One look at everything."""
    at_work = a_retaining(db, now)
    while await at_work.retain_audio() or await at_work.retain_calls() or await at_work.forget_ext_ids():
        pass


async def test_an_account_has_what_it_was_given_and_a_change_replaces_all_of_it(intake_db: Database) -> None:
    account = await a_forgetting_account(intake_db, calls=90 * DAY, ext_ids=DAY)
    assert account.retention == Retention(calls=90 * DAY, ext_ids=DAY)

    changed = await intake_db.write(
        update_account, account.account_id, AccountChange(retention=Retention(payloads=DAY))
    )

    assert changed.retention == Retention(payloads=DAY)
    assert (await intake_db.read(get_account, account.account_id)).retention == changed.retention


def test_a_span_is_of_whole_seconds() -> None:
    with pytest.raises(Refusal) as caught:
        check_change(AccountChange(retention=Retention(calls=timedelta(seconds=1.5))), "127.0.0.1")

    assert caught.value.path == ("account", "retention", "calls")


async def test_a_call_goes_when_its_time_is_over_and_not_before(intake_db: Database) -> None:
    account = await a_forgetting_account(intake_db, calls=90 * DAY)
    await upload(intake_db, account, a_checked_call())
    began = (await lookup(intake_db, account)).row.start_time

    await retain(intake_db, began + 90 * DAY)
    assert await count(intake_db, "calls") == 1
    await retain(intake_db, began + 90 * DAY + timedelta(seconds=1))

    assert await count(intake_db, "calls") == 0


async def test_a_call_of_long_ago_stays_for_a_day_after_its_last_change(intake_db: Database) -> None:
    account = await a_forgetting_account(intake_db, calls=timedelta(seconds=1))
    await upload(intake_db, account, a_checked_call())

    await retain(intake_db, NOON + DAY - timedelta(seconds=1))
    assert await count(intake_db, "calls") == 1
    await retain(intake_db, NOON + DAY)

    assert await count(intake_db, "calls") == 0


async def test_a_call_that_is_under_way_stays(intake_db: Database) -> None:
    account = await a_forgetting_account(intake_db, calls=DAY, recordings=DAY)
    await upload(intake_db, account, a_checked_call(wav_records=[a_wav_record()]))

    await retain(intake_db, NOON + 100 * DAY)
    assert await count(intake_db, "calls") == 1
    await intake_db.write(cancel_call, account.account_id, 1, NOON)
    await retain(intake_db, NOON + 100 * DAY)

    assert await count(intake_db, "calls") == 0


async def test_accounts_that_say_nothing_keep_their_calls(intake_db: Database) -> None:
    account = await an_account(intake_db)
    await upload(intake_db, account, a_checked_call())

    await retain(intake_db, NOON + 36_500 * DAY)

    assert await count(intake_db, "calls") == 1


async def test_its_ext_id_is_remembered_without_being_kept(intake_db: Database) -> None:
    account = await a_forgetting_account(intake_db, calls=DAY, ext_ids=10 * DAY)
    await upload(intake_db, account, a_checked_call())
    gone = NOON + 2 * DAY
    await retain(intake_db, gone)

    repeat = a_checked_call(comment="other words")
    (remembered, again) = await upload(intake_db, account, repeat, repeat, now=gone + 10 * DAY - timedelta(seconds=1))
    (new,) = await upload(intake_db, account, repeat, now=gone + 10 * DAY)

    for answer in (remembered, again):
        assert (answer.outcome, answer.call_session_id, answer.differs) == ("retired", 1, False)
    assert (new.outcome, new.call_session_id) == ("created", 2)
    assert "call-1" not in str(await rows(intake_db, "SELECT * FROM remembered_ext_ids"))


async def test_another_account_may_use_what_is_remembered(intake_db: Database) -> None:
    account = await a_forgetting_account(intake_db, calls=DAY)
    await upload(intake_db, account, a_checked_call())
    await retain(intake_db, NOON + 2 * DAY)
    other = await an_account(intake_db, b"u" * 32)

    (answer,) = await upload(intake_db, other, a_checked_call(), now=NOON + 2 * DAY)

    assert answer.outcome == "created"


async def test_a_call_that_was_deleted_is_not_remembered(intake_db: Database) -> None:
    account = await a_forgetting_account(intake_db, calls=DAY)
    await upload(intake_db, account, a_checked_call())
    await intake_db.write(delete_call, account.account_id, 1, NOON)

    assert (await upload(intake_db, account, a_checked_call()))[0].outcome == "created"


async def test_what_was_remembered_is_forgotten_and_may_be_remembered_again(intake_db: Database) -> None:
    account = await a_forgetting_account(intake_db, calls=DAY, ext_ids=DAY)
    for times in range(1, 3):
        now = NOON + 10 * times * DAY
        await upload(intake_db, account, a_checked_call(), now=now)
        await retain(intake_db, now + DAY)
        assert await count(intake_db, "remembered_ext_ids") == 1

    await retain(intake_db, NOON + 40 * DAY)

    assert await count(intake_db, "remembered_ext_ids") == 0


async def test_audio_goes_and_the_call_stays_with_its_verdict(intake_db: Database) -> None:
    await an_ended_call(intake_db)
    await intake_db.write(update_account, ACCOUNT, AccountChange(retention=Retention(recordings=30 * DAY)))
    began = await stored_start(intake_db)

    await retain(intake_db, began + 30 * DAY)
    assert await intake_db.read(audio_key, ACCOUNT, 1) == "1/1/1/2.mp3"
    later = began + 30 * DAY + timedelta(seconds=1)
    await retain(intake_db, later)

    assert set(await intake_db.read(due_keys, later, 10)) == {"1/1/1/1.wav", "1/1/1/2.mp3", "1/1/2/1.wav"}
    wanted = "SELECT status, source_key, audio_key, audio_size_bytes, audio_report FROM recordings ORDER BY 1"
    first, second = await rows(intake_db, wanted)
    assert first[:4] == ("accepted", None, None, None)
    assert "rules_version" in str(first[4])
    assert second[:3] == ("refused", None, None)
    with pytest.raises(Refusal):
        await intake_db.read(audio_key, ACCOUNT, 1)


async def test_an_account_says_how_long_downloaded_files_stay(intake_db: Database) -> None:
    await an_ended_call(intake_db)
    await intake_db.write(update_account, ACCOUNT, AccountChange(retention=Retention(sources=3 * DAY)))

    await retain(intake_db, NOON + 3 * DAY - timedelta(seconds=1))
    assert await intake_db.read(due_keys, NOON + 9 * DAY, 10) == []
    await retain(intake_db, NOON + 3 * DAY)

    assert set(await intake_db.read(due_keys, NOON + 9 * DAY, 10)) == {"1/1/1/1.wav", "1/1/2/1.wav"}
    assert await intake_db.read(audio_key, ACCOUNT, 1) == "1/1/1/2.mp3"


async def test_a_call_that_is_judged_anew_keeps_its_audio(intake_db: Database) -> None:
    await an_ended_call(intake_db)
    await intake_db.write(update_account, ACCOUNT, AccountChange(retention=Retention(recordings=DAY)))
    await intake_db.write(reprocess_call, ACCOUNT, 1, NOON)

    await retain(intake_db, NOON + 30 * DAY)

    assert await intake_db.read(due_keys, NOON + 30 * DAY, 10) == []


async def test_notifications_go_by_what_their_account_says(intake_db: Database) -> None:
    account = await a_forgetting_account(intake_db, payloads=2 * DAY)
    await an_account(intake_db, b"u" * 32)
    notify = Notify(more=2)

    assert not await a_retaining(intake_db, NOON, notify).retain_calls()

    assert notify.asked == [[(account.account_id, NOON - 2 * DAY)]] * 3


async def test_all_accounts_and_recordings_have_their_turn(
    intake_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retaining, "ACCOUNTS_AT_ONCE", 2)
    monkeypatch.setattr(retaining, "CALLS_AT_ONCE", 2)
    for number in range(5):
        account = await an_account(intake_db, bytes([number]) * 32)
        await intake_db.write(update_account, account.account_id, AccountChange(retention=Retention(calls=DAY)))
        await upload(intake_db, account, *(a_checked_call(ext_id=str(n)) for n in range(3)))

    at_work = a_retaining(intake_db, NOON + 2 * DAY)
    looks = 0
    while await at_work.retain_calls():
        looks += 1

    assert await count(intake_db, "calls") == 0
    assert looks <= 8


async def stored_start(db: Database) -> datetime:
    ((start,),) = await rows(db, "SELECT start_time FROM calls")
    assert isinstance(start, int)
    return datetime.fromtimestamp(start / 1_000_000, tz=NOON.tzinfo)
