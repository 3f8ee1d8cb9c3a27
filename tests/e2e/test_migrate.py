"""`calldock migrate`, and processes that run on while the schema of a later release comes to stand under them."""

import base64
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.intake.server import MIGRATIONS
from services.notify.server import MIGRATIONS as NOTIFY_MIGRATIONS
from services.shared.db.postgres import PostgresDatabase
from tests.support.makers import a_json_call
from tests.support.postgres import Cluster, cluster
from tests.support.running import CALLDOCK, a_calldock, until

LATER = '''"""what a later release adds: to each table a column that may be absent, one with a default, and an index."""
import sqlalchemy as sa
from alembic import op
revision = "9999"
down_revision = "{head}"
branch_labels = depends_on = None
def upgrade():
    inspector = sa.inspect(op.get_bind())
    for table in inspector.get_table_names(schema="{schema}"):
        if table == "alembic_version":
            continue
        op.add_column(table, sa.Column("later", sa.String(), nullable=True))
        op.add_column(table, sa.Column("later_number", sa.Integer(), nullable=False, server_default="5"))
        op.create_index(f"later_{{table}}", table, ["later_number"])
    op.create_table("later_table", sa.Column("number", sa.Integer(), primary_key=True))
'''


@pytest.fixture(scope="module")
def database() -> Iterator[Cluster]:
    with cluster("fsync=off", "max_connections=80") as running:
        yield running


def run(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, **{f"CALLDOCK_{name}": value for name, value in settings.items()}}
    return subprocess.run(
        [CALLDOCK, *arguments], capture_output=True, text=True, timeout=180, check=False, env=environment
    )


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_is_pending_is_shown_then_applied_and_is_not_pending_any_more(
    tmp_path: Path, database: Cluster, kind: str
) -> None:
    folder = ("--data-dir", str(tmp_path))
    settings = {"DATABASE_URL": database.create("migrating")} if kind == "postgresql" else {}
    if kind == "sqlite":
        for name in ("intake", "notify"):
            (tmp_path / f"{name}.db").touch()

    shown = run("migrate", "--check", *folder, **settings)
    applied = run("migrate", *folder, "--json", **settings)
    after = run("migrate", "--check", *folder, **settings)

    assert (shown.returncode, applied.returncode, after.returncode) == (1, 0, 0), applied.stderr
    assert shown.stdout.splitlines()[0] == "intake 0001 the first schema."
    assert [len(each) for each in json.loads(applied.stdout)["migrations"].values()] == [
        len(list((folder / "versions").glob("v*.py"))) for folder in (MIGRATIONS, NOTIFY_MIGRATIONS)
    ]
    assert after.stdout == "intake is up to date\nnotify is up to date\n"


def test_several_at_once_do_not_race(database: Cluster) -> None:
    url = database.create("racing")
    environment = {**os.environ, "CALLDOCK_DATABASE_URL": url}
    running = [
        subprocess.Popen([CALLDOCK, "migrate"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]  # fmt: skip
    told = [each.communicate(timeout=60) for each in running]

    assert [each.returncode for each in running] == [0] * 4, told


def test_files_that_a_calldock_owns_are_left_alone(tmp_path: Path) -> None:
    with a_calldock(tmp_path, DATABASE_URL="") as calldock:
        done = run("migrate", "--data-dir", str(calldock.data_dir), DATABASE_URL="")

    assert done.returncode == 1
    assert "in use by another process" in done.stderr


async def test_old_processes_go_on_and_start_again_on_the_schema_of_a_later_release(
    tmp_path: Path, database: Cluster
) -> None:
    """The code of today is the old code; the later release's schema comes under it while calls are uploaded."""
    url = database.create("expanding")
    settings = {"DATABASE_URL": url, "SECRET_KEY": base64.b64encode(os.urandom(32)).decode()}
    with a_calldock(tmp_path, **settings) as calldock:
        account = calldock.account()
        stop = threading.Event()
        answers: list[int] = []

        def upload() -> None:
            while not stop.is_set():
                answers.append(calldock.upload(account, a_json_call(ext_id=f"c{len(answers)}")).status)

        uploading = threading.Thread(target=upload)
        uploading.start()
        until(lambda: len(answers) > 20)
        for service, folder in (("intake", MIGRATIONS), ("notify", NOTIFY_MIGRATIONS)):
            later = tmp_path / service
            shutil.copytree(folder, later)
            head = max(path.name[1:5] for path in (folder / "versions").glob("v*.py"))
            (later / "versions" / "v9999_later.py").write_text(LATER.format(head=head, schema=service))
            db = PostgresDatabase(url, service)
            await db.migrate(later)
            await db.stop()
        seen = len(answers)
        until(lambda: len(answers) > seen + 20)
        stop.set()
        uploading.join()
        assert set(answers) == {200}

        for service in ("intake", "notify"):
            pid = calldock.service_pid(service)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid, service=service: calldock.service_pid(service) not in (None, pid))  # type: ignore[misc]
        until(lambda: calldock.upload(account, a_json_call(ext_id="on the later schema")).status == 200, 60)
        assert "schema.ahead" in calldock.log.read_text()
    assert run("migrate", "--check", DATABASE_URL=url).returncode == 0


def test_a_start_that_may_not_migrate_says_what_to_run(tmp_path: Path, database: Cluster) -> None:
    url = database.create("forbidden")
    settings = {
        "DATABASE_URL": url, "MIGRATE_AT_START": "false", "SECRET_KEY": base64.b64encode(bytes(32)).decode(),
        "MEDIA_ADDRESS": f"unix:{tmp_path}/m", "NOTIFY_ADDRESS": f"unix:{tmp_path}/n",
        "PUBLIC_LISTEN": f"unix:{tmp_path}/p", "INTERNAL_LISTEN": f"unix:{tmp_path}/i", "DATA_DIR": str(tmp_path),
    }  # fmt: skip
    environment = {**os.environ, **{f"CALLDOCK_{name}": value for name, value in settings.items()}}
    done = subprocess.run(
        [Path(CALLDOCK).with_name("python"), "-m", "services.intake"], env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "run `calldock migrate`" in done.stderr
