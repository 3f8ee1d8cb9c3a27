"""What an older schema holds is there, and works, after the migrations that came since."""

from datetime import timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import event, text

from services.intake.audio_settings import AudioSettings
from services.intake.points import Limits
from services.intake.server import MIGRATIONS
from services.intake.store.accounts import get_account, identify
from services.intake.store.call_work import begin_work
from services.intake.store.filtering import FUNCTIONS
from services.intake.store.reading import get_call
from services.intake.store.tables import CALL_WORK, FETCH
from services.notify.server import MIGRATIONS as NOTIFY_MIGRATIONS
from services.notify.store.queue import sweep_notifications
from services.notify.store.reading import list_notifications
from services.notify.store.secrets import live_secrets
from services.shared.db.engine import SqliteDatabase
from services.shared.db.migrate import migrate
from services.shared.identity import AccountId
from tests.support.makers import NOON
from tests.support.notifying import ALL, claim

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


FIRST_OF_NOTIFY = [
    "INSERT INTO secrets VALUES (1, 'sealed', 5)",
    "INSERT INTO notifications VALUES ('a', 1, 1, 'x', 1, 0, 'https://X:443/a', 'in_process', 10, '{}', 'delivered', 2, NULL)",
    "INSERT INTO notifications VALUES ('b', 1, 1, 'x', 2, 1, 'http://x/b', 'processed', 20, '{}', 'waiting', 1, 99)",
    "INSERT INTO notifications VALUES ('c', 1, 2, 'y', 1, 0, 'https://x/c', 'error', 30, '{}', 'buried', 1, NULL)",
    "INSERT INTO attempts VALUES ('a', 1, 11, 3, 'http_status', 500, 'the receiver answered 500')",
    "INSERT INTO attempts VALUES ('a', 2, 12, 3, 'delivered', 204, '')",
    "INSERT INTO attempts VALUES ('c', 1, 31, 3, 'timeout', NULL, 'no answer within 15 s')",
    "INSERT INTO call_order VALUES (1, 1), (2, 1)",
    "INSERT INTO notify_work VALUES (1, 1, 0, 0, 2, 99, 7, 0)",
]


def of_first_schema(db: SqliteDatabase, migrations: Path, statements: list[str]) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations))
    with db.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in statements:
            connection.execute(text(statement))


async def test_what_an_older_notify_holds_is_brought_along(tmp_path: Path) -> None:
    db = SqliteDatabase(tmp_path / "notify.db")
    of_first_schema(db, NOTIFY_MIGRATIONS, FIRST_OF_NOTIFY)

    migrate(db.engine, NOTIFY_MIGRATIONS)
    db.start()
    try:
        a, b, c = reversed(await db.read(list_notifications, 1, 10, None, ALL))
        (secret,) = await db.read(live_secrets, 1, NOON)
        await db.write(sweep_notifications, NOON)
        (due,) = await claim(db, most=10)
    finally:
        db.close()

    assert [(each.row.status, each.receiver_host, len(each.attempts)) for each in (a, b, c)] == [
        ("delivered", "x", 2), ("waiting", "x:80", 0), ("buried", "x", 1),
    ]  # fmt: skip
    assert [each.row.end_time and each.row.end_time.microsecond for each in (a, b, c)] == [12, None, 31]
    assert c.row.bury_reason == "no answer within 15 s"
    assert (secret.sealed, secret.scheme, secret.expire_time) == ("sealed", "hmac_sha256", None)
    assert (due.due.notification_id, due.due.failures, due.key) == ("b", 1, 2)


async def test_however_many_links_there_are_each_finds_its_receiver_in_one_pass(tmp_path: Path) -> None:
    def is_brought_along(links: int) -> tuple[int, int]:
        db = SqliteDatabase(tmp_path / f"{links}.db")
        rows = [
            f"('{number:05}', {number % 3}, {number}, 'x', 1, 0, 'https://h{number % 7}/{number}', 'processed', 1, '{{}}', 'delivered', 1, NULL)"
            for number in range(links)
        ]
        of_first_schema(db, NOTIFY_MIGRATIONS, [f"INSERT INTO notifications VALUES {','.join(rows)}"])
        statements = 0

        def count(*_: object) -> None:
            nonlocal statements
            statements += 1

        event.listen(db.engine, "before_cursor_execute", count)
        migrate(db.engine, NOTIFY_MIGRATIONS)
        with db.engine.connect() as connection:
            right = connection.execute(
                text(
                    "SELECT count(*) FROM notifications n JOIN receivers r USING (receiver_id) WHERE r.account_id = n.account_id AND n.url LIKE 'https://' || r.host || '/%'"
                )
            ).scalar_one()
        db.close()
        return right, statements

    (few, statements_of_few), (many, statements_of_many) = is_brought_along(30), is_brought_along(3000)

    assert (few, many) == (30, 3000)
    assert statements_of_few == statements_of_many


async def test_a_database_of_the_first_schema_is_brought_along(tmp_path: Path) -> None:
    db = SqliteDatabase(tmp_path / "intake.db", FUNCTIONS)
    of_first_schema(db, MIGRATIONS, FIRST)

    migrate(db.engine, MIGRATIONS)
    db.start()
    try:
        account = await db.read(get_account, AccountId(1))
        identity = await db.read(identify, b"\0", None, NOON)
        (claim,) = await db.write(
            CALL_WORK.claim, stage=FETCH, most=1, after_account=0, now=NOON, lease_end=NOON + timedelta(seconds=30)
        )
        work = await db.write(begin_work, claim, NOON)
        (recording,) = (await db.read(get_call, AccountId(1), 1)).recordings
    finally:
        db.close()

    assert (account.has_call_upload, account.limits, account.audio) == (True, Limits(), AudioSettings())
    assert (identity.components, identity.has_limits) == (frozenset({"call_upload", "voice_analysis"}), False)
    assert work is not None
    assert (work.recordings[0].fetch_failures, work.new_time.microsecond) == (0, 77)
    assert recording.row.source_sha512 == ""
