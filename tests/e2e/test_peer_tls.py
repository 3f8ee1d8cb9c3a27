"""TLS between processes, on a real media over TCP: who is let in, who is not, and a renewal that needs no restart."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from calldock.media.internal.v1.processing_service_pb2 import DeleteObjectsRequest
from calldock.media.internal.v1.processing_service_pb2_grpc import ProcessingServiceStub
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from services.shared.rpc.tls import certificate_name
from tests.support.running import free_port, until


def write_certificate(folder: Path, authority: trustme.CA, *processes: str) -> None:
    """Writes cert.pem, key.pem and ca.pem, each whole."""
    leaf = authority.issue_cert(*map(certificate_name, processes))
    chain = b"".join(part.bytes() for part in leaf.cert_chain_pems)
    parts = {"cert": chain, "key": leaf.private_key_pem.bytes(), "ca": authority.cert_pem.bytes()}
    for name, data in parts.items():
        (folder / f"{name}.new").write_bytes(data)
        (folder / f"{name}.new").replace(folder / f"{name}.pem")


@dataclass
class Media:
    """A running media."""

    folder: Path
    authority: trustme.CA
    port: int = field(default_factory=free_port)
    public_port: int = field(default_factory=free_port)
    health_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def environment(self) -> dict[str, str]:
        settings = {
            "DATA_DIR": str(self.folder / "data"),
            "PUBLIC_LISTEN": f"127.0.0.1:{self.public_port}",
            "INTERNAL_LISTEN": f"127.0.0.1:{self.port}",
            "HEALTH_LISTEN": f"127.0.0.1:{self.health_port}",
            "INTAKE_ADDRESS": "127.0.0.1:1",
            "PEER_TLS_CERT": str(self.folder / "cert.pem"),
            "PEER_TLS_KEY": str(self.folder / "key.pem"),
            "PEER_TLS_CA": str(self.folder / "ca.pem"),
            "MEDIA_WORKERS": "1",
            **self.more,
        }
        return {**os.environ, **{f"CALLDOCK_{name}": value for name, value in settings.items()}}

    def delete(self, channel: grpc.Channel) -> grpc.StatusCode:
        """How an internal request ends that would change nothing."""
        with channel:
            try:
                request = DeleteObjectsRequest(keys=["1/1/1/none.mp3"])
                ProcessingServiceStub(channel).DeleteObjects(request, timeout=10)
            except grpc.RpcError as error:
                code: grpc.StatusCode = error.code()
                return code
        return grpc.StatusCode.OK

    def channel(self, authority: trustme.CA, *processes: str, trusts: trustme.CA | None = None) -> grpc.Channel:
        """A channel that shows a certificate of the authority naming the processes; none when it names nobody."""
        chain = key = None
        if processes:
            leaf = authority.issue_cert(*map(certificate_name, processes))
            chain, key = b"".join(part.bytes() for part in leaf.cert_chain_pems), leaf.private_key_pem.bytes()
        credentials = grpc.ssl_channel_credentials((trusts or self.authority).cert_pem.bytes(), key, chain)
        options = [("grpc.ssl_target_name_override", certificate_name("media")), ("grpc.enable_http_proxy", 0)]
        return grpc.secure_channel(f"127.0.0.1:{self.port}", credentials, options=options)

    def is_serving(self) -> bool:
        """What its health says, in the clear."""
        with grpc.insecure_channel(f"127.0.0.1:{self.health_port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
            try:
                stub: Any = HealthStub(channel)
                return bool(stub.Check(HealthCheckRequest(), timeout=5).status == 1)
            except grpc.RpcError:
                return False


def start(environment: Mapping[str, str], log: Path, service: str = "media") -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        command = [sys.executable, "-m", f"services.{service}"]
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


@contextmanager
def running(media: Media) -> Iterator[None]:
    process = start(media.environment(), media.folder / "log")
    try:
        until(media.is_serving)
        yield
        process.terminate()
        assert process.wait(30) == 0, media.log
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Media]:
    found = Media(tmp_path_factory.mktemp("tls"), trustme.CA())
    write_certificate(found.folder, found.authority, "media")
    with running(found):
        yield found


def test_intakes_certificate_is_let_in(media: Media) -> None:
    assert media.delete(media.channel(media.authority, "intake")) is grpc.StatusCode.OK


@pytest.mark.parametrize("process", ["notify", "media", "envoy", "operator"])
def test_a_certificate_that_names_a_process_without_business_there_is_refused(media: Media, process: str) -> None:
    assert media.delete(media.channel(media.authority, process)) is grpc.StatusCode.PERMISSION_DENIED


def test_without_a_certificate_or_with_one_of_another_authority_there_is_no_connection(media: Media) -> None:
    assert media.delete(media.channel(media.authority)) is grpc.StatusCode.UNAVAILABLE
    assert media.delete(media.channel(trustme.CA(), "intake")) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("listener", ["port", "public_port"])
def test_plaintext_is_refused_on_both_listeners(media: Media, listener: str) -> None:
    address = f"127.0.0.1:{getattr(media, listener)}"
    plain = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])

    assert media.delete(plain) is grpc.StatusCode.UNAVAILABLE


def test_the_health_listener_answers_health_and_nothing_else(media: Media) -> None:
    plain = grpc.insecure_channel(f"127.0.0.1:{media.health_port}", options=[("grpc.enable_http_proxy", 0)])

    assert media.is_serving()
    assert media.delete(plain) is grpc.StatusCode.UNIMPLEMENTED


def test_a_renewed_certificate_of_a_new_authority_is_taken_without_a_restart(tmp_path: Path) -> None:
    old, new = trustme.CA(), trustme.CA()
    media = Media(tmp_path, old)
    write_certificate(tmp_path, old, "media")
    with running(media):
        assert media.delete(media.channel(old, "intake")) is grpc.StatusCode.OK
        write_certificate(tmp_path, new, "media")

        assert media.delete(media.channel(new, "intake", trusts=new)) is grpc.StatusCode.OK
        assert media.delete(media.channel(old, "intake", trusts=new)) is grpc.StatusCode.UNAVAILABLE
        assert "peer_tls.renewed" in media.log

        # Half of a renewal changes nothing.
        (tmp_path / "cert.pem").write_text("not yet")
        assert media.delete(media.channel(new, "intake", trusts=new)) is grpc.StatusCode.OK
        assert "peer_tls.renewal_refused" in media.log


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        pytest.param({"PEER_TLS_CERT": "", "PEER_TLS_KEY": "", "PEER_TLS_CA": ""}, 2, "INTERNAL_LISTEN is on TCP", id="neither key nor TLS"),
        pytest.param({"PEER_TLS_CERT": "", "PEER_TLS_KEY": "", "PEER_TLS_CA": "", "INTERNAL_LISTEN": "unix:in.sock", "HTTP_LISTEN": "127.0.0.1:1"}, 2, "HTTP_LISTEN is on TCP", id="HTTP on TCP without TLS"),
        pytest.param({"PEER_TLS_KEY": ""}, 2, "go together", id="no key file"),
        pytest.param({"PEER_TLS_KEY": "ca.pem"}, 1, "ca.pem is not what it should be", id="a key that is none"),
        pytest.param({"PEER_TLS_CERT": "other.pem"}, 1, "is not the key of", id="another's key"),
        pytest.param({"PEER_TLS_CA": "missing.pem"}, 1, "missing.pem", id="no such file"),
        pytest.param({"PEER_TLS_CERT": "notify/cert.pem", "PEER_TLS_KEY": "notify/key.pem"}, 1, "does not name media.calldock.internal", id="notify's certificate"),
    ],
)  # fmt: skip
def test_it_does_not_start_on_tcp_without_what_it_needs(
    tmp_path: Path, change: dict[str, str], code: int, reason: str
) -> None:
    authority = trustme.CA()
    media = Media(tmp_path, authority)
    (tmp_path / "notify").mkdir()
    write_certificate(tmp_path, authority, "media")
    shutil.copy(tmp_path / "cert.pem", tmp_path / "other.pem")
    write_certificate(tmp_path, authority, "media")
    write_certificate(tmp_path / "notify", authority, "notify")
    environment = media.environment()
    for name, file in change.items():
        if name.endswith("_LISTEN"):
            environment[f"CALLDOCK_{name}"] = file
        elif file:
            environment[f"CALLDOCK_{name}"] = str(tmp_path / file)
        else:
            del environment[f"CALLDOCK_{name}"]

    process = start(environment, tmp_path / "log")

    assert process.wait(30) == code
    assert reason in media.log
