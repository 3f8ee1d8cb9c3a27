"""docs/contract.md 6, 7: a call's way through its work, and the fence against workers that come too late."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from services.intake.recording import Fault, Source, Verdict
from services.intake.store.accounts import create_account
from services.intake.store.call_work import (
    CallWork,
    begin_work,
    finish_call,
    finish_fetch,
    free_calls,
    save_source,
    save_verdict,
    sweep_calls,
)
from services.intake.store.garbage import discard_let_go
from services.intake.store.reading import StoredCall, lookup_call
from services.intake.store.tables import CALL_WORK, FETCH, PROCESS
from services.intake.store.uploads import save_upload
from services.shared.db.database import Database
from services.shared.db.work_queue import WorkQueue
from services.shared.db.work_table import Claim
from services.shared.identity import AccountId
from tests.support.makers import NOON, HandClock, a_callback, a_checked_call, a_new_account, a_wav_record

ACCOUNT = AccountId(1)
LEASE = timedelta(seconds=30)


async def an_uploaded_call(db: Database, recordings: int = 1) -> None:
    await db.write(create_account, a_new_account(), b"t" * 32, None, NOON)
    await upload(db, recordings)


async def upload(db: Database, recordings: int = 1) -> str:
    records = [a_wav_record(record_url=f"https://x/{number}.wav") for number in range(recordings)]
    (answer,) = await db.write(
        save_upload, ACCOUNT, [a_checked_call(wav_records=records, callback=a_callback())], "", NOON
    )
    return answer.outcome


async def claim(db: Database, stage: int = FETCH, later_s: float = 0) -> Claim:
    now = NOON + timedelta(seconds=later_s)
    (claimed,) = await db.write(CALL_WORK.claim, stage=stage, most=1, after_account=0, now=now, lease_end=now + LEASE)
    return claimed


async def begin(db: Database, claimed: Claim) -> CallWork:
    work = await db.write(begin_work, claimed, NOON)
    assert work is not None
    return work


async def stored(db: Database) -> StoredCall:
    return await db.read(lookup_call, ACCOUNT, "call-1")


async def rows(db: Database, sql: str) -> list[tuple[object, ...]]:
    def read(connection: Connection) -> list[tuple[object, ...]]:
        return [tuple(row) for row in connection.execute(text(sql))]

    return await db.read(read)


def source(token: int) -> Source:
    return Source(key=f"1/1/1/{token}.wav", size_bytes=10, sha256="a" * 64, sha512="b" * 128)


def accepted(token: int) -> Verdict:
    return Verdict(fault=None, report={"rules_version": 1}, audio_key=f"1/1/1/{token}.mp3", audio_size_bytes=5)


REFUSED = Verdict(fault=Fault(code="decode_error", message="broken"), report=None)


@pytest.mark.contract("7 in_process", "7 processed")
async def test_a_good_call_comes_to_processed_and_tells_in_process_and_processed(intake_db: Database) -> None:
    await an_uploaded_call(intake_db)
    fetch = await claim(intake_db)
    work = await begin(intake_db, fetch)
    assert await intake_db.write(save_source, fetch, [work.recordings[0].recording_id], source(fetch.token), NOON)
    assert await intake_db.write(finish_fetch, fetch, NOON)
    process = await claim(intake_db, PROCESS)
    await begin(intake_db, process)
    assert await intake_db.write(save_verdict, process, [1], accepted(process.token), NOON)
    assert await intake_db.write(finish_call, process, NOON)

    call = await stored(intake_db)
    assert call.row.status == "processed"
    assert call.recordings[0].row.status == "accepted"
    assert await rows(intake_db, "SELECT event, seq, previous_seq FROM outbox ORDER BY seq") == [
        ("in_process", 1, 0),
        ("processed", 2, 1),
    ]
    assert await rows(intake_db, "SELECT * FROM call_work") == []
    assert await rows(intake_db, "SELECT * FROM object_garbage") == []


@pytest.mark.contract("6 all verdicts", "6 first that failed", "6 which one", "7 error", "7 one fails")
async def test_the_error_is_that_of_the_first_refused_recording_in_upload_order(intake_db: Database) -> None:
    await an_uploaded_call(intake_db, recordings=3)
    fetch = await claim(intake_db)
    await begin(intake_db, fetch)
    third = Verdict(fault=Fault(code="timeout_download_error", message="slow"), report=None)
    await intake_db.write(save_verdict, fetch, [3], third, NOON)
    await intake_db.write(save_verdict, fetch, [2], REFUSED, NOON)
    await intake_db.write(save_source, fetch, [1], source(fetch.token), NOON)
    await intake_db.write(finish_fetch, fetch, NOON)
    process = await claim(intake_db, PROCESS)
    await intake_db.write(save_verdict, process, [1], accepted(process.token), NOON)
    await intake_db.write(finish_call, process, NOON)

    call = await stored(intake_db)
    assert (call.row.status, call.row.error_code, call.row.error_message) == (
        "error",
        "decode_error",
        "recording 2: broken",
    )
    assert [recording.row.status for recording in call.recordings] == ["accepted", "refused", "refused"]


async def test_a_call_whose_recordings_cannot_be_had_ends_without_processing(intake_db: Database) -> None:
    await an_uploaded_call(intake_db)
    fetch = await claim(intake_db)
    await begin(intake_db, fetch)
    await intake_db.write(save_verdict, fetch, [1], REFUSED, NOON)

    assert await intake_db.write(finish_fetch, fetch, NOON)
    assert (await stored(intake_db)).row.status == "error"


@pytest.mark.contract("7 in_process once")
async def test_in_process_is_told_once_over_many_claims(intake_db: Database) -> None:
    await an_uploaded_call(intake_db)
    await begin(intake_db, await claim(intake_db))
    await intake_db.write(sweep_calls, NOON + LEASE)
    await begin(intake_db, await claim(intake_db, later_s=31))

    assert await rows(intake_db, "SELECT event FROM outbox") == [("in_process",)]


async def test_a_late_finisher_cannot_commit_an_old_verdict_after_a_new_upload(intake_db: Database) -> None:
    """The interleaving that committed an old verdict when tokens started anew with each work row."""
    await an_uploaded_call(intake_db)
    late = await claim(intake_db)
    await begin(intake_db, late)
    # The late worker's lease runs out; another one ends the call in error.
    await intake_db.write(sweep_calls, NOON + LEASE)
    other = await claim(intake_db, later_s=31)
    await begin(intake_db, other)
    await intake_db.write(save_verdict, other, [1], REFUSED, NOON)
    await intake_db.write(finish_fetch, other, NOON)
    # The client uploads it again: a new work row of the same call, with new recordings.
    assert await upload(intake_db) == "uploaded_again"
    current = await claim(intake_db, later_s=32)

    # Now the late worker comes back, step by step.
    assert not await intake_db.write(save_source, late, [1], source(late.token), NOON)
    assert not await intake_db.write(save_verdict, late, [1], accepted(late.token), NOON)
    assert not await intake_db.write(finish_fetch, late, NOON)
    assert not await intake_db.write(finish_call, late, NOON)
    assert await intake_db.write(begin_work, late, NOON) is None

    call = await stored(intake_db)
    assert call.row.status == "new"
    assert call.recordings[0].row.status == "waiting"
    assert await begin(intake_db, current)
    # What the late worker wrote is to be deleted.
    keys = {row[0] for row in await rows(intake_db, "SELECT key FROM object_garbage")}
    assert {f"1/1/1/{late.token}.wav", f"1/1/1/{late.token}.mp3"} <= keys


async def test_what_a_dead_worker_may_have_written_is_noted_when_its_lease_is_freed(intake_db: Database) -> None:
    await an_uploaded_call(intake_db)
    fetch = await claim(intake_db)
    await intake_db.write(save_source, fetch, [1], source(fetch.token), NOON)
    await intake_db.write(finish_fetch, fetch, NOON)
    process = await claim(intake_db, PROCESS)

    assert await intake_db.write(free_calls, NOON) == 1

    keys = [row[0] for row in await rows(intake_db, "SELECT key FROM object_garbage")]
    assert keys == [f"1/1/1/{process.token}.mp3"]


async def test_what_a_worker_may_have_written_is_noted_when_it_gives_its_piece_back(intake_db: Database) -> None:
    await an_uploaded_call(intake_db)
    queue = WorkQueue(intake_db, CALL_WORK, stage=FETCH, clock=HandClock(), let_go=discard_let_go)
    (claimed,) = await queue.claim(1, NOON + LEASE)

    await queue.delay(claimed, NOON)

    assert await rows(intake_db, "SELECT key FROM object_garbage") == [(f"1/1/1/{claimed.token}.wav",)]


async def test_a_committed_source_is_not_noted_when_the_lease_is_freed(intake_db: Database) -> None:
    await an_uploaded_call(intake_db)
    fetch = await claim(intake_db)
    await intake_db.write(save_source, fetch, [1], source(fetch.token), NOON)

    await intake_db.write(sweep_calls, NOON + LEASE)

    assert await rows(intake_db, "SELECT key FROM object_garbage") == []


@pytest.mark.contract("6 internal_error")
async def test_five_leases_that_run_out_end_the_call_as_internal_error(intake_db: Database) -> None:
    await an_uploaded_call(intake_db)
    for attempt in range(5):
        await begin(intake_db, await claim(intake_db, later_s=attempt * 31))
        given_up = (await intake_db.write(sweep_calls, NOON + timedelta(seconds=attempt * 31) + LEASE)).given_up
        assert given_up == ([1] if attempt == 4 else [])

    call = await stored(intake_db)
    assert (call.row.status, call.row.error_code) == ("error", "internal_error")
    assert await rows(intake_db, "SELECT event FROM outbox ORDER BY seq") == [("in_process",), ("error",)]
    assert await rows(intake_db, "SELECT * FROM call_work") == []


@pytest.mark.contract("7 in order")
async def test_the_seq_of_notifications_goes_on_over_uploads(intake_db: Database) -> None:
    await an_uploaded_call(intake_db)
    for _ in range(2):
        fetch = await claim(intake_db)
        work = await begin(intake_db, fetch)
        await intake_db.write(save_verdict, fetch, [work.recordings[0].recording_id], REFUSED, NOON)
        await intake_db.write(finish_fetch, fetch, NOON)
        await upload(intake_db)

    assert await rows(intake_db, "SELECT seq, previous_seq FROM outbox ORDER BY seq") == [
        (1, 0),
        (2, 1),
        (3, 2),
        (4, 3),
    ]
