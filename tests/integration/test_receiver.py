"""docs/contract.md 7: one POST, from the receiver's side, and every way in which it can fail."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from services.notify.notification import AttemptOutcome
from services.notify.receiver import Receivers
from services.shared.egress import EgressGuard, trusting
from tests.support.hosts import Answer, Host, a_host, reply


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with a_host(tmp_path_factory.mktemp("host")) as host:
        yield host


def receivers(host: Host, timeout_s: float = 5, trust: Path | None = None) -> Receivers:
    guard = EgressGuard([f"127.0.0.1:{host.port}", "127.0.0.1:1"], setting="CALLDOCK_EGRESS_ALLOW_WEBHOOKS")
    return Receivers(guard, trusting(trust or host.ca_file), timeout_s)


def hang(request: BaseHTTPRequestHandler) -> None:
    threading.Event().wait(3)


def cut(request: BaseHTTPRequestHandler) -> None:
    request.connection.shutdown(socket.SHUT_RDWR)


def hang_up(request: BaseHTTPRequestHandler) -> None:
    """A whole answer, and the connection gone at once."""
    reply(request, 204, "text/plain", b"", connection="close")
    request.close_connection = True
    request.connection.unwrap()


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    for _ in range(10_000):
        request.wfile.write(b"x" * 65536)


@pytest.mark.parametrize(
    ("page", "outcome", "status"),
    [
        pytest.param(
            lambda request: reply(request, 200, "text/plain", b"ok"),
            AttemptOutcome.DELIVERED,
            200,
            id="7 at least once, 200",
        ),
        pytest.param(
            lambda request: reply(request, 202, "text/html", b"<garbage" * 10),
            AttemptOutcome.DELIVERED,
            202,
            id="7 at least once, 202 with garbage",
        ),
        pytest.param(
            lambda request: reply(request, 302, "text/plain", b"", location="/other"),
            AttemptOutcome.HTTP_STATUS,
            302,
            id="7 growing pauses after a redirect",
        ),
        pytest.param(
            lambda request: reply(request, 500, "text/plain", b""),
            AttemptOutcome.HTTP_STATUS,
            500,
            id="7 growing pauses after 500",
        ),
        pytest.param(hang, AttemptOutcome.TIMEOUT, None, id="7 growing pauses after it hangs"),
        pytest.param(cut, AttemptOutcome.CONNECTION, None, id="7 growing pauses after a cut"),
        pytest.param(hang_up, AttemptOutcome.DELIVERED, 204, id="7 at least once, 204 and hangs up"),
        pytest.param(endless, AttemptOutcome.DELIVERED, 200, id="7 at least once, answers gigabytes"),
    ],
)
async def test_an_answer_has_its_outcome(host: Host, page: Answer, outcome: AttemptOutcome, status: int | None) -> None:
    host.pages["/page"] = page

    answer = await receivers(host, timeout_s=1).post(f"{host.url}/page", {}, b"{}")

    assert (answer.outcome, answer.http_status) == (outcome, status)
    assert bool(answer.reason) == (outcome is not AttemptOutcome.DELIVERED)


@pytest.mark.parametrize(
    ("url", "outcome"),
    [
        ("https://127.0.0.1:1/", AttemptOutcome.CONNECTION),
        ("https://no-such-host.invalid/", AttemptOutcome.CONNECTION),
        ("https://169.254.169.254/", AttemptOutcome.ADDRESS_REFUSED),
        ("http://[::1]/", AttemptOutcome.ADDRESS_REFUSED),
        ("http://[", AttemptOutcome.CONNECTION),
        ("nonsense", AttemptOutcome.ADDRESS_REFUSED),
    ],
)
async def test_an_address_that_cannot_be_had(host: Host, url: str, outcome: AttemptOutcome) -> None:
    assert (await receivers(host).post(url, {}, b"{}")).outcome is outcome


async def test_a_certificate_that_nobody_vouches_for_is_a_failed_connection(host: Host, tmp_path: Path) -> None:
    with a_host(tmp_path) as stranger:
        answer = await receivers(host, trust=stranger.ca_file).post(f"{host.url}/page", {}, b"{}")

    assert answer.outcome is AttemptOutcome.CONNECTION
    assert "TLS" in answer.reason
