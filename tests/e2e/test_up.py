"""`calldock up`: one instance a folder, a clean stop, and services that come back when they are killed."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import grpc
import pytest
from calldock.intake.v1.call_pb2 import CALL_STATUS_PROCESSED
from calldock.intake.v1.call_service_pb2 import ListCallsRequest
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub

from services.notify.secrets import Secrets
from services.notify.server import MIGRATIONS
from services.shared.db.engine import SqliteDatabase
from services.shared.db.migrate import migrate
from services.shared.sealing import Sealer
from tests.support.audio import good_wav
from tests.support.hosts import a_host
from tests.support.makers import HandClock, a_json_call
from tests.support.postgres import IS_MEANT
from tests.support.running import CALLDOCK, Account, Calldock, a_calldock, free_port, until


def test_a_second_instance_on_one_folder_is_refused_by_name(calldock: Calldock) -> None:
    done = subprocess.run(
        [CALLDOCK, "up", "--data-dir", str(calldock.data_dir), "--listen", f"127.0.0.1:{free_port()}"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert f"in use by another calldock (process {calldock.process.pid})" in done.stderr


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("TRACES_SHARE", "garbage-7", "CALLDOCK_TRACES_SHARE takes a number from 0 to 1"),
        ("TRACES_SHARE", "nan", "CALLDOCK_TRACES_SHARE takes a number from 0 to 1"),
        ("TRACES_ENDPOINT", "garbage-7", "CALLDOCK_TRACES_ENDPOINT takes http://host:port or https://host:port"),
        (
            "SECRET_KEY",
            "garbage-7",
            "CALLDOCK_SECRET_KEY is base64 of 32 bytes: make one with `openssl rand -base64 32`",
        ),
    ],
)
def test_a_wrong_setting_is_said_in_one_line_without_its_value(
    tmp_path: Path, setting: str, value: str, said: str
) -> None:
    done = subprocess.run(
        [CALLDOCK, "up", "--data-dir", str(tmp_path / "d"), "--listen", f"127.0.0.1:{free_port()}"],
        env={**os.environ, f"CALLDOCK_{setting}": value},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.strip().endswith(said)
    assert len(done.stderr.strip().splitlines()) == 1
    assert "garbage" not in done.stderr


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [CALLDOCK, "up", "--data-dir", str(tmp_path / "d"), "--listen", f"127.0.0.1:{taken.getsockname()[1]}"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert done.returncode == 1
    assert "is taken or not ours" in done.stderr


@pytest.mark.parametrize("listen", ["8080", "localhost:8080", "127.0.0.1:0", "127.0.0.1:x"])
def test_an_address_that_is_none_is_said(tmp_path: Path, listen: str) -> None:
    done = subprocess.run(
        [CALLDOCK, "up", "--data-dir", str(tmp_path), "--listen", listen],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "--listen takes" in done.stderr


@pytest.mark.skipif(IS_MEANT, reason="whoever shares a database brings the key")
def test_secrets_lie_readable_for_their_owner_only_and_tokens_nowhere(calldock: Calldock, account: Account) -> None:
    assert (calldock.data_dir / "secret.key").stat().st_mode & 0o777 == 0o600
    assert Path(calldock.runtime()["sockets"]).stat().st_mode & 0o777 == 0o700
    for path in [*calldock.data_dir.glob("*.db*"), calldock.log]:
        content = path.read_bytes()
        assert account.token.encode() not in content
        assert account.secret.encode() not in content


def test_only_who_seals_secrets_is_given_the_key(tmp_path: Path) -> None:
    def environment(pid: int | None) -> list[str]:
        return Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")

    with a_calldock(tmp_path, SECRET_KEY=base64.b64encode(os.urandom(32)).decode()) as calldock:
        names = {
            program: {entry.partition("=")[0] for entry in environment(calldock.child_pid(program))}
            for program in ("envoy", "services.intake", "services.media", "services.notify")
        }

    assert {program for program, given in names.items() if "CALLDOCK_SECRET_KEY" in given} == {
        "services.intake",
        "services.notify",
    }
    assert not [name for name in names["envoy"] if name.startswith("CALLDOCK_")]


def test_a_killed_front_door_comes_back(calldock: Calldock) -> None:
    envoy = calldock.child_pid("envoy")
    assert envoy is not None
    os.kill(envoy, signal.SIGKILL)

    until(lambda: calldock.child_pid("envoy") not in (None, envoy) and calldock.is_healthy())


def test_services_can_be_reached_without_the_front_door(tmp_path: Path) -> None:
    port = free_port()
    command = [
        CALLDOCK,
        "up",
        "--data-dir",
        str(tmp_path / "d"),
        "--listen",
        f"127.0.0.1:{port}",
        "--expose-services",
        "--json",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        with grpc.insecure_channel(ready["services"]["intake"], options=[("grpc.enable_http_proxy", 0)]) as channel:
            with pytest.raises(grpc.RpcError) as caught:
                CallServiceStub(channel).ListCalls(ListCallsRequest(), timeout=20)
            internal = channel.unary_unary("/calldock.intake.internal.v1.AdminService/CreateAccount", bytes, bytes)
            with pytest.raises(grpc.RpcError) as hidden:
                internal(b"", timeout=20)
    finally:
        process.terminate()
        process.wait(60)
        if process.stdout is not None:
            process.stdout.close()

    assert ready["url"] == f"http://127.0.0.1:{port}"
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert hidden.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_key_that_is_gone_is_said_and_no_new_one_made(tmp_path: Path) -> None:
    (tmp_path / "notify.db").touch()

    done = subprocess.run(
        [CALLDOCK, "up", "--data-dir", str(tmp_path), "--listen", f"127.0.0.1:{free_port()}"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "put it back from the backup" in done.stderr
    assert not (tmp_path / "secret.key").exists()


async def test_a_key_that_is_another_is_said_before_anybody_waits_for_a_signature(tmp_path: Path) -> None:
    first, second = os.urandom(32), os.urandom(32)
    db = SqliteDatabase(tmp_path / "notify.db")
    migrate(db.engine, MIGRATIONS)
    db.start()
    await Secrets(db, Sealer(first), HandClock()).ensure(1)
    db.close()

    def run_with(key: bytes) -> "subprocess.Popen[str]":
        settings = {
            "DATA_DIR": str(tmp_path),
            "SECRET_KEY": base64.b64encode(key).decode(),
            "INTAKE_ADDRESS": f"unix:{tmp_path}/intake.sock",
            "PUBLIC_LISTEN": f"unix:{tmp_path}/public.sock",
            "INTERNAL_LISTEN": f"unix:{tmp_path}/internal.sock",
        }
        environment = {**os.environ, **{f"CALLDOCK_{name}": value for name, value in settings.items()}}
        command = [sys.executable, "-m", "services.notify"]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    with run_with(second) as refused:
        assert refused.wait(60) == 1
        assert refused.stderr is not None
        assert "put the right one back" in refused.stderr.read()
    with run_with(first) as taken:
        until((tmp_path / "public.sock").exists)
        taken.terminate()
        assert taken.wait(60) == 0


@pytest.mark.timeout(180)
@pytest.mark.contract("8 durably", "7 in order")
def test_fifty_calls_survive_the_killing_of_each_service(tmp_path: Path) -> None:
    """kill -9 of media, intake and notify in turn while 50 calls with recordings are in work."""
    with a_host(tmp_path) as host:
        host.serve("/good.wav", "audio/wav", good_wav())
        settings = {
            "EGRESS_ALLOW": f"127.0.0.1:{host.port}",
            "EGRESS_CA_FILE": str(host.ca_file),
            "NOTIFY_RETRY_SCHEDULE_S": ",".join(["0.2"] * 50),
            "LEASE_S": "3",
        }
        with a_calldock(tmp_path, **settings) as calldock:
            account = calldock.account()
            host.secrets.append(account.secret)
            record = {"employee_name": "Anna", "employee_channel": "left"}
            calls = [
                a_json_call(
                    ext_id=f"call-{number}",
                    wav_records=[{**record, "record_url": f"{host.url}/good.wav?{number}"}],
                    callback={"url": host.hook, "events": ["processed", "in_process", "error"]},
                )
                for number in range(50)
            ]
            assert calldock.upload(account, *calls).status == 200

            for service in ("media", "intake", "notify"):
                ended = len(host.deliveries)
                host.wait(lambda ended=ended: len(host.deliveries) > ended, limit_s=60)  # type: ignore[misc]
                killed = calldock.service_pid(service)
                assert killed is not None
                os.kill(killed, signal.SIGKILL)
                until(lambda service=service, killed=killed: calldock.service_pid(service) not in (None, killed))  # type: ignore[misc]

            host.wait(lambda: all(len(host.heard[f"call-{number}"]) == 2 for number in range(50)), limit_s=120)
            stored = calldock.all_of(account, "calls")
            assert Counter(call["ext_id"] for call in stored) == Counter(call["ext_id"] for call in calls)
            for call in calls:
                assert [told["status"] for told in host.heard[call["ext_id"]]] == ["in_process", "processed"]
                assert calldock.lookup(account, call["ext_id"]).status == CALL_STATUS_PROCESSED
            assert host.forged == 0
