"""What an older schema holds is there, and works, after the migrations that came since."""

from datetime import timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from services.intake.audio_settings import AudioSettings
from services.intake.points import Limits
from services.intake.server import MIGRATIONS
from services.intake.store.accounts import get_account, identify
from services.intake.store.call_work import begin_work
from services.intake.store.filtering import FUNCTIONS
from services.intake.store.tables import CALL_WORK, FETCH
from services.shared.db.engine import SqliteDatabase
from services.shared.db.migrate import migrate
from services.shared.identity import AccountId
from tests.support.makers import NOON

FIRST = [
    "INSERT INTO accounts VALUES (1, 'Acme', 'Europe/Moscow', 'RU', 1, 1, '[\"0.0.0.0/0\", \"::/0\"]', NULL, 0)",
    "INSERT INTO tokens (token_id, token_sha256, name, account_id, role, is_blocked, create_time) VALUES (1, x'00', '', 1, 'admin', 0, 0)",
    "INSERT INTO calls (call_session_id, account_id, ext_id, direction, calling_phone_number, called_phone_number, start_time, finish_time, is_lost, is_transfer,"
    " comment, callback_events, status, error_message, uploads, event_seq, fingerprint, ext_request_id, upload_time, status_time)"
    " VALUES (1, 1, 'old', 'in', '', '+74955140576', 0, 0, 0, 0, '', '', 'new', '', 1, 0, x'00', '', 77, 77)",
    "INSERT INTO recordings (recording_id, call_session_id, account_id, position, format, url, status, error_message, source_sha256)"
    " VALUES (1, 1, 1, 0, 'mp3', 'https://x/1.mp3', 'waiting', '', '')",
    "INSERT INTO call_work VALUES (1, 1, 0, 0, 0, 0, 0, 0)",
]


async def test_a_database_of_the_first_schema_is_brought_along(tmp_path: Path) -> None:
    db = SqliteDatabase(tmp_path / "intake.db", FUNCTIONS)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with db.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in FIRST:
            connection.execute(text(statement))

    migrate(db.engine, MIGRATIONS)
    db.start()
    try:
        account = await db.read(get_account, AccountId(1))
        identity = await db.read(identify, b"\0", None, NOON)
        (claim,) = await db.write(
            CALL_WORK.claim, stage=FETCH, most=1, after_account=0, now=NOON, lease_end=NOON + timedelta(seconds=30)
        )
        work = await db.write(begin_work, claim, NOON)
    finally:
        db.close()

    assert (account.has_call_upload, account.limits, account.audio) == (True, Limits(), AudioSettings())
    assert (identity.components, identity.has_limits) == (frozenset({"call_upload", "voice_analysis"}), False)
    assert work is not None
    assert (work.recordings[0].fetch_failures, work.new_time.microsecond) == (0, 77)
