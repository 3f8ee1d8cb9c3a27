"""docs/contract.md 2, 5: uploads of an account that are stored in one transaction are as they would be one after the other."""

from collections.abc import Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import SQLModel

from services.intake.account import Account
from services.intake.attribution import Attribution
from services.intake.call import CheckedCall
from services.intake.draft import RecordDraft, TagDraft
from services.intake.store.tables import CallRow, CallTagRow, RecordingRow
from services.intake.store.upload_rows import CALLS, RECORDINGS, TAGS
from services.intake.store.uploads import Priority, Saved, Stale, Upload, going_together, save_uploads
from services.shared.db.bulk import SQLITE_ROWS, Bulk
from services.shared.db.database import Database
from services.shared.db.tables import table_of
from services.shared.errors import Refusals, Trouble
from tests.support.makers import NOON, a_callback, a_checked_call, a_wav_record
from tests.support.uploading import an_account, count, lookup, run, upload


async def save(db: Database, account: Account, *uploads: Sequence[CheckedCall]) -> list[Saved]:
    asked = [Upload(calls=calls, ext_request_id=f"request {place}") for place, calls in enumerate(uploads)]
    return await db.write(save_uploads, account.account_id, asked, NOON)


async def test_each_upload_has_its_own_answers(intake_db: Database) -> None:
    account = await an_account(intake_db)
    (known,) = await upload(intake_db, account, a_checked_call(ext_id="known"))
    tags = [TagDraft(tag_name="new")]

    one, other = await save(
        intake_db,
        account,
        [a_checked_call(0, ext_id="a", tags=tags), a_checked_call(1, ext_id="known", comment="x")],
        [a_checked_call(0, ext_id="b", tags=tags, callback=a_callback(), wav_records=[a_wav_record()])],
    )

    assert isinstance(one, list)
    assert isinstance(other, list)
    assert [(call.ext_id, call.outcome, call.differs) for call in one + other] == [
        ("a", "created", False),
        ("known", "duplicate", True),
        ("b", "created", False),
    ]
    assert one[1].call_session_id == known.call_session_id
    stored = await lookup(intake_db, account, "b")
    assert (stored.row.call_session_id, stored.row.ext_request_id) == (other[0].call_session_id, "request 1")
    assert [name for _, name in stored.tags] == ["new"]
    assert (await lookup(intake_db, account, "a")).row.ext_request_id == "request 0"
    assert await count(intake_db, "call_work") == 1
    assert await count(intake_db, "call_changes") == 3


async def test_one_that_is_refused_leaves_the_others_alone(intake_db: Database) -> None:
    account = await an_account(intake_db)

    refused, stored, stale = await save(
        intake_db,
        account,
        [a_checked_call(ext_id="a"), a_checked_call(1, ext_id="b", attribution=Attribution(campaign_id=7))],
        [a_checked_call(ext_id="c")],
        [_as_only_repeat(a_checked_call(ext_id="d"))],
    )

    assert isinstance(refused, Refusals)
    assert [refusal.path for refusal in refused.refusals] == [("calls", 1, "campaign_id")]
    assert isinstance(stored, list)
    assert isinstance(stale, Trouble)
    assert await count(intake_db, "calls") == 1
    assert (await lookup(intake_db, account, "c")).row.ext_id == "c"


async def test_each_keeps_its_priority(intake_db: Database) -> None:
    account = await an_account(intake_db)
    uploads = [
        Upload(calls=[a_checked_call(ext_id=str(priority), wav_records=[a_wav_record()])], priority=priority)
        for priority in (Priority.BACKFILL, Priority.LIVE)
    ]

    await intake_db.write(save_uploads, account.account_id, uploads, NOON)

    await run(intake_db, "DELETE FROM call_work WHERE priority <> 0")
    assert await count(intake_db, "call_work") == 1
    await run(intake_db, "DELETE FROM call_work WHERE key = (SELECT call_session_id FROM calls WHERE ext_id = '0')")
    assert await count(intake_db, "call_work") == 0


def test_what_has_a_call_in_common_goes_one_after_the_other() -> None:
    a, b, a_again = (Upload(calls=[a_checked_call(ext_id=ext_id)]) for ext_id in ("a", "b", "a"))

    assert going_together([a, b, a_again]) == 2
    assert going_together([a_again]) == 1


def test_what_names_a_file_that_was_handed_over_goes_alone() -> None:
    plain = Upload(calls=[a_checked_call(ext_id="a")])
    naming = Upload(calls=[a_checked_call(ext_id="b", mp3_records=[RecordDraft(record_url="calldock-upload:f1")])])

    assert going_together([naming, plain]) == 1
    assert going_together([plain, naming]) == 1


def test_as_many_calls_go_together_as_a_large_upload_has() -> None:
    large = Upload(calls=[a_checked_call(place, ext_id=f"call-{place}") for place in range(501)])
    one, other = (Upload(calls=[a_checked_call(ext_id=ext_id)]) for ext_id in ("a", "b"))

    assert going_together([large, one]) == 1
    assert going_together([one, large]) == 1
    assert going_together([one, other, large]) == 2


async def test_every_call_of_a_large_upload_has_the_number_that_it_is_told(intake_db: Database) -> None:
    account = await an_account(intake_db)
    calls = [a_checked_call(place, ext_id=f"call-{place}") for place in range(2 * SQLITE_ROWS + 7)]

    uploaded = await upload(intake_db, account, *reversed(calls))

    assert len({call.call_session_id for call in uploaded}) == len(calls)
    for call in uploaded[:: SQLITE_ROWS // 3]:
        assert (await lookup(intake_db, account, call.ext_id)).row.call_session_id == call.call_session_id


@pytest.mark.parametrize(
    ("rows", "table", "later"),
    [
        pytest.param(CALLS, CallRow, {"call_session_id", "traceparent"}, id="calls"),
        pytest.param(TAGS, CallTagRow, set(), id="tags"),
        pytest.param(
            RECORDINGS,
            RecordingRow,
            {"recording_id", "error_code", "next_fetch_time", "audio_report", "audio_key", "audio_size_bytes"},
            id="recordings",
        ),
    ],
)
def test_every_column_is_written_but_those_that_come_later(rows: Bulk, table: type[SQLModel], later: set[str]) -> None:
    columns = {column.name for column in table_of(table).c}

    assert {*rows.names, *later} == columns
    assert later.isdisjoint(rows.names)


async def test_calls_that_were_read_by_another_zone_are_not_stored(intake_db: Database) -> None:
    account = await an_account(intake_db)
    elsewhere = replace(account.clock, zone=ZoneInfo("Asia/Tokyo"))
    uploads = [
        Upload(calls=[a_checked_call(ext_id="now")], clock=account.clock),
        Upload(calls=[a_checked_call(ext_id="then")], clock=elsewhere),
    ]

    stored, stale = await intake_db.write(save_uploads, account.account_id, uploads, NOON)

    assert isinstance(stored, list)
    assert isinstance(stale, Stale)
    assert await count(intake_db, "calls") == 1


def _as_only_repeat(call: CheckedCall) -> CheckedCall:
    return call._replace(is_only_repeat=True)
