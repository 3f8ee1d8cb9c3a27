"""What lets us in at one host is shown to no other, wherever that host sends us: recordings and webhooks, with real hosts that ask to be left for each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from services.media.credential import HostCredential
from services.media.download import Downloader, DownloadRefused
from services.media.verdict import AudioRules, RecordingFormat
from services.notify.notification import AttemptOutcome
from services.notify.receiver import Receivers
from services.shared.addresses import AddressPolicy
from services.shared.egress import EgressGuard, trusting
from tests.support.hosts import Answer, Host, a_host, reply

RULES = AudioRules(version=1, max_size_bytes=1000, min_duration_s=16, min_snr_db=15)
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Pair:
    """Two hosts, a file of their authorities, and what they saw in `authorization`, in order."""

    own: Host
    other: Host
    ca_file: Path
    seen: list[tuple[str, str | None]]

    def serve(self, host: Host, path: str, to: str = "", status: int = 302) -> None:
        """A page that notes what it is shown and sends elsewhere, or is the recording."""
        host.pages[path] = self._page(path, to, status)

    def _page(self, path: str, to: str, status: int) -> Answer:
        def page(request: BaseHTTPRequestHandler) -> None:
            self.seen.append((path, request.headers.get("authorization")))
            if to:
                reply(request, status, "text/plain", b"", location=to)
            else:
                reply(request, 200, "audio/wav", b"RIFF")

        return page

    def guard(self) -> EgressGuard:
        ports = (self.own.port, self.other.port)
        allowed = [f"{host}:{port}" for host in ("127.0.0.1", "localhost") for port in ports]
        return EgressGuard(AddressPolicy(allowed, setting="CALLDOCK_EGRESS_ALLOW"))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    (tmp_path / "own").mkdir()
    (tmp_path / "other").mkdir()
    with a_host(tmp_path / "own") as own, a_host(tmp_path / "other") as other:
        both = tmp_path / "both.pem"
        both.write_text(own.ca_file.read_text() + other.ca_file.read_text())
        yield Pair(own, other, both, [])


def credential_of(host: Host) -> HostCredential:
    return HostCredential(host="127.0.0.1", port=host.port, header_name="authorization", header_value="Bearer s3cret")


async def download(pair: Pair, url: str, tmp_path: Path, credential: HostCredential | None) -> None:
    downloader = Downloader(pair.guard(), trusting(pair.ca_file), 10)
    await downloader.download(url, RecordingFormat.WAV, RULES, tmp_path / "file", lambda _size: None, credential)


@pytest.mark.parametrize("status", REDIRECTS)
async def test_a_redirect_shows_what_lets_us_in_to_its_own_host_alone(pair: Pair, tmp_path: Path, status: int) -> None:
    pair.serve(pair.own, "/begin", f"{pair.other.url}/port", status)
    pair.serve(pair.other, "/port", f"https://localhost:{pair.own.port}/name", status)
    pair.serve(pair.own, "/name", f"{pair.own.url}/back", status)
    pair.serve(pair.own, "/back")

    await download(pair, f"{pair.own.url}/begin", tmp_path, credential_of(pair.own))

    assert pair.seen == [("/begin", "Bearer s3cret"), ("/port", None), ("/name", None), ("/back", "Bearer s3cret")]


@pytest.mark.parametrize("status", REDIRECTS)
async def test_a_name_and_password_in_a_link_do_not_go_along_to_another_host(
    pair: Pair, tmp_path: Path, status: int
) -> None:
    pair.serve(pair.own, "/begin", f"//127.0.0.1:{pair.other.port}/end", status)
    pair.serve(pair.other, "/end")

    await download(pair, f"https://name:word@127.0.0.1:{pair.own.port}/begin", tmp_path, None)

    assert [(path, shown is not None) for path, shown in pair.seen] == [("/begin", True), ("/end", False)]


async def test_what_lets_us_in_is_not_shown_in_the_clear(pair: Pair, tmp_path: Path) -> None:
    pair.serve(pair.own, "/begin", f"http://127.0.0.1:{pair.own.port}/clear")
    pair.serve(pair.own, "/clear")

    with pytest.raises(DownloadRefused, match="redirected from https to http"):
        await download(pair, f"{pair.own.url}/begin", tmp_path, credential_of(pair.own))

    assert pair.seen == [("/begin", "Bearer s3cret")]
    assert credential_of(pair.own).headers_for("http", "127.0.0.1", pair.own.port) == {}


@pytest.mark.parametrize("status", REDIRECTS)
async def test_a_receiver_that_sends_elsewhere_is_not_followed_with_what_it_was_sent(pair: Pair, status: int) -> None:
    pair.serve(pair.own, "/hook", f"{pair.other.url}/taken", status)
    pair.serve(pair.other, "/taken")
    receivers = Receivers(pair.guard(), trusting(pair.ca_file), 10)
    try:
        answer = await receivers.post(f"{pair.own.url}/hook", {"authorization": "Bearer s3cret"}, b"{}")
    finally:
        await receivers.close()

    assert (answer.outcome, answer.http_status) == (AttemptOutcome.HTTP_STATUS, status)
    assert pair.seen == [("/hook", "Bearer s3cret")]
