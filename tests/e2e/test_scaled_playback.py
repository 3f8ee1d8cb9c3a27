"""Playback where processes have certificates: a link through the real Envoy as it is deployed for replicas, to a media whose HTTP listener is on TCP."""

import base64
import http.client
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
import trustme
from calldock.intake.internal.v1.recording_index_service_pb2 import AudioObject, GetAudioObjectRequest
from calldock.intake.internal.v1.recording_index_service_pb2_grpc import (
    add_RecordingIndexServiceServicer_to_server,
)

from services.cli.process_certificates import write_certificates
from services.media.playback import PATH, Playback, sign
from services.shared.identity import AccountId
from services.shared.rpc.tls import PeerTls, certificate_name
from services.shared.sealing import derived_key
from services.shared.settings import TlsFiles
from tests.e2e.test_peer_tls import Media, running
from tests.e2e.test_scaled_front_door import LIFE, envoy
from tests.support.running import until

EDGE_KEY = os.urandom(32)
AUDIO = os.urandom(300_000)
LONG = 64 * 1024 * 1024
"""Bytes of a recording that no buffer on the way holds whole."""
IDLE_S = 3.0
LONG_ID = 2


def object_key(recording_id: int) -> str:
    return f"1/1/{recording_id}/token.mp3"


class Index:
    """As much of intake as playback asks."""

    def __getattr__(self, method: str) -> Callable[[GetAudioObjectRequest, Any], AudioObject]:
        assert method[0].isupper()
        return lambda request, _context: AudioObject(key=object_key(request.recording_id))


def files(folder: Path) -> TlsFiles:
    return TlsFiles(folder / "cert.pem", folder / "key.pem", folder / "ca.pem")


@contextmanager
def intake(certificate: Path) -> Iterator[str]:
    """Answers media's questions, with intake's certificate; its address."""
    server = grpc.server(ThreadPoolExecutor(2))
    add_RecordingIndexServiceServicer_to_server(cast(Any, Index()), server)
    port = server.add_secure_port("127.0.0.1:0", PeerTls(files(certificate), "intake").server_credentials())
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


@dataclass(frozen=True)
class Scaled:
    """A media with Envoy before it."""

    media: Media
    certificates: Path
    front_port: int

    def ask(self, port: int, link: str, context: ssl.SSLContext | None = None, **headers: str) -> tuple[int, bytes]:
        """Status and body; 0 where there is no connection to be had."""
        if context is None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        else:
            connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
        try:
            connection.request("GET", link, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.BadStatusLine):
            return 0, b""
        finally:
            connection.close()

    def front(self, link: str, **headers: str) -> tuple[int, bytes]:
        return self.ask(self.front_port, link, None, **headers)


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scaled]:
    folder = tmp_path_factory.mktemp("scaled")
    certificates = folder / "certificates"
    write_certificates(certificates, LIFE, datetime.now(UTC))
    (folder / "envoy").mkdir()
    for recording_id, size in ((1, len(AUDIO)), (LONG_ID, LONG)):
        place = certificates / "media/data/recordings" / object_key(recording_id)
        place.parent.mkdir(parents=True)
        place.write_bytes(AUDIO)
        os.truncate(place, size)
    with intake(certificates / "intake") as address:
        media = Media(certificates / "media", trustme.CA())
        media.more = {
            "INTAKE_ADDRESS": address,
            "HTTP_LISTEN": f"127.0.0.1:{media.http_port}",
            "MEDIA_LISTENERS_PER_LINK": "2",
            "MEDIA_LISTENER_IDLE_S": str(IDLE_S),
            "EDGE_KEY": base64.b64encode(EDGE_KEY).decode(),
            "SESSION_KEY": base64.b64encode(bytes(32)).decode(),
        }
        with running(media), envoy(folder / "envoy", media, certificates / "envoy") as port:
            found = Scaled(media, certificates, port)
            until(lambda: found.front("/healthz")[0] == 200)
            yield found


@pytest.fixture
def link() -> str:
    return a_link(1)


def a_link(recording_id: int) -> str:
    playback = Playback(
        account_id=AccountId(1), recording_id=recording_id, expire_time=datetime.now(UTC) + timedelta(minutes=5)
    )
    return PATH + sign(playback, derived_key(EDGE_KEY, "playback links"))


def a_context(authority: Path, chain: Path | None) -> ssl.SSLContext:
    """A client that shows a certificate of the folder, and looks for media's name elsewhere: addresses do not matter here."""
    context = ssl.create_default_context(cafile=str(authority / "ca.pem"))
    context.check_hostname = False
    if chain is not None:
        context.load_cert_chain(chain / "cert.pem", chain / "key.pem")
    return context


def test_a_link_plays_through_envoy_whole_and_in_ranges(scaled: Scaled, link: str) -> None:
    assert scaled.front(link) == (200, AUDIO)
    assert scaled.front(link, range="bytes=1000-1999") == (206, AUDIO[1000:2000])
    assert scaled.front(link + "x")[0] == 403


def test_the_client_area_is_served_too(scaled: Scaled) -> None:
    status, page = scaled.front("/app/calls")
    assert status == 200
    assert b"<title>calldock</title>" in page


def test_without_envoys_certificate_there_is_nothing_to_hear(scaled: Scaled, link: str, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    write_certificates(stranger, LIFE, datetime.now(UTC))
    ours, port = scaled.certificates, scaled.media.http_port

    assert scaled.ask(port, link) == (0, b"")
    assert scaled.ask(port, link, a_context(ours / "media", None)) == (0, b"")
    assert scaled.ask(port, link, a_context(ours / "media", stranger / "envoy")) == (0, b"")
    for process in ("intake", "notify", "operator"):
        assert scaled.ask(port, link, a_context(ours / "media", ours / process))[0] == 403
    assert scaled.ask(port, link, a_context(ours / "media", ours / "envoy")) == (200, AUDIO)


def test_a_renewed_certificate_of_a_new_authority_is_taken_at_the_next_handshake(
    scaled: Scaled, link: str, tmp_path: Path
) -> None:
    before = tmp_path / "before"
    before.mkdir()
    for name in ("cert.pem", "key.pem", "ca.pem"):
        (before / name).write_bytes((scaled.certificates / "envoy" / name).read_bytes())
    (scaled.certificates / "authority/ca.pem").unlink()
    write_certificates(scaled.certificates, LIFE, datetime.now(UTC))
    now, port = scaled.certificates, scaled.media.http_port

    assert scaled.ask(port, link, a_context(now / "media", before)) == (0, b"")
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl_only(a_context(before, before), port)
    assert certificate_name("media") in str(ssl_only(a_context(now / "media", now / "envoy"), port))


def ssl_only(context: ssl.SSLContext, port: int) -> Any:
    """The certificate that the listener shows. Raises SSLError when it is none of the authority's."""
    with socket.create_connection(("127.0.0.1", port), 20) as raw, context.wrap_socket(raw) as speaking:
        return speaking.getpeercert()


@contextmanager
def slow(port: int, link: str) -> Iterator[str]:
    """Somebody who asks the front door and reads the head of the answer, and no more."""
    with socket.socket() as ear:
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        ear.settimeout(20)
        ear.connect(("127.0.0.1", port))
        ear.sendall(f"GET {link} HTTP/1.1\r\nhost: calldock\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += ear.recv(1)
        yield head.decode().lower()


def test_who_does_not_read_behind_envoy_has_few_places_and_not_for_long(scaled: Scaled, link: str) -> None:
    long = a_link(LONG_ID)
    with slow(scaled.front_port, long) as first, slow(scaled.front_port, long) as second:
        with slow(scaled.front_port, long) as third:
            assert [head.split()[1] for head in (first, second, third)] == ["200", "200", "429"]
            assert "\r\nretry-after: 1\r\n" in third
        assert scaled.front(link) == (200, AUDIO)

        until(lambda: scaled.front(long, range="bytes=0-9")[0] == 206)

    assert "recording.listener_gone" in scaled.media.log
