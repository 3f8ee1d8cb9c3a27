"""Files that were handed over: which call may name one, and when it goes."""

from datetime import datetime, timedelta

from services.intake.account import Account
from services.intake.call import CheckedCall
from services.intake.draft import RecordingFormat
from services.intake.handed_over import MOST_WAITING_BYTES, HandedOver
from services.intake.recording import Fault, RecordingStatus, Verdict
from services.intake.store.call_work import begin_work, finish_call, save_verdict
from services.intake.store.changes import cancel_call, reprocess_call
from services.intake.store.garbage import due_keys, forget_keys
from services.intake.store.handed_over import register_file
from services.intake.store.retention import kept_audio, let_audio_go
from services.intake.store.tables import CALL_WORK, FETCH
from services.intake.store.uploads import find_refusals
from services.shared.db.database import Database
from services.shared.errors import Refusal
from tests.support.makers import AT_ONCE, NOON, a_checked_call, a_wav_record
from tests.support.uploading import an_account, count, lookup, told, upload

DAY = timedelta(days=1)
LATER = NOON + timedelta(days=2)


async def hand_over(
    db: Database,
    account: Account,
    upload_id: str = "f1",
    *,
    kind: RecordingFormat = RecordingFormat.WAV,
    size_bytes: int = 1000,
    now: datetime = NOON,
) -> HandedOver:
    return await db.write(register_file, account.account_id, upload_id, kind, size_bytes, "0" * 64, "1" * 128, now)


def naming(*upload_ids: str, index: int = 0, ext_id: str = "call-1") -> CheckedCall:
    records = [a_wav_record(record_url=f"calldock-upload:{upload_id}") for upload_id in upload_ids]
    return a_checked_call(index, ext_id=ext_id, wav_records=records)


async def end_in_error(db: Database) -> None:
    """The one call that waits ends, refused."""
    await end(db, Verdict(fault=Fault(code="decode_error", message="broken"), report=None))


async def end(db: Database, verdict: Verdict) -> None:
    (claim,) = await db.write(
        CALL_WORK.claim, stage=FETCH, most=1, after_account=0, now=LATER, lease_end=LATER + timedelta(seconds=30)
    )
    work = await db.write(begin_work, claim, NOON)
    assert work is not None
    await db.write(save_verdict, claim, [each.recording_id for each in work.recordings], verdict, NOON)
    await db.write(finish_call, claim, NOON)


async def test_a_call_that_names_a_file_has_it_at_once(intake_db: Database) -> None:
    account = await an_account(intake_db)
    file = await hand_over(intake_db, account)

    await upload(intake_db, account, naming("f1", "f1"))

    rows = [recording.row for recording in (await lookup(intake_db, account)).recordings]
    assert [(row.status, row.source_key, row.source_size_bytes) for row in rows] == [
        (RecordingStatus.FETCHED, file.key, 1000)
    ] * 2
    assert await intake_db.read(due_keys, LATER, 10) == []


async def test_a_file_that_no_call_named_goes_after_a_day(intake_db: Database) -> None:
    account = await an_account(intake_db)
    file = await hand_over(intake_db, account)

    assert await intake_db.read(due_keys, NOON + DAY, 10) == []
    assert await intake_db.read(due_keys, NOON + DAY + timedelta(minutes=10), 10) == [file.key]
    assert (
        await intake_db.read(find_refusals, account.account_id, [naming("f1")], NOON + DAY - timedelta(seconds=1)) == []
    )
    (refusal,) = await intake_db.read(find_refusals, account.account_id, [naming("f1")], NOON + DAY)
    assert refusal.mnemonic == "entity_not_found"

    await intake_db.write(forget_keys, [file.key])
    assert await count(intake_db, "handed_over_files") == 0


async def test_what_a_call_may_not_name(intake_db: Database) -> None:
    account = await an_account(intake_db)
    other = await an_account(intake_db, token=b"u" * 32)
    await hand_over(intake_db, account, "mp3", kind=RecordingFormat.MP3)
    await hand_over(intake_db, other, "theirs")
    await hand_over(intake_db, account, "taken")
    await upload(intake_db, account, naming("taken"))

    assert await told(intake_db, account, naming("none", ext_id="a")) == [
        ("wav_records.0.record_url", "entity_not_found")
    ]
    assert await told(intake_db, account, naming("theirs", ext_id="a")) == [
        ("wav_records.0.record_url", "entity_not_found")
    ]
    assert await told(intake_db, account, naming("mp3", ext_id="a")) == [
        ("wav_records.0.record_url", "invalid_parameter_value")
    ]
    assert await told(intake_db, account, naming("taken", ext_id="a")) == [
        ("wav_records.0.record_url", "invalid_parameter_value")
    ]
    await hand_over(intake_db, account, "two")
    twice = (naming("two", ext_id="a"), naming("two", index=1, ext_id="b"))
    assert await told(intake_db, account, *twice) == [("wav_records.0.record_url", "invalid_parameter_value")]


async def test_a_call_that_ended_in_error_may_come_again_with_its_file(intake_db: Database) -> None:
    account = await an_account(intake_db)
    file = await hand_over(intake_db, account)
    await upload(intake_db, account, naming("f1"))
    for _ in range(2):
        await end_in_error(intake_db)

        (again,) = await upload(intake_db, account, naming("f1"), now=LATER)

        assert again.outcome == "uploaded_again"
        assert (await lookup(intake_db, account)).recordings[0].row.source_key == file.key
        assert await intake_db.read(due_keys, LATER + DAY, 10) == []


async def test_a_call_that_comes_again_without_its_file_lets_it_go(intake_db: Database) -> None:
    account = await an_account(intake_db)
    file = await hand_over(intake_db, account)
    await upload(intake_db, account, naming("f1"))
    await end_in_error(intake_db)

    await upload(intake_db, account, a_checked_call(), now=LATER)

    assert await intake_db.read(due_keys, LATER, 10) == [file.key]
    assert await count(intake_db, "handed_over_files") == 0


async def test_a_file_whose_time_after_the_call_is_over_cannot_be_named_again(intake_db: Database) -> None:
    account = await an_account(intake_db)
    await hand_over(intake_db, account)
    await upload(intake_db, account, naming("f1"))
    await end_in_error(intake_db)

    await intake_db.write(let_audio_go, [1], AT_ONCE, LATER)

    assert await told(intake_db, account, naming("f1")) == [("wav_records.0.record_url", "entity_not_found")]


async def test_a_repeat_is_a_duplicate_whatever_became_of_the_file(intake_db: Database) -> None:
    account = await an_account(intake_db)
    await hand_over(intake_db, account)
    await upload(intake_db, account, naming("f1"))

    (repeat,) = await upload(intake_db, account, naming("f1"), now=LATER)

    assert (repeat.outcome, repeat.differs) == ("duplicate", False)


async def test_the_file_of_a_cancelled_call_goes_too(intake_db: Database) -> None:
    account = await an_account(intake_db)
    file = await hand_over(intake_db, account)
    (made,) = await upload(intake_db, account, naming("f1"))
    await intake_db.write(cancel_call, account.account_id, made.call_session_id, NOON)

    (kept,) = await intake_db.read(kept_audio, 0, 10, AT_ONCE, LATER)
    assert kept.over == {file.key}
    assert await intake_db.write(let_audio_go, [kept.recording_id], AT_ONCE, LATER) == 1
    assert await intake_db.read(due_keys, LATER, 10) == [file.key]


async def test_an_accepted_file_that_is_gone_keeps_its_verdict_when_the_call_is_reprocessed(
    intake_db: Database,
) -> None:
    account = await an_account(intake_db)
    await hand_over(intake_db, account)
    (made,) = await upload(intake_db, account, naming("f1"))
    await end(intake_db, Verdict(fault=None, report={"rules_version": 0}, audio_key="1/1/1/1.mp3", audio_size_bytes=1))
    await intake_db.write(let_audio_go, [1], AT_ONCE, LATER)

    await intake_db.write(reprocess_call, account.account_id, made.call_session_id, LATER)

    (recording,) = (await lookup(intake_db, account)).recordings
    assert (recording.row.status, recording.row.audio_key) == (RecordingStatus.ACCEPTED, "1/1/1/1.mp3")


async def test_an_mp3_that_a_later_verdict_replaces_goes(intake_db: Database) -> None:
    account = await an_account(intake_db)
    await hand_over(intake_db, account)
    (made,) = await upload(intake_db, account, naming("f1"))
    await end(intake_db, Verdict(fault=None, report={"rules_version": 0}, audio_key="1/1/1/1.mp3", audio_size_bytes=1))
    await intake_db.write(reprocess_call, account.account_id, made.call_session_id, LATER)

    await end(intake_db, Verdict(fault=None, report={"rules_version": 1}, audio_key="1/1/1/2.mp3", audio_size_bytes=1))

    assert await intake_db.read(due_keys, LATER, 10) == ["1/1/1/1.mp3"]


async def test_waiting_files_have_a_bound_and_named_ones_do_not_count(intake_db: Database) -> None:
    account = await an_account(intake_db)
    await hand_over(intake_db, account, "big", size_bytes=MOST_WAITING_BYTES)

    refused = None
    try:
        await hand_over(intake_db, account, "more", size_bytes=1)
    except Refusal as refusal:
        refused = refusal
    assert refused is not None
    assert refused.mnemonic == "limit_exceeded"

    await upload(intake_db, account, naming("big"))
    await hand_over(intake_db, account, "more", size_bytes=1)
