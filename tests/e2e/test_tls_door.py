"""TLS at the front door: the certificate of the settings, and a renewed one without a restart and without a cut connection."""

import http.client
import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import trustme
from calldock.intake.v1.call_service_pb2 import WatchCallsRequest
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub

from tests.support.makers import a_json_call
from tests.support.running import CALLDOCK, Account, Calldock, free_port, until


@dataclass(frozen=True)
class Renewed:
    """An authority, and the files in which its certificates for the front door lie."""

    authority: trustme.CA
    folder: Path

    @property
    def chain(self) -> Path:
        return self.folder / "tls.crt"

    @property
    def key(self) -> Path:
        return self.folder / "tls.key"

    def issue(self) -> None:
        """A new certificate, written where the old one lies, as `cp` writes: neither file changes at one stroke."""
        made = self.authority.issue_cert("127.0.0.1", "localhost")
        self.key.write_bytes(made.private_key_pem.bytes())
        self.chain.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


@contextmanager
def a_door_with_tls(folder: Path, files: Renewed) -> Iterator[Calldock]:
    port, log = free_port(), folder / "calldock.log"
    settings = {"CALLDOCK_LISTEN_TLS_CERT": str(files.chain), "CALLDOCK_LISTEN_TLS_KEY": str(files.key)}
    with log.open("w") as errors:
        process = subprocess.Popen(
            [CALLDOCK, "up", "--data-dir", str(folder / "data"), "--listen", f"127.0.0.1:{port}"],
            stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **settings},
        )  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"calldock is ready: https://127.0.0.1:{port}\n", log.read_text()[
                -3000:
            ]
            yield Calldock(folder / "data", port, process, log)
        finally:
            process.terminate()
            process.wait(60)
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture
def files(tmp_path: Path) -> Renewed:
    made = Renewed(trustme.CA(), tmp_path)
    made.issue()
    return made


def shown(calldock: Calldock, context: ssl.SSLContext) -> str:
    """The number of the certificate that a new connection is shown."""
    with closing(http.client.HTTPSConnection("127.0.0.1", calldock.port, timeout=10, context=context)) as connection:
        connection.connect()
        return str((connection.sock.getpeercert() or {})["serialNumber"])


def upload(connection: http.client.HTTPSConnection, account: Account, ext_id: str) -> int:
    body = json.dumps({"calls": [a_json_call(ext_id=ext_id)]})
    connection.request("POST", "/v1/calls:upload", body, {"authorization": f"Bearer {account.token}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def test_a_renewed_certificate_is_shown_to_new_connections_and_open_ones_go_on(tmp_path: Path, files: Renewed) -> None:
    with a_door_with_tls(tmp_path, files) as calldock:
        account = calldock.account()
        context = files.context()
        envoy, before = calldock.child_pid("envoy"), shown(calldock, context)
        roots = files.authority.cert_pem.bytes()
        with (
            closing(http.client.HTTPSConnection("127.0.0.1", calldock.port, timeout=20, context=context)) as open_one,
            grpc.secure_channel(
                f"localhost:{calldock.port}", grpc.ssl_channel_credentials(roots), [("grpc.enable_http_proxy", 0)]
            ) as channel,
        ):
            assert upload(open_one, account, "before") == 200
            used = open_one.sock
            watching = CallServiceStub(channel).WatchCalls(
                WatchCallsRequest(), metadata=(("authorization", f"Bearer {account.token}"),), timeout=60
            )
            next(watching)

            files.issue()
            until(lambda: shown(calldock, context) != before)

            assert upload(open_one, account, "after") == 200
            assert open_one.sock is used
            assert any(told.call.ext_id == "after" for told in watching)
        assert calldock.child_pid("envoy") == envoy


def test_a_pair_that_does_not_fit_is_said_and_the_old_one_stays(tmp_path: Path, files: Renewed) -> None:
    with a_door_with_tls(tmp_path, files) as calldock:
        context = files.context()
        before = shown(calldock, context)
        files.key.write_bytes(files.authority.issue_cert("localhost").private_key_pem.bytes())
        until(lambda: "certificate.not_taken" in calldock.log.read_text())
        assert shown(calldock, context) == before

        files.issue()
        until(lambda: shown(calldock, context) != before)


@pytest.mark.parametrize("missing", ["CERT", "KEY", "file"])
def test_half_a_pair_is_said(tmp_path: Path, files: Renewed, missing: str) -> None:
    settings = {"CERT": str(files.chain), "KEY": str(files.key)}
    if missing == "file":
        files.key.unlink()
    settings.pop(missing, None)
    done = subprocess.run(
        [CALLDOCK, "up", "--data-dir", str(tmp_path / "d"), "--listen", f"127.0.0.1:{free_port()}"],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, **{f"CALLDOCK_LISTEN_TLS_{name}": value for name, value in settings.items()}},
    )  # fmt: skip

    assert done.returncode == 1
    assert ("set both or neither" if missing != "file" else "certificate cannot be used") in done.stderr


def test_what_was_handed_over_is_gone_after_a_stop(tmp_path: Path, files: Renewed) -> None:
    with a_door_with_tls(tmp_path, files) as calldock:
        folder = Path(calldock.runtime()["sockets"])
        assert (folder / "tls.json").stat().st_mode & 0o777 == 0o600

    assert not folder.exists()
