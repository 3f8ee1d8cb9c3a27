"""docs/contract.md 7: one POST, from the receiver's side, and every way in which it can fail."""

import asyncio
import socket
import threading
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path

import pytest

from services.notify.answers import Answer as NotifyAnswer
from services.notify.notification import AttemptOutcome
from services.notify.receiver import BODY_S, Receivers, retry_after_s
from services.shared.addresses import Address, AddressPolicy
from services.shared.egress import EgressGuard, trusting
from services.shared.look_ups import LookUps
from tests.support.hosts import Answer, Host, a_host, reply
from tests.support.misbehaving import cut, drip, drip_headers, endless, hang, hang_up, huge_headers, nonsense, reset


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with a_host(tmp_path_factory.mktemp("host")) as host:
        yield host


@asynccontextmanager
async def receivers(host: Host, timeout_s: float = 5, trust: Path | None = None) -> AsyncIterator[Receivers]:
    allowed = [f"127.0.0.1:{host.port}", "127.0.0.1:1"]
    guard = EgressGuard(AddressPolicy(allowed, setting="CALLDOCK_EGRESS_ALLOW_WEBHOOKS"))
    opened = Receivers(guard, trusting(trust or host.ca_file), timeout_s)
    try:
        yield opened
    finally:
        await opened.close()


async def post(host: Host, url: str, timeout_s: float = 5, trust: Path | None = None) -> NotifyAnswer:
    async with receivers(host, timeout_s, trust) as opened:
        return await opened.post(url, {}, b"{}")


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
        pytest.param(drip_headers, AttemptOutcome.TIMEOUT, None, id="7 growing pauses after a drip of headers"),
        pytest.param(reset, AttemptOutcome.CONNECTION, None, id="7 growing pauses after a reset"),
        pytest.param(nonsense, AttemptOutcome.CONNECTION, None, id="7 growing pauses after nonsense"),
        pytest.param(huge_headers, AttemptOutcome.CONNECTION, None, id="7 growing pauses after huge headers"),
        pytest.param(
            lambda request: reply(request, 307, "text/plain", b"", location="http://169.254.169.254/"),
            AttemptOutcome.HTTP_STATUS,
            307,
            id="7 growing pauses after a redirect inside",
        ),
        pytest.param(
            lambda request: reply(request, 410, "text/plain", b""), AttemptOutcome.HTTP_STATUS, 410, id="gone"
        ),
        pytest.param(hang_up, AttemptOutcome.DELIVERED, 204, id="7 at least once, 204 and hangs up"),
        pytest.param(drip, AttemptOutcome.DELIVERED, 200, id="7 at least once, 200 and a drip"),
        pytest.param(endless(200), AttemptOutcome.DELIVERED, 200, id="7 at least once, answers gigabytes"),
    ],
)
async def test_an_answer_has_its_outcome(host: Host, page: Answer, outcome: AttemptOutcome, status: int | None) -> None:
    host.pages["/page"] = page

    answer = await post(host, f"{host.url}/page", timeout_s=1)

    assert (answer.outcome, answer.http_status) == (outcome, status)
    assert bool(answer.reason) == (outcome is not AttemptOutcome.DELIVERED)


@pytest.mark.parametrize(
    ("url", "outcome"),
    [
        ("https://127.0.0.1:1/", AttemptOutcome.CONNECTION),
        ("https://no-such-host.invalid/", AttemptOutcome.CONNECTION),
        ("https://169.254.169.254/", AttemptOutcome.ADDRESS_REFUSED),
        ("http://[::1]/", AttemptOutcome.ADDRESS_REFUSED),
        ("http://[", AttemptOutcome.ADDRESS_REFUSED),
        ("nonsense", AttemptOutcome.ADDRESS_REFUSED),
        ("ftp://127.0.0.1/", AttemptOutcome.ADDRESS_REFUSED),
        ("http://0x7f000001:2/", AttemptOutcome.ADDRESS_REFUSED),
        ("http://user:secret@10.1.1.1/", AttemptOutcome.ADDRESS_REFUSED),
        ("http://us%3Aer:secret@127.0.0.1:1/", AttemptOutcome.ADDRESS_REFUSED),
    ],
)
async def test_an_address_that_cannot_be_had(host: Host, url: str, outcome: AttemptOutcome) -> None:
    answer = await post(host, url)

    assert answer.outcome is outcome
    assert answer.reason
    assert "secret" not in answer.reason


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
LONG = b"content-length: 1000\r\n\r\n"


def pieces(*pieces: bytes, then: Answer = cut) -> Answer:
    """Writes an answer piece by piece, each of which arrives alone, and ends in some way."""

    def page(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        request.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            request.wfile.write(piece)
            threading.Event().wait(0.03)
        then(request)

    return page


def reset_later(request: BaseHTTPRequestHandler) -> None:
    """RST when what came before it has been read."""
    threading.Event().wait(0.5)
    reset(request)


def nothing(request: BaseHTTPRequestHandler) -> None:
    """The connection stays until the other side ends it."""
    request.close_connection = False


BROKEN_BODIES = [
    pytest.param(pieces(OK + LONG + b"x"), 200, "x", id="7 at least once, 200 and a cut"),
    pytest.param(pieces(OK + LONG, b"x"), 200, "x", id="7 at least once, 200, then a cut"),
    pytest.param(pieces(OK + LONG + b"x", then=reset_later), 200, None, id="7 at least once, 200 and a reset"),
    pytest.param(pieces(OK + CHUNKED + b"nonsense\r\n", then=nothing), 200, "", id="200 with a bad chunk"),
    pytest.param(pieces(OK + CHUNKED, b"nonsense\r\n", then=nothing), 200, "", id="200, then a bad chunk"),
    pytest.param(pieces(OK + CHUNKED + b"1\r\nx\r\n", b"?\r\n", then=nothing), 200, None, id="200, a chunk, nonsense"),
    pytest.param(pieces(OK + CHUNKED + b"5\r\nx"), 200, "x", id="200 and a cut chunk"),
    pytest.param(pieces(b"HTTP/1.1 204 No\r\n\r\n\0\1garbage\r\n\r\n"), 204, "", id="204 with a body"),
    pytest.param(pieces(b"HTTP/1.1 204 No\r\n\r\n", b"\0\1garbage\r\n\r\n"), 204, "", id="204, then a body"),
    pytest.param(
        pieces(b"HTTP/1.1 100 Go\r\n\r\n" + OK + CHUNKED + b"nonsense\r\n"),
        200,
        "",
        id="100, 200, a bad chunk, at once",
    ),
    pytest.param(
        pieces((OK + CHUNKED)[:-1], b"\nnonsense\r\n"), 200, "", id="200 with its head's end among a bad chunk"
    ),
    pytest.param(pieces(b"HTTP/1.1 503 No\nretry-after: 7\n" + LONG + b"x"), 503, "x", id="503 and a cut"),
    pytest.param(pieces(b"HTTP/1.1 503 No\nretry-after: 7\n" + CHUNKED + b"?\r\n"), 503, "", id="503 with a bad chunk"),
    pytest.param(pieces(b"HTTP/1.1 503 No\r\nretry-after: 7\r\n" + LONG, then=drip), 503, None, id="503 and a drip"),
]


@pytest.mark.parametrize(("page", "status", "head"), BROKEN_BODIES)
async def test_a_status_counts_whatever_becomes_of_the_body(
    host: Host, page: Answer, status: int, head: str | None
) -> None:
    host.pages["/page"] = page

    answer = await post(host, f"{host.url}/page", timeout_s=1)

    is_delivered = status < 300
    assert answer.outcome is (AttemptOutcome.DELIVERED if is_delivered else AttemptOutcome.HTTP_STATUS)
    assert answer.http_status == status
    assert answer.retry_after_s == (None if is_delivered else 7.0)
    assert head is None or answer.head == head


async def test_a_body_that_does_not_end_holds_nobody_up_and_ends_its_connection(host: Host) -> None:
    connections: list[tuple[str, int]] = []
    is_over = threading.Event()

    def stalls(request: BaseHTTPRequestHandler) -> None:
        connections.append(request.client_address)
        if len(connections) == 2:
            reply(request, 204, "text/plain", b"")
            return
        request.wfile.write(OK + LONG + b"x")
        is_over.wait(30)

    host.pages["/stalls"] = stalls
    async with receivers(host, timeout_s=30) as opened:
        answers = [await opened.post(f"{host.url}/stalls", {}, b"{}") for _ in range(2)]
    is_over.set()

    assert [(answer.http_status, answer.head) for answer in answers] == [(200, "x"), (204, "")]
    assert answers[0].latency_ms < 10_000
    assert len(set(connections)) == 2


async def test_a_body_that_is_no_http_is_not_waited_for(host: Host) -> None:
    host.pages["/chunk"] = pieces(OK + CHUNKED, b"nonsense\r\n", then=hang)

    answer = await post(host, f"{host.url}/chunk")

    assert answer.outcome is AttemptOutcome.DELIVERED
    assert answer.latency_ms < BODY_S * 1000


async def test_a_connection_is_used_again_after_an_answer_that_was_whole(host: Host) -> None:
    connections: list[tuple[str, int]] = []

    def chunks(request: BaseHTTPRequestHandler) -> None:
        connections.append(request.client_address)
        request.wfile.write(OK + CHUNKED + b"1\r\nx\r\n0\r\n\r\n")

    host.pages["/chunks"] = chunks
    async with receivers(host) as opened:
        answers = [await opened.post(f"{host.url}/chunks", {}, b"{}") for _ in range(3)]

    assert [answer.head for answer in answers] == ["x"] * 3
    assert len(set(connections)) == 1


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        pytest.param({}, "Basic " + b64encode(b"user:secret").decode(), id="of the link"),
        pytest.param({"Authorization": "Bearer of-the-account"}, "Bearer of-the-account", id="of the account"),
        pytest.param({"authorization": "Bearer of-the-account"}, "Bearer of-the-account", id="in lower case"),
    ],
)
async def test_who_we_are_is_said_once(host: Host, headers: dict[str, str], shown: str) -> None:
    host.pages["/who"] = lambda request: reply(request, 204, "text/plain", b"")
    host.posted["/who"].clear()

    async with receivers(host) as opened:
        answer = await opened.post(host.url.replace("//", "//user:secret@") + "/who", headers, b"{}")

    assert answer.outcome is AttemptOutcome.DELIVERED
    assert [posted["authorization"] for posted, _ in host.posted["/who"]] == [shown]


async def test_a_certificate_that_nobody_vouches_for_is_a_failed_connection(host: Host, tmp_path: Path) -> None:
    with a_host(tmp_path) as stranger:
        answer = await post(host, f"{host.url}/page", trust=stranger.ca_file)

    assert answer.outcome is AttemptOutcome.CONNECTION
    assert "TLS" in answer.reason


async def test_the_head_of_an_answer_is_kept(host: Host) -> None:
    body = b"\xff\0" + "по-русски ".encode() * 1000
    host.pages["/head"] = lambda request: reply(request, 500, "text/plain", body)

    answer = await post(host, f"{host.url}/head")

    assert answer.head == "\ufffd\ufffd" + body[2:1024].decode("utf-8", "replace")
    assert "по-русски" not in repr(answer)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("99999999999999999999", 10**9),
        ("Mon, 02 Nov 2026 07:01:40 GMT", 100.0),
        ("Mon, 02 Nov 2026 06:00:00 GMT", 0.0),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Mon, 99 Nov 2026 07:01:40 GMT", None),
        ("٣", None),
    ],
)
def test_a_retry_after_is_read(text: str, seconds: float | None) -> None:
    assert retry_after_s(text, datetime(2026, 11, 2, 7, 0, tzinfo=UTC)) == seconds


async def test_a_retry_after_comes_with_the_answer(host: Host) -> None:
    host.pages["/busy"] = lambda request: reply(request, 429, "text/plain", b"", retry_after="7")

    assert (await post(host, f"{host.url}/busy")).retry_after_s == 7.0


async def test_a_connection_that_the_receiver_let_go_meanwhile_is_no_failure(host: Host) -> None:
    connections: list[tuple[str, int]] = []

    def answer_and_leave(request: BaseHTTPRequestHandler) -> None:
        """The answer promises to stay; the second POST on a connection finds it closed."""
        connections.append(request.client_address)
        if connections.count(request.client_address) == 2:
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
            return
        reply(request, 204, "text/plain", b"")

    host.pages["/leaves"] = answer_and_leave
    async with receivers(host) as opened:
        answers = [await opened.post(f"{host.url}/leaves", {}, b"{}") for _ in range(2)]

    assert [answer.outcome for answer in answers] == [AttemptOutcome.DELIVERED] * 2
    assert len(connections) == 3
    assert len(set(connections)) == 2


async def test_a_host_that_moves_inside_between_attempts_is_refused(host: Host) -> None:
    """The name is allowed nowhere but at addresses that are public, and it changes to one that is not."""
    addresses = iter(["198.41.0.4", "10.0.0.1"])
    asked: list[str] = []
    now_s = 0.0

    def ask(name: str, port: int) -> set[Address]:
        asked.append(name)
        return {ip_address(next(addresses))}

    guard = EgressGuard(
        AddressPolicy([], setting="CALLDOCK_EGRESS_ALLOW_WEBHOOKS"), look_ups=LookUps(ask, clock=lambda: now_s)
    )
    first = await guard.addresses("moves.example", 443)
    now_s = 60.0
    opened = Receivers(guard, trusting(host.ca_file), 5)
    answer = await opened.post("https://moves.example/hook", {}, b"{}")
    await opened.close()

    assert [str(address) for address in first] == ["198.41.0.4"]
    assert asked == ["moves.example"] * 2
    assert answer.outcome is AttemptOutcome.ADDRESS_REFUSED
    assert "CALLDOCK_EGRESS_ALLOW_WEBHOOKS" in answer.reason
    assert "10.0.0.1" not in answer.reason


async def test_a_receiver_that_hangs_costs_no_more_than_its_time(host: Host) -> None:
    host.pages["/hangs"] = hang
    host.pages["/page"] = lambda request: reply(request, 204, "text/plain", b"")
    async with receivers(host, timeout_s=1) as opened:
        hanging, quick = await asyncio.gather(
            opened.post(f"{host.url}/hangs", {}, b"{}"), opened.post(f"{host.url}/page", {}, b"{}")
        )

    assert (hanging.outcome, quick.outcome) == (AttemptOutcome.TIMEOUT, AttemptOutcome.DELIVERED)
    assert hanging.reason == "no answer within 1 s"
