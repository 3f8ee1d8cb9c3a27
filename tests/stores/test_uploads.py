"""docs/contract.md 2, 5: storing uploads."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from services.intake.attribution import Attribution
from services.intake.draft import Direction, TagDraft
from services.intake.status import CallEvent
from services.intake.store.accounts import create_account
from services.intake.store.reading import StoredCall
from services.shared.db.database import Database
from services.shared.errors import Refusals
from services.shared.identity import AccountId
from tests.support.makers import NOON, a_callback, a_checked_call, a_new_account, a_wav_record
from tests.support.uploading import an_account, count, lookup, run, told, upload


async def end_in_error(db: Database) -> None:
    def end(connection: Connection) -> None:
        connection.execute(
            text("UPDATE calls SET status = 'error', error_code = 'decode_error', error_message = 'recording 1: x'")
        )
        connection.execute(text("DELETE FROM call_work"))
        connection.execute(
            text("UPDATE recordings SET status = 'refused', source_key = '1/1/' || recording_id || '/9.wav'")
        )

    await db.write(end)


@pytest.mark.contract("7 without recordings", "7 processed")
async def test_a_call_without_recordings_is_processed_with_both_events_in_the_outbox(intake_db: Database) -> None:
    account = await an_account(intake_db)

    (uploaded,) = await upload(intake_db, account, a_checked_call(callback=a_callback()))

    stored = await lookup(intake_db, account)
    assert uploaded.outcome == "created"
    assert stored.row.status == "processed"
    assert stored.row.event_seq == 2
    assert await count(intake_db, "outbox") == 2
    assert await count(intake_db, "call_work") == 0


@pytest.mark.contract("7 new")
async def test_a_call_with_recordings_waits_for_work(intake_db: Database) -> None:
    account = await an_account(intake_db)

    await upload(
        intake_db, account, a_checked_call(wav_records=[a_wav_record(), a_wav_record()], callback=a_callback())
    )

    stored = await lookup(intake_db, account)
    assert stored.row.status == "new"
    assert [recording.employee_name for recording in stored.recordings] == ["Anna Petrova"] * 2
    assert await count(intake_db, "call_work") == 1
    assert await count(intake_db, "outbox") == 0
    assert await count(intake_db, "employees") == 1


@pytest.mark.contract("2 changes nothing")
async def test_an_upload_of_a_known_call_changes_nothing_and_says_whether_it_differs(intake_db: Database) -> None:
    account = await an_account(intake_db)
    (first,) = await upload(intake_db, account, a_checked_call())

    (same,) = await upload(intake_db, account, a_checked_call())
    (other,) = await upload(intake_db, account, a_checked_call(comment="changed"))

    assert (same.outcome, same.differs, same.call_session_id) == ("duplicate", False, first.call_session_id)
    assert (other.outcome, other.differs) == ("duplicate", True)
    assert (await lookup(intake_db, account)).row.comment == ""


@pytest.mark.contract("2 first of two")
async def test_the_first_of_two_equal_ext_ids_in_one_request_wins(intake_db: Database) -> None:
    account = await an_account(intake_db)

    answers = await upload(intake_db, account, a_checked_call(0, comment="first"), a_checked_call(1, comment="second"))

    assert [(answer.outcome, answer.differs) for answer in answers] == [("created", False), ("duplicate", True)]
    assert (await lookup(intake_db, account)).row.comment == "first"


@pytest.mark.contract("2 after error", "2 keeps its call_session_id")
async def test_after_an_error_an_upload_replaces_everything_and_keeps_the_number(intake_db: Database) -> None:
    account = await an_account(intake_db)
    (first,) = await upload(
        intake_db,
        account,
        a_checked_call(wav_records=[a_wav_record()], tags=[TagDraft(tag_name="old")], callback=a_callback()),
    )
    await end_in_error(intake_db)

    (again,) = await upload(
        intake_db,
        account,
        a_checked_call(
            comment="mended", wav_records=[a_wav_record(employee_name="Boris")], tags=[TagDraft(tag_name="new")]
        ),
    )

    stored = await lookup(intake_db, account)
    assert (again.outcome, again.call_session_id) == ("uploaded_again", first.call_session_id)
    assert (stored.row.status, stored.row.error_code, stored.row.error_message, stored.row.uploads) == (
        "new",
        None,
        "",
        2,
    )
    assert stored.row.callback_url is None
    assert [name for _, name in stored.tags] == ["new"]
    assert [recording.employee_name for recording in stored.recordings] == ["Boris"]
    assert await count(intake_db, "object_garbage") == 1
    assert await count(intake_db, "call_work") == 1


@pytest.mark.contract("2 three uploads", "2 third failure")
async def test_after_three_failures_further_uploads_are_ignored(intake_db: Database) -> None:
    account = await an_account(intake_db)
    outcomes = []
    for number in range(4):
        (answer,) = await upload(intake_db, account, a_checked_call(comment=str(number), wav_records=[a_wav_record()]))
        outcomes.append(answer.outcome)
        await end_in_error(intake_db)

    assert outcomes == ["created", "uploaded_again", "uploaded_again", "ignored_after_failures"]
    assert (await lookup(intake_db, account)).row.comment == "2"


@pytest.mark.contract("8 whole or not at all", "8 fields in order", "5 unknown id")
async def test_one_wrong_call_refuses_the_request_and_leaves_nothing(intake_db: Database) -> None:
    account = await an_account(intake_db)
    good = a_checked_call(0, ext_id="good", tags=[TagDraft(tag_name="vip")])
    wrong = a_checked_call(
        1,
        ext_id="wrong",
        attribution=Attribution(campaign_id=5),
        tags=[TagDraft(tag_id=9)],
        mp3_records=[a_wav_record(employee_channel=None, employee_id=4)],
    )

    with pytest.raises(Refusals) as caught:
        await upload(intake_db, account, good, wrong)

    told = [(".".join(map(str, refusal.path)), str(refusal.mnemonic)) for refusal in caught.value.refusals]
    assert told == [
        ("calls.1.campaign_id", "entity_not_found"),
        ("calls.1.tags.0.tag_id", "entity_not_found"),
        ("calls.1.mp3_records.0.employee_id", "entity_not_found"),
    ]
    for table in ("calls", "tags WHERE NOT is_system", "employees", "call_work", "outbox"):
        assert await count(intake_db, table) == 0


@pytest.mark.contract("2 skips the present state", "4 campaign_is_inactive")
async def test_a_known_call_skips_the_rules_of_the_accounts_present_state(intake_db: Database) -> None:
    account = await an_account(intake_db)

    def campaign(connection: Connection, is_active: bool) -> None:
        connection.execute(
            text(
                "INSERT INTO campaigns VALUES (1, 5, 'autumn', :is_active) ON CONFLICT (account_id, campaign_id) DO UPDATE SET is_active = excluded.is_active"
            ),
            {"is_active": is_active},
        )

    await intake_db.write(campaign, True)
    call = a_checked_call(attribution=Attribution(campaign_id=5))
    await upload(intake_db, account, call)
    await intake_db.write(campaign, False)

    assert [answer.outcome for answer in await upload(intake_db, account, call)] == ["duplicate"]
    with pytest.raises(Refusals) as caught:
        await upload(intake_db, account, a_checked_call(ext_id="new", attribution=Attribution(campaign_id=5)))
    assert caught.value.first.mnemonic == "campaign_is_inactive"


@pytest.mark.contract("2 racing", "5 racing")
async def test_uploads_racing_on_one_ext_id_tag_and_employee_store_one_of_each(intake_db: Database) -> None:
    account = await an_account(intake_db)
    call = a_checked_call(tags=[TagDraft(tag_name="vip")], wav_records=[a_wav_record()])

    answers = await asyncio.gather(*(upload(intake_db, account, call) for _ in range(50)))

    assert sorted(answer[0].outcome for answer in answers) == ["created"] + ["duplicate"] * 49
    for table in ("calls", "tags WHERE NOT is_system", "employees", "call_work"):
        assert await count(intake_db, table) == 1


async def test_an_account_made_twice_with_one_request_id_is_one_with_the_later_token(intake_db: Database) -> None:
    new = a_new_account()
    first = await intake_db.write(create_account, new, b"1" * 32, "00000000-0000-4000-8000-000000000000", NOON)
    second = await intake_db.write(create_account, new, b"2" * 32, "00000000-0000-4000-8000-000000000000", NOON)

    assert first.account_id == second.account_id == AccountId(1)
    assert await count(intake_db, "tokens") == 1


FIRST: dict[str, Any] = {
    "direction": Direction.IN, "calling_phone_number": "+79262444397", "called_phone_number": "+74955140576", "start_time": "2026-11-02 10:00:00",
    "finish_time": "2026-11-02 10:01:00", "is_lost": False, "is_transfer": True, "wait_duration": timedelta(seconds=1),
    "talk_duration": timedelta(seconds=2), "attribution": Attribution(campaign_id=1, source_id=1, site_id=1), "comment": "first",
    "callback": a_callback(url="https://first/", events=[CallEvent.ERROR]), "tags": [TagDraft(tag_name="first")], "wav_records": [a_wav_record()],
}  # fmt: skip
SECOND: dict[str, Any] = {
    "direction": Direction.OUT, "calling_phone_number": "+74955140576", "called_phone_number": "+79262444398", "start_time": "2026-11-03 10:00:00",
    "finish_time": "2026-11-03 10:01:00", "is_lost": True, "is_transfer": False, "wait_duration": timedelta(seconds=3),
    "talk_duration": timedelta(seconds=4), "attribution": Attribution(campaign_id=2, source_id=2, site_id=2), "comment": "second",
    "callback": a_callback(url="https://second/", events=[CallEvent.PROCESSED]), "tags": [TagDraft(tag_name="second")],
    "mp3_records": [a_wav_record(employee_name="Boris", employee_channel=None)],
}  # fmt: skip


async def replaced(db: Database, **second: Any) -> StoredCall:
    """What is stored of a call that ended in error and was uploaded again, a day later."""
    account = await an_account(db)
    await run(
        db,
        "INSERT INTO campaigns VALUES (1, 1, 'one', TRUE), (1, 2, 'two', TRUE)",
        "INSERT INTO sources VALUES (1, 1, 'one'), (1, 2, 'two')",
        "INSERT INTO sites VALUES (1, 1, 'one'), (1, 2, 'two')",
    )
    await upload(db, account, a_checked_call(**FIRST), request_id="first")
    await end_in_error(db)
    await upload(db, account, a_checked_call(**second), request_id="second", now=NOON + timedelta(days=1))
    return await lookup(db, account)


@pytest.mark.contract("2 replaces", "2 after error")
async def test_the_new_upload_after_an_error_replaces_every_field(intake_db: Database) -> None:
    stored = await replaced(intake_db, **SECOND)

    row = stored.row
    assert (row.direction, row.calling_phone_number, row.called_phone_number) == ("out", "+74955140576", "+79262444398")
    assert (row.start_time, row.finish_time) == (
        datetime(2026, 11, 3, 7, tzinfo=UTC),
        datetime(2026, 11, 3, 7, 1, tzinfo=UTC),
    )
    assert (row.is_lost, row.is_transfer, row.wait_ms, row.talk_ms) == (True, False, 3000, 4000)
    assert (row.visitor_session_id, row.campaign_id, row.source_id, row.site_id) == (None, 2, 2, 2)
    assert (row.comment, row.callback_url, row.callback_events) == ("second", "https://second/", "processed")
    assert (row.upload_time, row.ext_request_id) == (NOON + timedelta(days=1), "second")
    assert [name for _, name in stored.tags] == ["second"]
    assert [(each.row.format, each.employee_name, each.row.status) for each in stored.recordings] == [
        ("mp3", "Boris", "waiting")
    ]


@pytest.mark.contract("2 replaces")
async def test_what_the_new_upload_leaves_out_is_gone(intake_db: Database) -> None:
    stored = await replaced(intake_db)

    row = stored.row
    assert (row.is_transfer, row.wait_ms, row.talk_ms, row.comment) == (False, None, None, "")
    assert (row.campaign_id, row.source_id, row.site_id) == (None, None, None)
    assert (row.callback_url, row.callback_events, stored.tags, stored.recordings) == (None, "", [], [])
    assert row.status == "processed"


@pytest.mark.contract("6 everything anew")
async def test_an_upload_that_comes_again_fetches_every_recording_anew(intake_db: Database) -> None:
    account = await an_account(intake_db)
    call = a_checked_call(wav_records=[a_wav_record(), a_wav_record(record_url="https://x/2.wav")])
    await upload(intake_db, account, call)
    await run(
        intake_db, "UPDATE recordings SET source_key = 'k', audio_key = 'k', audio_report = '{}', status = 'accepted'"
    )
    await run(intake_db, "UPDATE calls SET status = 'error'", "DELETE FROM call_work")

    await upload(intake_db, account, call)

    recordings = (await lookup(intake_db, account)).recordings
    assert [
        (each.row.status, each.row.source_key, each.row.audio_key, each.row.audio_report) for each in recordings
    ] == [("waiting", None, None, None)] * 2


@pytest.mark.contract("2 deleted")
async def test_the_ext_id_of_a_deleted_call_comes_as_a_new_call(intake_db: Database) -> None:
    account = await an_account(intake_db)
    (first,) = await upload(intake_db, account, a_checked_call())
    await run(intake_db, "DELETE FROM calls")

    (second,) = await upload(intake_db, account, a_checked_call(comment="new"))

    assert second.outcome == "created"
    assert second.call_session_id > first.call_session_id
    assert (await lookup(intake_db, account)).row.uploads == 1


@pytest.mark.contract("2 one call")
async def test_two_accounts_may_use_one_ext_id(intake_db: Database) -> None:
    ours, theirs = await an_account(intake_db), await an_account(intake_db, b"u" * 32)

    answers = [(await upload(intake_db, account, a_checked_call()))[0] for account in (ours, theirs, ours)]

    assert [answer.outcome for answer in answers] == ["created", "created", "duplicate"]
    assert answers[0].call_session_id == answers[2].call_session_id != answers[1].call_session_id


STATES = [
    pytest.param("UPDATE campaigns SET is_active = FALSE", {"attribution": Attribution(campaign_id=1)}, id="2 skips the present state, campaign paused"),
    pytest.param("DELETE FROM campaigns", {"attribution": Attribution(campaign_id=1)}, id="2 skips the present state, campaign gone"),
    pytest.param("DELETE FROM sites", {"attribution": Attribution(site_id=1)}, id="2 skips the present state, site gone"),
    pytest.param("UPDATE accounts SET has_voice_analysis = FALSE", {"wav_records": [a_wav_record()]}, id="2 skips the present state, voice analysis off"),
    pytest.param("DELETE FROM employees", {"wav_records": [a_wav_record(employee_id=1001)]}, id="2 skips the present state, employee gone"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "fields"), STATES)
@pytest.mark.parametrize("ended", ["new", "in_process", "processed", "error"])
async def test_a_batch_repeated_after_the_accounts_state_changed_is_no_error(
    intake_db: Database, change: str, fields: dict[str, Any], ended: str
) -> None:
    account = await an_account(intake_db)
    await run(
        intake_db,
        "INSERT INTO campaigns VALUES (1, 1, 'one', TRUE)",
        "INSERT INTO sites VALUES (1, 1, 'one')",
        "INSERT INTO employees VALUES (1001, 1, 'Anna', 'anna')",
    )
    call = a_checked_call(**fields)
    await upload(intake_db, account, call)
    # The third failure: further uploads are ignored, whatever they say.
    await run(intake_db, f"UPDATE calls SET status = '{ended}', uploads = 3", change)

    (again,) = await upload(intake_db, account, call)

    assert again.outcome == ("ignored_after_failures" if ended == "error" else "duplicate")
    assert await told(intake_db, account, a_checked_call(**fields, ext_id="another"))
