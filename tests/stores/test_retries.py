"""docs/contract.md 6, design: downloads that failed in a way that may pass are tried again, and files that nothing needs are let go."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest

from services.intake.discarding import Discarding, repeat_until_cancelled
from services.intake.messages import call_message
from services.intake.recording import Fault, Retries, Source, Verdict, due, final
from services.intake.store.call_work import finish_call, finish_fetch, save_failure, save_source, save_verdict
from services.intake.store.changes import reprocess_call
from services.intake.store.garbage import discard_keys, due_keys, forget_keys
from services.intake.store.retention import kept_audio, let_audio_go
from services.intake.store.tables import CALL_WORK, FETCH, PROCESS
from services.shared.db.database import Database
from services.shared.rpc.dial import PeerFailed
from tests.stores.test_call_work import ACCOUNT, an_uploaded_call, begin, claim, rows, source, stored
from tests.support.makers import AT_ONCE, NOON, HandClock

PASSING = Fault(code="http_status_download_error", message="the server answered 503", is_transient=True)
STANDING = Fault(code="http_status_download_error", message="the server answered 404")
RETRIES = Retries()
DAY = timedelta(days=1)
KEPT_A_DAY = replace(AT_ONCE, sources=DAY)


@pytest.mark.parametrize(("failures", "pause_s"), [(0, 2), (1, 10), (2, 30)])
def test_a_passing_fault_is_tried_again_after_a_growing_pause(failures: int, pause_s: int) -> None:
    assert RETRIES.next_time(PASSING, failures, NOON, NOON) == NOON + timedelta(seconds=pause_s)


def test_a_fault_stands_after_four_tries_outside_the_window_or_when_it_cannot_pass() -> None:
    late = NOON + timedelta(minutes=10)

    assert RETRIES.next_time(PASSING, 3, NOON, NOON) is None
    assert RETRIES.next_time(PASSING, 0, NOON, late) is None
    assert RETRIES.next_time(STANDING, 0, NOON, NOON) is None
    assert final(PASSING, 3).message == "the server answered 503 (4 tries)"
    assert final(PASSING, 0) == PASSING


async def test_a_call_waits_in_process_for_the_next_try_while_its_other_files_are_kept(
    intake_db: Database,
) -> None:
    await an_uploaded_call(intake_db, recordings=2)
    first = await claim(intake_db)
    await begin(intake_db, first)
    again = NOON + timedelta(seconds=2)
    assert await intake_db.write(save_failure, first, [1], again)
    assert await intake_db.write(save_source, first, [2], source(first.token), NOON)

    assert await intake_db.write(finish_fetch, first, NOON)

    assert (await stored(intake_db)).row.status == "in_process"
    assert await intake_db.write(CALL_WORK.claim, stage=FETCH, most=1, after_account=0, now=NOON, lease_end=again) == []
    await intake_db.write(CALL_WORK.sweep, again)
    second = await claim(intake_db, later_s=2)
    work = await begin(intake_db, second)
    assert [each.fetch_failures for each in work.recordings] == [1, 0]
    assert [each.recording_id for each in due(work.recordings, NOON)] == [2]
    assert [each.recording_id for each in due(work.recordings, again)] == [1, 2]


async def test_who_reads_the_call_sees_failed_downloads_and_the_next_try(intake_db: Database) -> None:
    await an_uploaded_call(intake_db, recordings=2)
    held = await claim(intake_db)
    await begin(intake_db, held)
    again = NOON + timedelta(seconds=2)

    await intake_db.write(save_failure, held, [1], again)

    first, second = (each.recording for each in call_message(await stored(intake_db)).wav_records)
    assert (first.failed_download_count, second.failed_download_count) == (1, 0)
    assert first.next_download_time.ToDatetime(UTC) == again
    assert not second.HasField("next_download_time")

    await intake_db.write(save_source, held, [1], source(held.token), NOON)

    came = call_message(await stored(intake_db)).wav_records[0].recording
    assert came.failed_download_count == 1
    assert not came.HasField("next_download_time")


async def test_a_late_worker_notes_no_failure(intake_db: Database) -> None:
    await an_uploaded_call(intake_db)
    late = await claim(intake_db)
    await intake_db.write(CALL_WORK.sweep, NOON + timedelta(seconds=31))
    await claim(intake_db, later_s=31)

    assert not await intake_db.write(save_failure, late, [1], NOON)
    assert await rows(intake_db, "SELECT fetch_failures FROM recordings") == [(0,)]


async def test_a_reprocess_counts_failures_anew_and_opens_the_window_anew(intake_db: Database) -> None:
    await an_uploaded_call(intake_db)
    held = await claim(intake_db)
    await begin(intake_db, held)
    await intake_db.write(save_failure, held, [1], NOON)
    await intake_db.write(save_verdict, held, [1], Verdict(fault=PASSING, report=None), NOON)
    await intake_db.write(finish_fetch, held, NOON)
    later = NOON + timedelta(hours=1)

    await intake_db.write(reprocess_call, ACCOUNT, 1, later)

    again = await claim(intake_db, later_s=3600)
    work = await begin(intake_db, again)
    assert (work.recordings[0].fetch_failures, work.recordings[0].next_fetch_time) == (0, None)
    assert work.new_time == later


async def an_ended_call(db: Database, audio_key: str = "1/1/1/9.mp3") -> Source:
    """A call that ended at noon, with its downloaded file still there."""
    await an_uploaded_call(db)
    fetch = await claim(db)
    await begin(db, fetch)
    kept = source(fetch.token)
    await db.write(save_source, fetch, [1], kept, NOON)
    await db.write(finish_fetch, fetch, NOON)
    process = await claim(db, PROCESS)
    key = kept.key if audio_key == "source" else audio_key
    verdict = Verdict(fault=None, report={"rules_version": 1}, audio_key=key, audio_size_bytes=5)
    await db.write(save_verdict, process, [1], verdict, NOON)
    await db.write(finish_call, process, NOON)
    return kept


async def test_a_downloaded_file_is_let_go_some_time_after_its_call_ended(intake_db: Database) -> None:
    kept = await an_ended_call(intake_db)
    early, due = NOON + DAY - timedelta(seconds=1), NOON + DAY
    assert [each.over for each in await intake_db.read(kept_audio, 0, 10, KEPT_A_DAY, early)] == [set()]
    assert [each.over for each in await intake_db.read(kept_audio, 0, 10, KEPT_A_DAY, due)] == [{kept.key}]
    assert await intake_db.write(let_audio_go, [1], KEPT_A_DAY, early) == 0

    assert await intake_db.write(let_audio_go, [1], KEPT_A_DAY, due) == 1

    assert await intake_db.read(due_keys, due, 10) == [kept.key]
    assert await rows(intake_db, "SELECT source_key, audio_key FROM recordings") == [(None, "1/1/1/9.mp3")]
    await intake_db.write(forget_keys, [kept.key])
    assert await intake_db.read(due_keys, due, 10) == []


async def test_a_file_that_is_listened_to_is_kept(intake_db: Database) -> None:
    await an_ended_call(intake_db, audio_key="source")

    assert await intake_db.write(let_audio_go, [1], AT_ONCE, NOON) == 0

    assert await intake_db.read(due_keys, NOON, 10) == []


async def test_a_call_that_was_begun_anew_keeps_its_file(intake_db: Database) -> None:
    kept = await an_ended_call(intake_db)
    await intake_db.write(reprocess_call, ACCOUNT, 1, NOON)

    assert await intake_db.write(let_audio_go, [1], AT_ONCE, NOON) == 0

    assert await rows(intake_db, "SELECT source_key FROM recordings") == [(kept.key,)]


async def test_garbage_is_not_due_before_its_time(intake_db: Database) -> None:
    await an_uploaded_call(intake_db)
    held = await claim(intake_db)
    await begin(intake_db, held)
    await intake_db.write(CALL_WORK.drop, [1])

    assert not await intake_db.write(save_source, held, [1], source(held.token), NOON)

    assert await intake_db.read(due_keys, NOON - timedelta(seconds=1), 10) == []
    assert await intake_db.read(due_keys, NOON, 10) == [source(held.token).key]


class BrokenMedia:
    """A media that fails at deleting, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.asked_twice = asyncio.Event()

    async def delete(self, _keys: Sequence[str]) -> None:
        self.asked += 1
        if self.asked == 2:
            self.asked_twice.set()
        raise PeerFailed("media answered INTERNAL")


async def test_a_media_that_fails_at_deleting_does_not_end_the_loop(intake_db: Database) -> None:
    await intake_db.write(discard_keys, ["1/1/1/1.wav"], NOON)
    media: Any = BrokenMedia()
    unused: Any = None
    work = Discarding(intake_db, media, unused, HandClock())
    loop = asyncio.create_task(
        repeat_until_cancelled(work.discard_objects, random.Random(1), asyncio.Event(), pause=timedelta(0))
    )

    async with asyncio.timeout(30):
        await media.asked_twice.wait()
    loop.cancel()

    assert await intake_db.read(due_keys, NOON, 10) == ["1/1/1/1.wav"]
