"""What intake's metrics ask of the database: queues and what is stored."""

from datetime import timedelta

from sqlalchemy import Connection, insert

from services.intake.metrics import IntakeMetrics
from services.intake.standing import Standing
from services.intake.store.standing import stored_bytes
from services.intake.store.tables import CALL_WORK, FETCH, PROCESS, RecordingRow
from services.shared.clock import SystemClock
from services.shared.db.database import Database
from services.shared.db.tables import table_of
from tests.support.makers import NOON

MINUTE = timedelta(minutes=1)


def a_recording(call: int, position: int, account: int, source: str, audio: str | None, size: int) -> dict[str, object]:
    return {
        "call_session_id": call, "account_id": account, "position": position, "format": "wav", "url": "https://x/1.wav",
        "status": "accepted", "error_message": "", "fetch_failures": 0, "source_key": source, "source_size_bytes": size,
        "source_sha256": "", "source_sha512": "", "audio_key": audio, "audio_size_bytes": None if audio is None else size // 10,
    }  # fmt: skip


def store(connection: Connection, rows: list[dict[str, object]]) -> None:
    connection.execute(insert(table_of(RecordingRow)), rows)


async def test_an_object_is_counted_once_for_its_account(intake_db: Database) -> None:
    shared = [a_recording(1, place, 1, "1/1.wav", "1/1.mp3", 1000) for place in range(2)]
    mp3 = {**a_recording(2, 0, 2, "2/2.mp3", "2/2.mp3", 70), "audio_size_bytes": 70}
    gone = {**a_recording(3, 0, 2, "", None, 5), "source_key": None}
    await intake_db.write(store, [*shared, mp3, gone])

    last, sizes = await intake_db.read(stored_bytes, 0, 100)
    assert sizes == {1: 1100, 2: 70}
    assert await intake_db.read(stored_bytes, last or 0, 100) == (None, {})
    first, of_one = await intake_db.read(stored_bytes, 0, 1)
    assert (first is not None and first < (last or 0), of_one) == (True, {1: 1100})


async def test_the_age_of_a_queue_is_that_of_its_oldest_ready_piece(intake_db: Database) -> None:
    await intake_db.write(CALL_WORK.add, [(2, 1)], NOON, stage=FETCH)
    await intake_db.write(CALL_WORK.add, [(1, 1), (3, 2)], NOON + MINUTE, stage=FETCH)

    assert await intake_db.read(CALL_WORK.waiting, FETCH) == (3, NOON)
    assert await intake_db.read(CALL_WORK.waiting, PROCESS) == (0, None)

    (claimed, *_) = await intake_db.write(
        CALL_WORK.claim, stage=FETCH, most=3, after_account=0, now=NOON, lease_end=NOON + MINUTE
    )
    await intake_db.write(CALL_WORK.release, claimed.key, claimed.token, NOON + 2 * MINUTE)
    assert await intake_db.read(CALL_WORK.waiting, FETCH) == (1, NOON + 2 * MINUTE)


async def test_storage_is_told_when_all_of_it_was_looked_at(intake_db: Database) -> None:
    await intake_db.write(store, [a_recording(1, 0, 7, "7/1.wav", "7/1.mp3", 500)])
    metrics = IntakeMetrics()
    standing = Standing(intake_db, metrics, SystemClock())

    assert await standing.look_at_storage()
    assert metrics.registry.get_sample_value("calldock_intake_stored_bytes", {"account": "7"}) is None
    assert not await standing.look_at_storage()
    assert metrics.registry.get_sample_value("calldock_intake_stored_bytes", {"account": "7"}) == 550
