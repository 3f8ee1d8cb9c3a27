"""A backup under load, everything destroyed, restored: every call that the backup has is there and ends, its callbacks come, and new calls go on under new numbers."""

import base64
import http.client
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from services.cli.instance import lock_data_dir
from tests.support.audio import good_wav
from tests.support.hosts import Host, a_host
from tests.support.makers import a_json_call
from tests.support.postgres import Cluster, cluster
from tests.support.running import CALLDOCK, Account, Calldock, a_calldock, until


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with a_host(tmp_path) as host:
        host.serve("/good.wav", "audio/wav", good_wav())
        yield host


def settings_for(host: Host) -> dict[str, str]:
    return {
        "EGRESS_ALLOW": f"127.0.0.1:{host.port}",
        "EGRESS_CA_FILE": str(host.ca_file),
        "NOTIFY_RETRY_SCHEDULE_S": ",".join(["0.2"] * 50),
        "LEASE_S": "3",
    }


def a_call(host: Host, ext_id: str) -> dict[str, Any]:
    record = {"employee_name": "Anna", "employee_channel": "left", "record_url": f"{host.url}/good.wav?{ext_id}"}
    return a_json_call(
        ext_id=ext_id, wav_records=[record], callback={"url": host.hook, "events": ["in_process", "processed", "error"]}
    )


@contextmanager
def load(calldock: Calldock, account: Account, host: Host) -> Iterator[list[str]]:
    """Uploads calls one after another; the ext_ids of those that were acknowledged."""
    stop, taken = threading.Event(), list[str]()

    def upload() -> None:
        # As many as a machine takes at full speed would be hundreds to process when the backup is restored.
        while not stop.wait(0.02):
            with suppress(OSError, http.client.HTTPException):
                if calldock.upload(account, a_call(host, f"load-{len(taken)}")).status == 200:
                    taken.append(f"load-{len(taken)}")

    uploading = threading.Thread(target=upload)
    uploading.start()
    try:
        until(lambda: len(taken) >= 10 and len(host.deliveries) > 3)
        yield taken
    finally:
        stop.set()
        uploading.join()


def kill(calldock: Calldock) -> None:
    """Ends the whole instance at once, as a machine that is gone: `up`, which would start the others again, first."""
    programs = ("envoy", "services.intake", "services.media", "services.notify")
    children = [pid for pid in map(calldock.child_pid, programs) if pid is not None]
    calldock.process.send_signal(signal.SIGKILL)
    calldock.process.wait()
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
    calldock.channel.close()


def run(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, **{f"CALLDOCK_{name}": value for name, value in settings.items()}}
    return subprocess.run(
        [CALLDOCK, *arguments], capture_output=True, text=True, timeout=180, check=False, env=environment
    )


def goes_on(folder: Path, settings: dict[str, str], account: Account, host: Host, kept: list[str], lost: str) -> None:
    """What the backup has is there and ends, and the callbacks of all of it come; a call that came after it is taken as a new one."""
    # Numbers that the world before was given.
    before = {told["call_session_id"] for _, _, told in host.deliveries if "call_session_id" in told}
    host.heard.clear()
    host.deliveries.clear()
    with a_calldock(folder, **settings) as calldock:
        there = {call["ext_id"]: int(call["call_session_id"]) for call in calldock.all_of(account, "calls")}
        assert set(kept) <= set(there)

        def all_ended() -> bool:
            return {call["status"] for call in calldock.all_of(account, "calls")} == {"CALL_STATUS_PROCESSED"}

        until(all_ended, 60)
        assert calldock.upload(account, a_call(host, lost)).status == 200
        host.wait(lambda: [told["status"] for told in host.heard[lost]] == ["in_process", "processed"], limit_s=60)
        number = host.heard[lost][-1]["call_session_id"]
        assert number > max(before | set(there.values()))

        def all_delivered() -> bool:
            found = calldock.all_of(account, "notifications")
            return bool(found) and {each["status"] for each in found} == {"NOTIFICATION_STATUS_DELIVERED"}

        until(all_delivered, 60)
        notifications = calldock.all_of(account, "notifications")
        assert set(there) <= {each["ext_id"] for each in notifications if each["event"].endswith("PROCESSED")}
        for of_backup in there.values():
            recording = calldock.http("GET", f"/v1/calls/{of_backup}", token=account.token).json
            recording_id = recording["wav_records"][0]["recording"]["recording_id"]
            audio = calldock.http("GET", f"/v1/recordings/{recording_id}/audio", token=account.token)
            assert audio.status == 200
        assert host.forged == 0


@pytest.mark.timeout(180)
def test_an_installation_on_sqlite_goes_on_from_its_backup(tmp_path: Path, host: Host) -> None:
    settings = {**settings_for(host), "DATABASE_URL": ""}
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    backup = tmp_path / "backup"
    with suppress(AssertionError), a_calldock(tmp_path / "one", **settings) as calldock:
        account = calldock.account()
        host.secrets.append(account.secret)
        with load(calldock, account, host) as taken:
            kept = list(taken)
            done = run("backup", str(backup), "--data-dir", str(calldock.data_dir), DATABASE_URL="")
            assert done.returncode == 0, done.stderr
            seen = len(taken)
            until(lambda: len(taken) > seen + 3)
            lost = taken[-1]
            kill(calldock)
        shutil.rmtree(calldock.data_dir)

    assert (backup / "intake.db").stat().st_mode & 0o777 == 0o600
    done = run("restore", str(backup), "--data-dir", str(tmp_path / "two" / "data"), DATABASE_URL="")
    assert done.returncode == 0, done.stderr
    goes_on(tmp_path / "two", settings, account, host, kept, lost)


@pytest.mark.timeout(180)
def test_an_installation_on_postgresql_goes_on_from_its_dump(tmp_path: Path, host: Host) -> None:
    with cluster("max_connections=80") as database:
        store = tmp_path / "store"
        settings = {
            **settings_for(host),
            "DATABASE_URL": database.create("one"),
            "SECRET_KEY": base64.b64encode(os.urandom(32)).decode(),
            "STORAGE_URL": store.as_uri(),
        }
        (tmp_path / "one").mkdir()
        (tmp_path / "two").mkdir()
        with suppress(AssertionError), a_calldock(tmp_path / "one", **settings) as calldock:
            account = calldock.account()
            host.secrets.append(account.secret)
            with load(calldock, account, host) as taken:
                kept = list(taken)
                # The database first, then the objects that it names: docs/backup.md.
                dump = pg(database, "pg_dump", "-Fc", "-n", "intake", "-n", "notify", database.url("one"))
                shutil.copytree(store, tmp_path / "copied", ignore=shutil.ignore_patterns("*#*"))
                seen = len(taken)
                until(lambda: len(taken) > seen + 3)
                lost = taken[-1]
                kill(calldock)

        shutil.rmtree(store)
        shutil.copytree(tmp_path / "copied", store)
        settings["DATABASE_URL"] = database.create("two")
        pg(database, "pg_restore", "--no-owner", "-d", database.url("two"), given=dump)
        done = run("restore", DATABASE_URL=settings["DATABASE_URL"])
        assert done.returncode == 0, done.stderr
        goes_on(tmp_path / "two", settings, account, host, kept, lost)


def pg(database: Cluster, program: str, *arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run(
        [str(database.binaries / program), *arguments], input=given, stdout=subprocess.PIPE, check=True
    ).stdout


def in_content(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def apply(backup: Path) -> None:
        content = json.loads((backup / "backup.json").read_text())
        change(content)
        (backup / "backup.json").write_text(json.dumps(content))

    return apply


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        pytest.param(lambda backup: (backup / "backup.json").unlink(), "is no whole backup", id="cut off"),
        pytest.param(in_content(lambda content: content["sha256"].update({"intake.db": "0"})), "is damaged", id="damaged"),
    ],
)  # fmt: skip
def test_a_backup_that_is_not_whole_is_refused(tmp_path: Path, spoil: Callable[[Path], None], why: str) -> None:
    assert run("migrate", "--data-dir", str(tmp_path / "data"), DATABASE_URL="").returncode == 0
    backup = tmp_path / "backup"
    assert run("backup", str(backup), "--data-dir", str(tmp_path / "data"), DATABASE_URL="").returncode == 0
    spoil(backup)

    done = run("restore", str(backup), "--data-dir", str(tmp_path / "again"), DATABASE_URL="")

    assert done.returncode == 1
    assert why in done.stderr
    assert not (tmp_path / "again" / "intake.db").exists()
    assert not (tmp_path / "again" / "restoring").exists()


def test_what_is_restored_is_open_to_nobody_else_however_the_backup_was_carried(tmp_path: Path) -> None:
    data, backup, again = tmp_path / "data", tmp_path / "backup", tmp_path / "again"
    assert run("migrate", "--data-dir", str(data), DATABASE_URL="").returncode == 0
    (data / "secret.key").write_text("secret")
    (data / "recordings" / "1").mkdir(parents=True)
    (data / "recordings" / "1" / "heard.mp3").write_text("heard")
    assert run("backup", str(backup), "--data-dir", str(data), DATABASE_URL="").returncode == 0
    for path in (backup, *backup.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    # Another's folder, which is open: what is put into it is not.
    again.mkdir(mode=0o755)

    assert run("restore", str(backup), "--data-dir", str(again), DATABASE_URL="").returncode == 0

    put = {path.relative_to(again).as_posix(): path.stat().st_mode & 0o077 for path in again.rglob("*")}
    assert {"intake.db", "notify.db", "secret.key", "recordings", "recordings/1/heard.mp3"} <= put.keys()
    assert not any(put.values()), put


def test_a_folder_that_holds_calls_is_not_restored_over(tmp_path: Path) -> None:
    assert run("migrate", "--data-dir", str(tmp_path / "data"), DATABASE_URL="").returncode == 0
    assert run("backup", str(tmp_path / "b"), "--data-dir", str(tmp_path / "data"), DATABASE_URL="").returncode == 0

    done = run("restore", str(tmp_path / "b"), "--data-dir", str(tmp_path / "data"), DATABASE_URL="")

    assert done.returncode == 1
    assert "restore into an empty folder" in done.stderr


def test_a_store_that_lived_on_is_rid_of_what_no_call_of_the_backup_names(tmp_path: Path) -> None:
    data, store = tmp_path / "data", tmp_path / "store"
    assert run("migrate", "--data-dir", str(data), DATABASE_URL="").returncode == 0
    for name in ("1/5/6/7.mp3", "1/uploads/aa.wav", "notes.txt"):
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_text("x")
    clear = ("restore", "--delete-orphans", "--data-dir", str(data))
    settings = {"DATABASE_URL": "", "STORAGE_URL": store.as_uri()}

    lock = lock_data_dir(data)
    refused = run(*clear, **settings)
    lock.close()
    assert refused.returncode == 1
    assert "in use by another calldock" in refused.stderr
    assert (store / "1/5/6/7.mp3").exists()

    done = run(*clear, **settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "of 3 objects in the store 2 belonged to no call and are deleted\n"
    assert [path.name for path in store.rglob("*") if path.is_file()] == ["notes.txt"]
