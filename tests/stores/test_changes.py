"""Cancelling and reprocessing: the fence, the recordings that stay, and what is told."""

from datetime import timedelta

import pytest

from services.intake.account import AccountChange
from services.intake.audio_settings import AudioSettings
from services.intake.recording import Fault, Source, Verdict
from services.intake.store.accounts import create_account, update_account
from services.intake.store.call_work import begin_work, finish_call, finish_fetch, save_source, save_verdict
from services.intake.store.changes import cancel_call, reprocess_call
from services.intake.store.reading import StoredCall, lookup_call
from services.intake.store.tables import CALL_WORK, FETCH, PROCESS
from services.intake.store.uploads import Priority, save_upload
from services.shared.db.database import Database
from services.shared.db.work_table import Claim
from services.shared.errors import Refusal
from services.shared.identity import AccountId
from tests.support.makers import NOON, a_callback, a_checked_call, a_new_account, a_wav_record

ACCOUNT = AccountId(1)
LEASE = timedelta(seconds=30)
RULES = 1


async def an_uploaded_call(db: Database, recordings: int = 2) -> None:
    await db.write(create_account, a_new_account(), b"t" * 32, None, NOON)
    records = [a_wav_record(record_url=f"https://x/{number}.wav") for number in range(recordings)]
    await db.write(save_upload, ACCOUNT, [a_checked_call(wav_records=records, callback=a_callback())], "", NOON)


async def claim(db: Database, stage: int) -> Claim:
    (claimed,) = await db.write(CALL_WORK.claim, stage=stage, most=1, after_account=0, now=NOON, lease_end=NOON + LEASE)
    return claimed


async def an_ended_call(db: Database, *, second_fault: str | None = "decode_error") -> None:
    """A call whose first recording was accepted; the second was fetched, and refused if there is a fault."""
    await an_uploaded_call(db)
    fetch = await claim(db, FETCH)
    await db.write(begin_work, fetch, NOON)
    for number in (1, 2):
        await db.write(
            save_source, fetch, [number], Source(key=f"1/1/{number}/1.wav", size_bytes=1, sha256="a", sha512="b"), NOON
        )
    await db.write(finish_fetch, fetch, NOON)
    process = await claim(db, PROCESS)
    good = Verdict(fault=None, report={"rules_version": RULES}, audio_key="1/1/1/2.mp3", audio_size_bytes=1)
    bad = Verdict(fault=Fault(code=second_fault or "", message="broken"), report={"rules_version": RULES})
    await db.write(save_verdict, process, [1], good, NOON)
    await db.write(save_verdict, process, [2], bad if second_fault else good, NOON)
    await db.write(finish_call, process, NOON)


async def stored(db: Database) -> StoredCall:
    return await db.read(lookup_call, ACCOUNT, "call-1")


@pytest.mark.contract("8 cancelled")
async def test_a_cancelled_call_is_worked_on_no_more_and_tells_nothing(intake_db: Database) -> None:
    await an_uploaded_call(intake_db)
    fetch = await claim(intake_db, FETCH)

    await intake_db.write(cancel_call, ACCOUNT, 1, NOON)
    await intake_db.write(cancel_call, ACCOUNT, 1, NOON)

    assert (await stored(intake_db)).row.status == "cancelled"
    assert await intake_db.write(begin_work, fetch, NOON) is None
    assert (await stored(intake_db)).row.event_seq == 0


async def test_a_cancelled_call_comes_again_and_is_not_counted(intake_db: Database) -> None:
    await an_uploaded_call(intake_db)
    await intake_db.write(cancel_call, ACCOUNT, 1, NOON)

    (again,) = await intake_db.write(save_upload, ACCOUNT, [a_checked_call(wav_records=[a_wav_record()])], "", NOON)

    assert again.outcome == "uploaded_again"
    assert (await stored(intake_db)).row.uploads == 1


async def test_a_call_in_process_cannot_be_cancelled(intake_db: Database) -> None:
    await an_uploaded_call(intake_db)
    await intake_db.write(begin_work, await claim(intake_db, FETCH), NOON)

    with pytest.raises(Refusal) as caught:
        await intake_db.write(cancel_call, ACCOUNT, 1, NOON)

    assert caught.value.grpc_code == "FAILED_PRECONDITION"


@pytest.mark.contract("6 good ones stay listenable", "6 not done again", "7 in_process once")
async def test_a_reprocess_judges_only_what_was_refused_and_keeps_files_and_reports(intake_db: Database) -> None:
    await an_ended_call(intake_db)

    await intake_db.write(reprocess_call, ACCOUNT, 1, NOON)

    call = await stored(intake_db)
    assert (call.row.status, call.row.error_code, call.row.uploads) == ("new", None, 1)
    assert [recording.row.status for recording in call.recordings] == ["accepted", "fetched"]
    assert call.recordings[1].row.audio_report == {"rules_version": RULES}
    fetch = await claim(intake_db, FETCH)
    await intake_db.write(begin_work, fetch, NOON)
    await intake_db.write(finish_fetch, fetch, NOON)
    process = await claim(intake_db, PROCESS)
    good = Verdict(fault=None, report={"rules_version": RULES}, audio_key="1/1/2/9.mp3", audio_size_bytes=1)
    await intake_db.write(save_verdict, process, [2], good, NOON)
    await intake_db.write(finish_call, process, NOON)
    assert (await stored(intake_db)).row.status == "processed"
    assert (await stored(intake_db)).row.event_seq == 4


@pytest.mark.contract("6 not done again")
async def test_other_rules_judge_accepted_recordings_too(intake_db: Database) -> None:
    await an_ended_call(intake_db, second_fault=None)

    await intake_db.write(update_account, ACCOUNT, AccountChange(audio=AudioSettings(takes_mp3_without_id3=True)))
    await intake_db.write(reprocess_call, ACCOUNT, 1, NOON)

    assert [recording.row.status for recording in (await stored(intake_db)).recordings] == ["fetched", "fetched"]


async def test_a_reprocess_of_what_waits_changes_nothing(intake_db: Database) -> None:
    await an_ended_call(intake_db)
    await intake_db.write(reprocess_call, ACCOUNT, 1, NOON)
    await intake_db.write(reprocess_call, ACCOUNT, 1, NOON)

    assert (await stored(intake_db)).row.event_seq == 2


@pytest.mark.parametrize("change", ["cancel", "reprocess"])
async def test_another_accounts_call_is_not_there(intake_db: Database, change: str) -> None:
    await an_uploaded_call(intake_db)

    stranger = AccountId(2)
    changes = {
        "cancel": lambda: intake_db.write(cancel_call, stranger, 1, NOON),
        "reprocess": lambda: intake_db.write(reprocess_call, stranger, 1, NOON),
    }

    with pytest.raises(Refusal) as caught:
        await changes[change]()

    assert caught.value.grpc_code == "NOT_FOUND"


async def test_live_calls_go_before_the_backfill_of_their_account(intake_db: Database) -> None:
    await intake_db.write(create_account, a_new_account(), b"t" * 32, None, NOON)
    for ext_id, priority in (("old", Priority.BACKFILL), ("today", Priority.LIVE)):
        call = a_checked_call(ext_id=ext_id, wav_records=[a_wav_record()])
        await intake_db.write(save_upload, ACCOUNT, [call], "", NOON, priority)

    assert (await claim(intake_db, FETCH)).key == 2
