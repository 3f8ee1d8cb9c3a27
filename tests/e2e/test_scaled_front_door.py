"""The front door for replicas, run for real: Envoy finds media by name, speaks TLS with its own certificate, and takes renewed files."""

import http.client
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from services.cli.front_door import descriptor_set, envoy_binary, openapi_document
from services.cli.process_certificates import write_certificates
from tests.e2e.test_peer_tls import Media, running
from tests.support.running import free_port, until
from tools.scaled_envoy import TARGET

LIFE = timedelta(days=1)


def status(port: int) -> int:
    """How media answers a caller without a token, through the door; 503 is Envoy's own word that media is not to be had."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/v1/recordings:check", b"{}", {"content-type": "application/json"})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


@contextmanager
def envoy(folder: Path, media: Media, certificates: Path, *more: tuple[str, str]) -> Iterator[int]:
    """Envoy with the deployed files, moved to a folder and to ports of this machine."""
    port = free_port()
    moved: list[tuple[str, str]] = [
        ("address: 0.0.0.0, port_value: 8080", f"address: 127.0.0.1, port_value: {port}"),
        ('address: "media", port_value: 9090', f'address: "localhost", port_value: {media.public_port}'),
        ('address: "media", port_value: 9092', f'address: "localhost", port_value: {media.http_port}'),
        ("/run/calldock/", f"{folder}/"),
        ("/etc/calldock/envoy/", f"{folder}/"),
        ("/etc/calldock/public.binpb", str(descriptor_set())),
        ("/etc/calldock/openapi.json", str(openapi_document())),
        ("/etc/calldock/peer", str(certificates)),
        *more,
    ]
    for name in ("envoy.yaml", "certificate.yaml", "authority.yaml"):
        text = (TARGET.parent / name).read_text()
        for there, here in moved:
            text = text.replace(there, here)
        (folder / name).write_text(text)
    # Not in the folder that Envoy watches.
    with (folder.parent / "envoy.log").open("wb") as log:
        command = [envoy_binary(), "-c", str(folder / "envoy.yaml"), "--disable-hot-restart", "--concurrency", "1"]
        command += ["--component-log-level", "connection:debug"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def media(tmp_path: Path) -> Iterator[Callable[[], int]]:
    """A media with a certificate of the folder, behind Envoy; asks it through the door."""
    write_certificates(tmp_path / "certificates", LIFE, datetime.now(UTC))
    found = Media(tmp_path / "certificates/media", trustme.CA())
    (tmp_path / "envoy").mkdir()
    with running(found), envoy(tmp_path / "envoy", found, tmp_path / "certificates/envoy") as port:
        yield lambda: status(port)


def test_envoy_speaks_tls_to_media_and_goes_on_with_renewed_certificates(
    media: Callable[[], int], tmp_path: Path
) -> None:
    until(lambda: media() == 401)

    # Another authority altogether: only files that are read again fit together.
    (tmp_path / "certificates/authority/ca.pem").unlink()
    write_certificates(tmp_path / "certificates", LIFE, datetime.now(UTC))
    log = tmp_path / "certificates/media/log"
    until(lambda: media() == 401 and "peer_tls.renewed" in log.read_text())


def test_media_that_shows_another_name_is_not_spoken_to(tmp_path: Path) -> None:
    write_certificates(tmp_path / "certificates", LIFE, datetime.now(UTC))
    found = Media(tmp_path / "certificates/media", trustme.CA())
    (tmp_path / "envoy").mkdir()
    expected = ("exact: media.calldock.internal", "exact: other.calldock.internal")
    with (
        running(found),
        envoy(tmp_path / "envoy", found, tmp_path / "certificates/envoy", expected) as port,
    ):
        until(lambda: "CERTIFICATE_VERIFY_FAILED" in (tmp_path / "envoy.log").read_text())

        assert status(port) == 503
