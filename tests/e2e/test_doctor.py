"""`calldock doctor`: a running instance, a stopped one, what is broken, a database that is away, and links."""

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from services.cli.doctor_stores import judge_clock
from services.cli.finding import State, as_json, as_text, wrong
from tests.support.audio import good_wav
from tests.support.hosts import Host, a_host
from tests.support.postgres import Cluster, cluster
from tests.support.running import CALLDOCK, a_calldock, free_port

KEY = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ="


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of an instance that ran, on SQLite, and was stopped."""
    folder = tmp_path_factory.mktemp("stopped")
    with a_calldock(folder, DATABASE_URL="") as calldock:
        calldock.account()
    return calldock.data_dir


@pytest.fixture
def database() -> Iterator[Cluster]:
    with cluster("fsync=off") as running:
        yield running


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with a_host(tmp_path_factory.mktemp("recordings")) as host:
        host.serve("/good.wav", "audio/wav", good_wav())
        host.serve("/short.wav", "audio/wav", good_wav(5))
        host.serve("/page.wav", "text/html", b"<html>")
        host.pages["/huge.wav"] = huge
        yield host


def huge(request: BaseHTTPRequestHandler) -> None:
    """A length without its bytes."""
    request.send_response(200)
    request.send_header("content-type", "audio/wav")
    request.send_header("content-length", str(10**9))
    request.end_headers()


def doctor(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, **{f"CALLDOCK_{name}": value for name, value in settings.items()}}
    return subprocess.run(
        [CALLDOCK, "doctor", *arguments], capture_output=True, text=True, timeout=120, check=False, env=environment
    )


def found_by(*arguments: str, **settings: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and the findings by what was looked at."""
    done = doctor(*arguments, "--json", **settings)
    findings = json.loads(done.stdout)["findings"]
    return done.returncode, {each["area"]: each for each in findings}


def states(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {area: each["state"] for area, each in found.items()}


def test_a_running_instance_is_well_from_end_to_end(tmp_path: Path) -> None:
    with a_calldock(tmp_path, DATABASE_URL="") as calldock:
        code, found = found_by("--data-dir", str(calldock.data_dir))
        healthy = calldock.is_healthy()

    assert set(states(found).values()) == {"ok"}, found
    assert {"settings", "data folder", "key", "disk space", "storage", "database intake", "database notify", "clock"} < set(found)  # fmt: skip
    assert {"envoy", "front door", "service intake", "service media", "service notify"} < set(found)
    assert (code, healthy) == (0, True)


def test_a_database_that_is_away_is_wrong_and_the_rest_is_looked_at(tmp_path: Path, database: Cluster) -> None:
    settings = {"DATABASE_URL": database.create("calldock"), "SECRET_KEY": KEY}
    with a_calldock(tmp_path, **settings) as calldock:
        well, before = found_by("--data-dir", str(calldock.data_dir), **settings)
        database.stop()
        code, found = found_by("--data-dir", str(calldock.data_dir), **settings)
        database.start()

    assert (well, set(states(before).values())) == (0, {"ok"}), before
    assert before["clock"]["found"] == "within 5 s of the database's"
    assert code == 1
    assert [states(found)[f"database {name}"] for name in ("intake", "notify")] == ["wrong", "wrong"]
    assert found["database intake"]["next"].startswith("look whether PostgreSQL runs")
    assert states(found)["clock"] == "not looked"
    assert states(found)["service media"] == "ok"


def test_a_stopped_instance_is_looked_at_as_far_as_it_goes_and_left_as_it_was(stopped: Path) -> None:
    before = sorted(str(path) for path in stopped.rglob("*"))
    code, found = found_by("--data-dir", str(stopped))

    assert code == 0, found
    assert [area for area, state in states(found).items() if state == "not looked"] == ["front door", "services"]
    assert found["front door"]["next"] == f"`calldock up --data-dir {stopped}`"
    assert sorted(str(path) for path in stopped.rglob("*")) == before


def test_nothing_is_made_where_calldock_never_was(tmp_path: Path) -> None:
    code, found = found_by("--data-dir", str(tmp_path / "none"))

    assert (code, states(found)["database intake"], states(found)["storage"]) == (0, "not looked", "not looked")
    assert not (tmp_path / "none").exists()


def test_what_others_may_read_is_wrong_until_it_is_mended(stopped: Path) -> None:
    key = stopped / "secret.key"
    key.chmod(0o644)
    stopped.chmod(0o755)
    code, found = found_by("--data-dir", str(stopped))
    key.chmod(0o600)
    stopped.chmod(0o700)

    assert code == 1
    assert (found["key"]["state"], found["key"]["next"]) == ("wrong", f"chmod 600 {key}")
    assert (found["data folder"]["state"], found["data folder"]["next"]) == ("wrong", f"chmod 700 {stopped}")
    assert found_by("--data-dir", str(stopped))[0] == 0


def test_a_key_that_is_lost_or_damaged_is_wrong_and_is_not_told(stopped: Path) -> None:
    key = stopped / "secret.key"
    kept = key.read_text()
    key.write_text("half-a-key")
    damaged = doctor("--data-dir", str(stopped))
    key.rename(stopped / "elsewhere")
    lost = found_by("--data-dir", str(stopped))[1]["key"]
    (stopped / "elsewhere").rename(key)
    key.write_text(kept)

    assert damaged.returncode == 1
    assert "is not base64 of 32 bytes" in damaged.stdout
    assert "half-a-key" not in damaged.stdout + damaged.stderr
    assert (lost["state"], "put it back from the backup" in lost["next"]) == ("wrong", True)


def test_a_schema_that_is_older_is_wrong_and_the_command_is_named(tmp_path: Path) -> None:
    for name in ("intake", "notify"):
        (tmp_path / f"{name}.db").touch()
    tmp_path.chmod(0o700)
    (tmp_path / "secret.key").write_text(KEY)
    (tmp_path / "secret.key").chmod(0o600)

    code, found = found_by("--data-dir", str(tmp_path))

    assert code == 1
    assert found["database intake"]["state"] == "wrong"
    assert "`calldock migrate`" in found["database intake"]["next"]


@pytest.mark.parametrize(
    ("setting", "area", "told"),
    [
        pytest.param({"EGRES_ALLOW": "10.0.0.1"}, "settings", "CALLDOCK_EGRES_ALLOW is no setting", id="misspelt"),
        pytest.param({"MEDIA_DOWNLOADS": "many"}, "settings", "CALLDOCK_MEDIA_DOWNLOADS: ", id="no number"),
        pytest.param({"DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/d"}, "settings", "SECRET_KEY is not", id="no key"),
        pytest.param({"EGRESS_ALLOW": "10.0.0.0/33"}, "egress of downloads", "10.0.0.0/33", id="no network"),
        pytest.param({"EGRESS_CA_FILE": "/none.pem"}, "egress authorities", "/none.pem", id="no authorities"),
        pytest.param({"MEDIA_DOWNLOAD_BYTES": str(10**18)}, "disk space", "less than downloads", id="little room"),
        pytest.param({"STORAGE_URL": "file:///proc/none"}, "storage", "/proc/none", id="no store"),
    ],
)  # fmt: skip
def test_a_setting_that_does_not_do_is_wrong(stopped: Path, setting: dict[str, str], area: str, told: str) -> None:
    code, found = found_by("--data-dir", str(stopped), **setting)

    assert code == 1
    assert (found[area]["state"], told in found[area]["found"]) == ("wrong", True), found[area]
    assert found[area]["next"]


def test_no_secret_is_told_whatever_is_wrong(stopped: Path) -> None:
    secrets = {"DATABASE_URL": f"postgresql://u:hunter2@127.0.0.1:{free_port()}/d", "SECRET_KEY": KEY}
    s3 = {"STORAGE_URL": "s3://b/p", "S3_ENDPOINT": f"http://127.0.0.1:{free_port()}", "S3_ACCESS_KEY_ID": "id", "S3_SECRET_ACCESS_KEY": "s3cr3t-of-s3"}  # fmt: skip
    away = doctor("--data-dir", str(stopped), **secrets, **s3)
    refused = doctor("--data-dir", str(stopped), DATABASE_URL="mysql://u:hunter2@h/d", INTERNAL_KEY="1nternal", SECRET_KEY=KEY)  # fmt: skip

    for done in (away, refused):
        assert done.returncode == 1
        assert "wrong" in done.stdout
        assert not [secret for secret in ("hunter2", KEY, "s3cr3t-of-s3", "1nternal") if secret in done.stdout + done.stderr]  # fmt: skip


def test_a_secret_in_what_a_library_says_is_not_told() -> None:
    findings = [wrong("database", "no way to postgresql://u:hunter2@h", "mend hunter2")]

    assert "hunter2" not in as_text(findings, {"hunter2"}) + as_json(findings, {"hunter2"})


@pytest.mark.parametrize(
    ("ahead_s", "state"), [(4.9, State.OK), (5.1, State.WRONG), (-5.1, State.WRONG)], ids=["near", "ahead", "behind"]
)
def test_a_clock_that_is_not_the_databases_is_wrong(ahead_s: float, state: State) -> None:
    theirs = datetime(2026, 11, 2, 10, tzinfo=UTC)

    assert judge_clock(theirs + timedelta(seconds=ahead_s), theirs).state is state


def test_databases_written_in_the_future_tell_of_a_clock_that_is_wrong(stopped: Path) -> None:
    file = stopped / "intake.db"
    kept = file.stat()
    os.utime(file, (kept.st_atime + 86_400, kept.st_mtime + 86_400))
    found = found_by("--data-dir", str(stopped))[1]["clock"]
    os.utime(file, (kept.st_atime, kept.st_mtime))

    assert found["state"] == "wrong"


@pytest.mark.parametrize(
    ("page", "ends", "told"),
    [
        pytest.param("good.wav", None, "accepted", id="fine"),
        pytest.param("gone.wav", "status", "the server answered 404", id="gone"),
        pytest.param("page.wav", "type", "Content-Type is 'text/html'", id="a page"),
        pytest.param("huge.wav", "size", "too large", id="too large"),
        pytest.param("short.wav", "verdict", "wav_min_duration_processing_error: duration 5 s", id="too short"),
    ],
)
def test_a_link_is_looked_at_step_by_step(recordings: Host, page: str, ends: str | None, told: str) -> None:
    settings = {"EGRESS_ALLOW": f"127.0.0.1:{recordings.port}", "EGRESS_CA_FILE": str(recordings.ca_file)}
    code, found = found_by(f"{recordings.url}/{page}?token=t0ken", **settings)

    assert code == (0 if ends is None else 1)
    assert [area for area, state in states(found).items() if state == "wrong"] == ([] if ends is None else [ends])
    assert states(found)["connection"] == "ok"
    assert told in found[ends or "verdict"]["found"]
    assert "t0ken" not in json.dumps(found)


def test_a_link_into_the_operators_network_is_refused_and_the_setting_named(recordings: Host) -> None:
    hits = dict(recordings.hits)
    code, found = found_by(f"{recordings.url}/good.wav", EGRESS_ALLOW="")

    assert (code, found["address"]["state"]) == (1, "wrong")
    assert found["address"]["next"].endswith(f"CALLDOCK_EGRESS_ALLOW_DOWNLOADS=127.0.0.1:{recordings.port}")
    assert recordings.hits == hits


def test_a_certificate_that_is_not_trusted_is_told_at_the_connection(recordings: Host) -> None:
    code, found = found_by(f"{recordings.url}/good.wav", EGRESS_ALLOW=f"127.0.0.1:{recordings.port}")

    assert (code, found["connection"]["state"]) == (1, "wrong")
    assert "TLS failed" in found["connection"]["found"]
    assert states(found)["status"] == "not looked"


@pytest.mark.parametrize("link", ["ftp://h/x.wav", "nothing", "https://h/x"])
def test_what_is_no_link_to_a_recording_is_wrong_usage(link: str) -> None:
    assert doctor(link).returncode == 2


def test_all_settings_are_shown_with_what_they_mean_and_no_value(stopped: Path) -> None:
    environment = {**os.environ, "CALLDOCK_SECRET_KEY": KEY}
    shown = subprocess.run([CALLDOCK, "settings"], capture_output=True, text=True, check=True, env=environment).stdout
    told = subprocess.run([CALLDOCK, "settings", "--json"], capture_output=True, text=True, check=True, env=environment)

    assert "CALLDOCK_SECRET_KEY [set]  (intake, notify; " in shown
    assert KEY not in shown + told.stdout
    settings = json.loads(told.stdout)["settings"]
    assert all(each["meaning"] for each in settings), [each["name"] for each in settings if not each["meaning"]]
