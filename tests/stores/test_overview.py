"""An account's calls in numbers, the same on both databases."""

from datetime import datetime, timedelta

import pytest

from services.intake import overview
from services.intake.call import CheckedCall
from services.intake.overview import MAX_SPAN, Overview, check_span, overview_of
from services.intake.store import overview as overview_store
from services.intake.store.overview import count_calls
from services.shared.db.database import Database
from services.shared.errors import Refusal
from services.shared.identity import AccountId
from tests.support.makers import NOON, a_checked_call
from tests.support.uploading import an_account, run, upload

HOUR = timedelta(hours=1)


async def counted(
    db: Database, account_id: AccountId, begin: datetime = NOON - 3 * HOUR, end: datetime = NOON + 3 * HOUR
) -> Overview:
    return overview_of(await db.read(count_calls, account_id, begin, end))


def a_call_at(start: datetime, ext_id: str = "call-1") -> CheckedCall:
    return a_checked_call(ext_id=ext_id, start_time=start, finish_time=start + timedelta(minutes=1))


async def test_calls_are_counted_by_hour_verdict_and_wait(intake_db: Database) -> None:
    account = await an_account(intake_db)
    other = await an_account(intake_db, b"o" * 32)
    starts = {"a": NOON, "b": NOON + HOUR - timedelta(seconds=1), "c": NOON + HOUR, "d": NOON - HOUR, "e": NOON}
    calls = [a_call_at(start, ext_id) for ext_id, start in starts.items()]
    await upload(intake_db, account, *calls)
    await upload(intake_db, other, a_call_at(NOON, "other"))
    us = 1_000_000
    await run(
        intake_db,
        "UPDATE calls SET status = 'processed', error_code = NULL",
        f"UPDATE calls SET status_time = new_time + {10 * us} WHERE ext_id = 'a'",
        f"UPDATE calls SET status_time = new_time + {10 * us + 1} WHERE ext_id = 'b'",
        f"UPDATE calls SET status = 'error', error_code = 'decode_error', status_time = new_time + {100_000 * us} WHERE ext_id = 'c'",
        "UPDATE calls SET status = 'in_process' WHERE ext_id = 'd'",
        "UPDATE calls SET status = 'cancelled', is_lost = (1 = 1) WHERE ext_id = 'e'",
    )

    found = await counted(intake_db, account.account_id)

    assert [(hour, each.calls, each.errors, each.lost) for hour, each in found.hours.items()] == [
        (NOON - HOUR, 1, 0, 0),
        (NOON, 3, 0, 1),
        (NOON + HOUR, 1, 1, 0),
    ]
    assert found.verdicts == {None: 2, "decode_error": 1}
    assert found.waits == [1, 1, 0, 0, 0, 1]
    assert (found.open_calls, found.oldest_open, found.is_cut) == (1, NOON, False)


async def test_the_end_of_the_time_is_not_within(intake_db: Database) -> None:
    account = await an_account(intake_db)
    await upload(intake_db, account, a_call_at(NOON))

    assert (await counted(intake_db, account.account_id, NOON, NOON + HOUR)).hours
    assert (await counted(intake_db, account.account_id, NOON - HOUR, NOON)) == Overview()


async def test_of_too_many_calls_the_newest_are_counted(intake_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "MAX_CALLS", 2)
    monkeypatch.setattr(overview_store, "MAX_CALLS", 2)
    account = await an_account(intake_db)
    calls = [a_call_at(NOON - hours * HOUR / 2, str(hours)) for hours in range(5)]
    await upload(intake_db, account, *calls)

    found = await counted(intake_db, account.account_id)

    assert found.is_cut
    assert list(found.hours) == [NOON - HOUR, NOON]
    assert sum(hour.calls for hour in found.hours.values()) == 3


@pytest.mark.parametrize(
    "span",
    [
        pytest.param(timedelta(0), id="empty"),
        pytest.param(-HOUR, id="backwards"),
        pytest.param(MAX_SPAN + timedelta(microseconds=1), id="too long"),
        pytest.param(timedelta(days=100_000), id="far"),
    ],
)
def test_a_time_that_cannot_be_counted_is_refused(span: timedelta) -> None:
    check_span(NOON, NOON + MAX_SPAN)

    with pytest.raises(Refusal):
        check_span(NOON, NOON + span)
