"""Settings that come as files, as containers get their secrets; certificates that calldock makes itself; the operator's commands where no `up` runs."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from tests.e2e.test_peer_tls import start
from tests.support.running import CALLDOCK, free_port, until


def notify(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a notify on TCP, with the certificates of the folder."""
    settings = {
        "DATA_DIR": str(folder / "data"),
        "PUBLIC_LISTEN": f"unix:{folder}/p.sock",
        "INTERNAL_LISTEN": f"unix:{folder}/notify-internal.sock,127.0.0.1:{free_port()}",
        "INTAKE_ADDRESS": "127.0.0.1:1",
        **{f"PEER_TLS_{part.upper()}": str(folder / f"c/notify/{part}.pem") for part in ("cert", "key", "ca")},
        **more,
    }
    return {**os.environ, **{f"CALLDOCK_{name}": value for name, value in settings.items()}}


def test_a_service_starts_with_a_secret_file_and_certificates_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/calldock_secret_key").write_text(base64.b64encode(bytes(32)).decode() + "\n")
    made = subprocess.run([CALLDOCK, "certificates", str(tmp_path / "c")], check=True, capture_output=True, text=True)
    authority = (tmp_path / "c/authority/ca.pem").read_bytes()
    subprocess.run([CALLDOCK, "certificates", str(tmp_path / "c")], check=True, capture_output=True)
    command = [sys.executable, "-m", "services.notify"]

    with (tmp_path / "log").open("wb") as log:
        environment = notify(tmp_path, SECRETS_DIR=str(tmp_path / "secrets"))
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        until(lambda: "notify.started" in (tmp_path / "log").read_text() or process.poll() is not None)
        with grpc.insecure_channel(f"unix:{tmp_path}/notify-internal.sock") as channel:
            grpc.channel_ready_future(channel).result(timeout=20)
    finally:
        process.terminate()
    assert process.wait(30) == 0, (tmp_path / "log").read_text()
    assert "keep" in made.stdout
    assert (tmp_path / "c/authority/ca.pem").read_bytes() == authority
    assert (tmp_path / "c/notify/ca.pem").read_bytes() == authority
    assert (tmp_path / "c/notify/key.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("secrets", "reason"), [("missing", "CALLDOCK_SECRETS_DIR names no folder"), ("c", "secret_key")]
)
def test_a_secret_that_is_not_there_stops_the_start(tmp_path: Path, secrets: str, reason: str) -> None:
    (tmp_path / "c").mkdir()

    process = start(notify(tmp_path, SECRETS_DIR=str(tmp_path / secrets)), tmp_path / "log", "notify")

    assert process.wait(30) == 2
    assert reason in (tmp_path / "log").read_text()


def test_the_operators_commands_find_a_services_socket(tmp_path: Path) -> None:
    answer = subprocess.run(
        [CALLDOCK, "accounts", "list", "--data-dir", str(tmp_path)], capture_output=True, text=True, check=False,
        env={**os.environ, "CALLDOCK_SOCKETS": str(tmp_path)},
    )  # fmt: skip
    assert "no calldock runs" in answer.stderr

    (tmp_path / "intake-internal.sock").touch()
    answer = subprocess.run(
        [CALLDOCK, "accounts", "list", "--data-dir", str(tmp_path)], capture_output=True, text=True, check=False,
        env={**os.environ, "CALLDOCK_SOCKETS": str(tmp_path)},
    )  # fmt: skip
    assert "no calldock runs" not in answer.stderr
    assert answer.returncode == 1
