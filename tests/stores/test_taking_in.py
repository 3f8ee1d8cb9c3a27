"""docs/contract.md 2, 4: requests of an account that are judged and stored in one transaction are as they would be one after the other, by what the account is then."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from services.intake.account import Account, AccountChange, OperatorChange
from services.intake.call_rules import ONLY_PUBLIC
from services.intake.draft import CallDraft, RecordDraft, RecordingFormat
from services.intake.json_drafts import JsonCalls, Spelling
from services.intake.store.accounts import set_account, update_account
from services.intake.store.handed_over import register_file
from services.intake.store.taking_in import Sent, Taken, find_all_refusals, take_in
from services.intake.store.uploads import Priority
from services.intake.upload import TOGETHER_BYTES, Uploads
from services.shared.db.database import Database
from services.shared.errors import Mnemonic, Refusal, Refusals
from services.shared.identity import Identity, Role
from tests.support.makers import NOON, HandClock, SentDrafts, a_callback, a_draft, a_wav_record
from tests.support.uploading import an_account, count, lookup, run


@pytest.fixture
async def account(intake_db: Database) -> Account:
    return await an_account(intake_db, time_zone="Europe/Moscow", region="RU")


async def take(db: Database, account: Account, *requests: Sequence[CallDraft], **fields: Any) -> list[Taken]:
    sent = [Sent(SentDrafts(drafts), **fields) for drafts in requests]
    return await db.write(take_in, account.account_id, sent, NOON, ONLY_PUBLIC)


def outcomes(taken: Taken) -> list[tuple[str, str]]:
    assert isinstance(taken.answer, list)
    return [(call.ext_id, call.outcome.value) for call in taken.answer]


def refused(taken: Taken) -> list[tuple[object, ...]]:
    assert isinstance(taken.answer, Refusals)
    return [(refusal.mnemonic, *refusal.path) for refusal in taken.answer.refusals]


async def test_each_request_has_its_own_answer(intake_db: Database, account: Account) -> None:
    one, wrong, unknown, other = await take(
        intake_db,
        account,
        [a_draft(ext_id="a"), a_draft(ext_id="b", wav_records=[a_wav_record()])],
        [a_draft(ext_id="c"), a_draft(ext_id="d", is_lost=None)],
        [a_draft(ext_id="e", mp3_records=[RecordDraft(record_url="calldock-upload:none")])],
        [a_draft(ext_id="f")],
    )

    assert outcomes(one) == [("a", "created"), ("b", "created")]
    assert refused(wrong) == [(Mnemonic.REQUIRED_PARAMETER_MISSED, "calls", 1, "is_lost")]
    assert refused(unknown) == [(Mnemonic.ENTITY_NOT_FOUND, "calls", 0, "mp3_records", 0, "record_url")]
    assert outcomes(other) == [("f", "created")]
    assert [each.may_be_work for each in (one, wrong, unknown, other)] == [True, False, False, False]
    assert await count(intake_db, "calls") == 3


async def test_a_call_of_two_requests_is_stored_once(intake_db: Database, account: Account) -> None:
    first, second, third = await take(
        intake_db, account, [a_draft(ext_id="a")], [a_draft(ext_id="b")], [a_draft(ext_id="a", comment="again")]
    )

    assert [outcomes(each) for each in (first, second)] == [[("a", "created")], [("b", "created")]]
    assert outcomes(third) == [("a", "duplicate")]
    assert isinstance(third.answer, list)
    assert third.answer[0].differs
    assert (await lookup(intake_db, account, "a")).row.comment == ""


async def test_a_file_that_was_handed_over_goes_to_the_first_that_names_it(
    intake_db: Database, account: Account
) -> None:
    await intake_db.write(register_file, account.account_id, "f1", RecordingFormat.MP3, 10, "a" * 64, "b" * 128, NOON)
    named = RecordDraft(record_url="calldock-upload:f1")

    one, other = await take(
        intake_db,
        account,
        [a_draft(ext_id="a", mp3_records=[named])],
        [a_draft(ext_id="b", mp3_records=[named])],
    )

    assert outcomes(one) == [("a", "created")]
    assert [path for _, *path in refused(other)] == [["calls", 0, "mp3_records", 0, "record_url"]]


async def test_a_door_that_takes_no_files_wants_a_link(intake_db: Database, account: Account) -> None:
    named = RecordDraft(record_url="calldock-upload:f1")

    (taken,) = await take(intake_db, account, [a_draft(mp3_records=[named])], takes_handed_over=False)

    assert refused(taken) == [(Mnemonic.INVALID_PARAMETER_VALUE, "calls", 0, "mp3_records", 0, "record_url")]


async def test_what_a_request_says_of_itself_is_stored_with_its_calls(intake_db: Database, account: Account) -> None:
    (taken,) = await take(
        intake_db,
        account,
        [a_draft(callback=a_callback()), a_draft(ext_id="call-2", wav_records=[a_wav_record()])],
        ext_request_id="request 7",
        priority=Priority.BACKFILL,
        traceparents={"call-1": f"00-{'a' * 32}-{'b' * 16}-01"},
    )

    assert taken.may_be_work
    row = (await lookup(intake_db, account)).row
    assert (row.ext_request_id, row.traceparent) == ("request 7", f"00-{'a' * 32}-{'b' * 16}-01")
    await run(intake_db, "DELETE FROM call_work WHERE priority <> 10")
    assert await count(intake_db, "call_work") == 1


async def test_a_zone_that_changed_is_what_the_next_call_is_read_by(intake_db: Database, account: Account) -> None:
    at = "2026-06-01 12:00:00"
    await take(intake_db, account, [a_draft(ext_id="before", start_time=at, finish_time=at)])
    await intake_db.write(update_account, account.account_id, AccountChange(time_zone="Asia/Tokyo"))
    await take(intake_db, account, [a_draft(ext_id="after", start_time=at, finish_time=at)])

    before, after = [(await lookup(intake_db, account, name)).row.start_time for name in ("before", "after")]
    assert before == datetime(2026, 6, 1, 9, tzinfo=UTC)
    assert after == datetime(2026, 6, 1, 3, tzinfo=UTC)


async def test_a_number_is_read_by_the_present_region(intake_db: Database, account: Account) -> None:
    german = a_draft(calling_phone_number="030 901820")
    (before,) = await take(intake_db, account, [german])
    await intake_db.write(update_account, account.account_id, AccountChange(region="DE"))
    (after,) = await take(intake_db, account, [german])

    assert refused(before) == [(Mnemonic.INVALID_PARAMETER_VALUE, "calls", 0, "calling_phone_number")]
    assert outcomes(after) == [("call-1", "created")]
    assert (await lookup(intake_db, account)).row.calling_phone_number == "+4930901820"


async def test_what_is_stored_is_not_refused_for_a_region_of_today(intake_db: Database, account: Account) -> None:
    russian = a_draft(calling_phone_number="8 926 244-43-97")
    await take(intake_db, account, [russian])
    await intake_db.write(update_account, account.account_id, AccountChange(region="DE"))

    repeated, new = await take(intake_db, account, [russian], [a_draft(ext_id="new", calling_phone_number="1")])

    assert outcomes(repeated) == [("call-1", "duplicate")]
    assert refused(new) == [(Mnemonic.INVALID_PARAMETER_VALUE, "calls", 0, "calling_phone_number")]


async def test_a_disabled_account_is_refused(intake_db: Database, account: Account) -> None:
    await take(intake_db, account, [a_draft(ext_id="before")])
    await intake_db.write(set_account, account.account_id, OperatorChange(is_active=False))

    with pytest.raises(Refusal) as caught:
        await take(intake_db, account, [a_draft(ext_id="after")])

    assert caught.value.mnemonic is Mnemonic.ACCOUNT_INACTIVE
    assert await count(intake_db, "calls") == 1


async def test_all_that_is_wrong_is_found_in_the_order_of_an_upload(intake_db: Database, account: Account) -> None:
    drafts = [a_draft(is_lost=None, calling_phone_number="1"), a_draft(ext_id="b", comment="x" * 5000)]
    sent = Sent(SentDrafts(drafts))

    found = await intake_db.read(find_all_refusals, account.account_id, sent, NOON, ONLY_PUBLIC)
    (taken,) = await take(intake_db, account, drafts)

    assert [(refusal.mnemonic, *refusal.path) for refusal in found] == refused(taken)
    assert len(found) == 3


def uploads_that_tell(db: Database, told: list[int]) -> Uploads:
    """Notes how many calls each transaction stored."""
    return Uploads(
        db,
        HandClock(),
        max_calls=500,
        webhooks=ONLY_PUBLIC,
        stored=lambda _: None,
        uploaded=lambda counts: told.append(sum(counts.values())),
    )


async def test_many_that_come_at_once_are_each_answered_for_their_own_calls(
    intake_db: Database, account: Account
) -> None:
    told: list[int] = []
    uploads = uploads_that_tell(intake_db, told)
    identity = Identity(account_id=account.account_id, role=Role.ADMIN)
    drafts = [a_draft(ext_id=f"call-{place}", is_lost=None if place == 7 else False) for place in range(40)]

    answers = await asyncio.gather(
        *(uploads.upload(identity, SentDrafts([draft])) for draft in drafts), return_exceptions=True
    )

    assert isinstance(answers.pop(7), Refusals)
    assert [call.ext_id for answer in answers if isinstance(answer, list) for call in answer] == [
        draft.ext_id for draft in drafts if draft.is_lost is not None
    ]
    # They came in one turn of the loop, and went in one transaction.
    assert told == [39]


async def test_large_requests_do_not_go_together(intake_db: Database, account: Account) -> None:
    told: list[int] = []
    uploads = uploads_that_tell(intake_db, told)
    identity = Identity(account_id=account.account_id, role=Role.ADMIN)
    sizes = [TOGETHER_BYTES // 2, TOGETHER_BYTES // 2, 1, TOGETHER_BYTES * 2, 1]
    requests = [SentDrafts([a_draft(ext_id=str(place))], size) for place, size in enumerate(sizes)]

    await asyncio.gather(*(uploads.upload(identity, request) for request in requests))

    assert told == [2, 1, 1, 1]


def test_what_a_json_request_takes_is_known() -> None:
    small, large = (JsonCalls([{"comment": "x" * size}], Spelling.REST).size_bytes for size in (1, 1_000_000))

    assert small < 100
    assert large > 1_000_000
