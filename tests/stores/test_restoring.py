"""Objects that a restored database does not know."""

from services.intake.draft import RecordingFormat
from services.intake.store.handed_over import register_file
from services.intake.store.restoring import orphans
from services.shared.db.database import Database
from tests.support.makers import NOON, a_checked_call, a_wav_record
from tests.support.uploading import an_account, run, upload


async def test_objects_of_recordings_and_of_waiting_files_are_known_and_others_are_orphans(intake_db: Database) -> None:
    account = await an_account(intake_db)
    await upload(intake_db, account, a_checked_call(wav_records=[a_wav_record()]))
    await run(intake_db, "UPDATE recordings SET source_key = '1/1/1/7.wav', audio_key = '1/1/1/8.mp3'")
    file = await intake_db.write(
        register_file, account.account_id, "f1", RecordingFormat.WAV, 10, "0" * 64, "1" * 128, NOON
    )
    known = ["1/1/1/7.wav", "1/1/1/8.mp3", file.key]
    strays = ["1/1/1/9.mp3", "1/2/2/3.wav", f"{account.account_id}/uploads/f2.wav"]
    foreign = ["notes.txt", "1/1/1/9.mp3.bak", "x/1/1/9.mp3", "1/uploads/a/b.wav", f"1/1/{'9' * 30}/1.mp3"]

    assert sorted(await intake_db.read(orphans, [*known, *strays, *foreign])) == sorted(strays)
    assert await intake_db.read(orphans, []) == []
