"""docs/contract.md 2, 4, 5: storing uploads."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection, text

from services.intake.account import Account
from services.intake.attribution import Attribution
from services.intake.call import CheckedCall
from services.intake.draft import TagDraft
from services.intake.store.accounts import create_account
from services.intake.store.reading import StoredCall, lookup_call
from services.intake.store.uploads import UploadedCall, save_upload
from services.shared.db.engine import SqliteDatabase
from services.shared.errors import Refusals
from services.shared.identity import AccountId
from tests.support.makers import NOON, a_callback, a_checked_call, a_new_account, a_wav_record


async def an_account(db: SqliteDatabase, token: bytes = b"t" * 32, **fields: Any) -> Account:
    return await db.write(create_account, a_new_account(**fields), token, None, NOON)


async def upload(db: SqliteDatabase, account: Account, *calls: CheckedCall) -> list[UploadedCall]:
    return await db.write(save_upload, account.account_id, calls, "7", NOON)


async def lookup(db: SqliteDatabase, account: Account, ext_id: str = "call-1") -> StoredCall:
    return await db.read(lookup_call, account.account_id, ext_id)


async def count(db: SqliteDatabase, table: str) -> int:
    def counted(connection: Connection) -> int:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())

    return await db.read(counted)


async def end_in_error(db: SqliteDatabase) -> None:
    def end(connection: Connection) -> None:
        connection.execute(
            text("UPDATE calls SET status = 'error', error_code = 'decode_error', error_message = 'recording 1: x'")
        )
        connection.execute(text("DELETE FROM call_work"))
        connection.execute(
            text("UPDATE recordings SET status = 'refused', source_key = '1/1/' || recording_id || '/9.wav'")
        )

    await db.write(end)


async def test_a_call_without_recordings_is_processed_with_both_events_in_the_outbox(intake_db: SqliteDatabase) -> None:
    account = await an_account(intake_db)

    (uploaded,) = await upload(intake_db, account, a_checked_call(callback=a_callback()))

    stored = await lookup(intake_db, account)
    assert uploaded.outcome == "created"
    assert stored.row.status == "processed"
    assert stored.row.event_seq == 2
    assert await count(intake_db, "outbox") == 2
    assert await count(intake_db, "call_work") == 0


async def test_a_call_with_recordings_waits_for_work(intake_db: SqliteDatabase) -> None:
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


async def test_an_upload_of_a_known_call_changes_nothing_and_says_whether_it_differs(intake_db: SqliteDatabase) -> None:
    account = await an_account(intake_db)
    (first,) = await upload(intake_db, account, a_checked_call())

    (same,) = await upload(intake_db, account, a_checked_call())
    (other,) = await upload(intake_db, account, a_checked_call(comment="changed"))

    assert (same.outcome, same.differs, same.call_session_id) == ("duplicate", False, first.call_session_id)
    assert (other.outcome, other.differs) == ("duplicate", True)
    assert (await lookup(intake_db, account)).row.comment == ""


async def test_the_first_of_two_equal_ext_ids_in_one_request_wins(intake_db: SqliteDatabase) -> None:
    account = await an_account(intake_db)

    answers = await upload(intake_db, account, a_checked_call(0, comment="first"), a_checked_call(1, comment="second"))

    assert [(answer.outcome, answer.differs) for answer in answers] == [("created", False), ("duplicate", True)]
    assert (await lookup(intake_db, account)).row.comment == "first"


async def test_after_an_error_an_upload_replaces_everything_and_keeps_the_number(intake_db: SqliteDatabase) -> None:
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


async def test_after_three_failures_further_uploads_are_ignored(intake_db: SqliteDatabase) -> None:
    account = await an_account(intake_db)
    outcomes = []
    for number in range(4):
        (answer,) = await upload(intake_db, account, a_checked_call(comment=str(number), wav_records=[a_wav_record()]))
        outcomes.append(answer.outcome)
        await end_in_error(intake_db)

    assert outcomes == ["created", "uploaded_again", "uploaded_again", "ignored_after_failures"]
    assert (await lookup(intake_db, account)).row.comment == "2"


async def test_one_wrong_call_refuses_the_request_and_leaves_nothing(intake_db: SqliteDatabase) -> None:
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


async def test_wav_records_need_voice_analysis(intake_db: SqliteDatabase) -> None:
    account = await an_account(intake_db, has_voice_analysis=False)

    with pytest.raises(Refusals) as caught:
        await upload(intake_db, account, a_checked_call(wav_records=[a_wav_record()]))

    assert caught.value.first.mnemonic == "parameter_component_disabled"
    assert caught.value.first.path == ("calls", 0, "wav_records")


async def test_a_known_call_skips_the_rules_of_the_accounts_present_state(intake_db: SqliteDatabase) -> None:
    account = await an_account(intake_db)

    def campaign(connection: Connection, is_active: bool) -> None:
        connection.execute(
            text("INSERT OR REPLACE INTO campaigns VALUES (1, 5, 'autumn', :is_active)"), {"is_active": is_active}
        )

    await intake_db.write(campaign, True)
    call = a_checked_call(attribution=Attribution(campaign_id=5))
    await upload(intake_db, account, call)
    await intake_db.write(campaign, False)

    assert [answer.outcome for answer in await upload(intake_db, account, call)] == ["duplicate"]
    with pytest.raises(Refusals) as caught:
        await upload(intake_db, account, a_checked_call(ext_id="new", attribution=Attribution(campaign_id=5)))
    assert caught.value.first.mnemonic == "campaign_is_inactive"


async def test_tags_are_found_exactly_and_employees_however_they_are_spelled(intake_db: SqliteDatabase) -> None:
    account = await an_account(intake_db)
    for number, (tag, employee) in enumerate(
        [("VIP", "Anna Petrova"), ("vip", "ANNA  petrova"), ("VIP", " anna petrova ")]
    ):
        await upload(
            intake_db,
            account,
            a_checked_call(
                ext_id=str(number), tags=[TagDraft(tag_name=tag)], wav_records=[a_wav_record(employee_name=employee)]
            ),
        )

    assert await count(intake_db, "tags WHERE NOT is_system") == 2
    assert await count(intake_db, "employees") == 1


async def test_another_accounts_tag_employee_and_call_are_not_there(intake_db: SqliteDatabase) -> None:
    ours = await an_account(intake_db)
    theirs = await an_account(intake_db, b"u" * 32)
    await upload(intake_db, theirs, a_checked_call(tags=[TagDraft(tag_name="vip")], wav_records=[a_wav_record()]))
    ((theirs_tag, _),) = (await lookup(intake_db, theirs)).tags

    with pytest.raises(Refusals) as caught:
        await upload(
            intake_db,
            ours,
            a_checked_call(
                tags=[TagDraft(tag_id=theirs_tag)], mp3_records=[a_wav_record(employee_id=1, employee_channel=None)]
            ),
        )
    (mine,) = await upload(intake_db, ours, a_checked_call())

    assert [str(refusal.mnemonic) for refusal in caught.value.refusals] == ["entity_not_found"] * 2
    assert mine.outcome == "created"


async def test_uploads_racing_on_one_ext_id_tag_and_employee_store_one_of_each(intake_db: SqliteDatabase) -> None:
    account = await an_account(intake_db)
    call = a_checked_call(tags=[TagDraft(tag_name="vip")], wav_records=[a_wav_record()])

    answers = await asyncio.gather(*(upload(intake_db, account, call) for _ in range(50)))

    assert sorted(answer[0].outcome for answer in answers) == ["created"] + ["duplicate"] * 49
    for table in ("calls", "tags WHERE NOT is_system", "employees", "call_work"):
        assert await count(intake_db, table) == 1


async def test_a_visitor_session_wins_and_a_site_yields_to_the_numbers_owner(intake_db: SqliteDatabase) -> None:
    account = await an_account(intake_db)

    def fill(connection: Connection) -> None:
        connection.execute(text("INSERT INTO sites VALUES (1, 1, 'one'), (1, 2, 'two')"))
        connection.execute(text("INSERT INTO site_numbers VALUES (1, '+74955140576', 2)"))
        connection.execute(text("INSERT INTO visitor_sessions VALUES (1, 8, 1, NULL, -1)"))

    await intake_db.write(fill)
    await upload(
        intake_db,
        account,
        a_checked_call(ext_id="session", attribution=Attribution(visitor_session_id=8, campaign_id=99, site_id=2)),
    )
    await upload(intake_db, account, a_checked_call(ext_id="other site", attribution=Attribution(site_id=1)))
    await upload(
        intake_db, account, a_checked_call(ext_id="same site", attribution=Attribution(site_id=2, source_id=-1))
    )

    session = (await lookup(intake_db, account, "session")).row
    assert (session.visitor_session_id, session.site_id, session.campaign_id, session.source_id) == (8, 1, None, -1)
    assert (await lookup(intake_db, account, "other site")).row.site_id is None
    assert (await lookup(intake_db, account, "same site")).row.site_id == 2


async def test_an_account_made_twice_with_one_request_id_is_one_with_the_later_token(intake_db: SqliteDatabase) -> None:
    new = a_new_account()
    first = await intake_db.write(create_account, new, b"1" * 32, "00000000-0000-4000-8000-000000000000", NOON)
    second = await intake_db.write(create_account, new, b"2" * 32, "00000000-0000-4000-8000-000000000000", NOON)

    assert first.account_id == second.account_id == AccountId(1)
    assert await count(intake_db, "tokens") == 1
