"""docs/contract.md 6: every way in which a download can fail, from a real https host on loopback."""

import asyncio
import hashlib
import socket
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from services.media.digest import Digests
from services.media.download import Downloaded, Downloader
from services.media.fetch import Fetching
from services.media.metrics import MediaMetrics
from services.media.room import DownloadRoom
from services.media.verdict import AudioRules, ErrorCode, Fault, RecordingFormat
from services.shared.addresses import AddressPolicy
from services.shared.egress import EgressGuard, trusting
from services.shared.errors import Busy
from services.shared.objects import LocalObjects
from tests.support.hosts import Answer, Host, a_host, reply
from tests.support.running import free_port

MAX_BYTES = 100_000
RULES = AudioRules(version=1, max_size_bytes=MAX_BYTES, min_duration_s=16, min_snr_db=15)
DATA = b"RIFF" + bytes(90_000)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with a_host(tmp_path_factory.mktemp("host")) as host:
        yield host


@pytest.fixture
def fetching(host: Host, tmp_path: Path) -> Fetching:
    return a_fetching(host, tmp_path)


def a_fetching(
    host: Host, tmp_path: Path, timeout_s: float = 10, *, trusts_host: bool = True, room: DownloadRoom | None = None
) -> Fetching:
    guard = EgressGuard(
        AddressPolicy([f"127.0.0.1:{host.port}", "127.0.0.1:1"], setting="CALLDOCK_EGRESS_ALLOW_DOWNLOADS")
    )
    downloader = Downloader(guard, trusting(host.ca_file if trusts_host else None), timeout_s)
    (tmp_path / "scratch").mkdir(exist_ok=True)
    return Fetching(
        downloader,
        LocalObjects(tmp_path / "objects"),
        tmp_path / "scratch",
        room or DownloadRoom(files=4, files_per_host=4, size_bytes=MAX_BYTES * 4),
        MediaMetrics(),
    )


async def fetch(fetching: Fetching, url: str, kind: RecordingFormat = RecordingFormat.WAV) -> object:
    return await fetching.fetch(url, kind, "1/1/1/1.wav", RULES)


def left_behind(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.contract("6 Content-Type by case", "6 Content-Type parameters")
async def test_a_good_file_lies_whole_under_its_key(host: Host, fetching: Fetching, tmp_path: Path) -> None:
    url = host.serve("/good.wav", "Audio/WAV; charset=x", DATA)

    found = await fetch(fetching, url)

    assert found == Downloaded(
        len(DATA), Digests(sha256=hashlib.sha256(DATA).hexdigest(), sha512=hashlib.sha512(DATA).hexdigest())
    )
    assert left_behind(tmp_path) == [tmp_path / "objects/1/1/1/1.wav"]
    assert (tmp_path / "objects/1/1/1/1.wav").read_bytes() == DATA


def stalling(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("content-type", "audio/wav")
    request.end_headers()
    for _ in range(200):
        request.wfile.write(b"x")
        threading.Event().wait(0.05)


def cut_short(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("content-type", "audio/wav")
    request.send_header("content-length", "1000")
    request.end_headers()
    request.wfile.write(b"x" * 500)
    request.close_connection = True


def without_length(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("content-type", "audio/wav")
    request.end_headers()
    for _ in range(20):
        request.wfile.write(b"x" * 10_000)
    request.close_connection = True


def reset(request: BaseHTTPRequestHandler) -> None:
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.close()


def redirect(to: str, status: int = 302) -> Answer:
    return lambda request: reply(request, status, "text/plain", b"", location=to)


@pytest.mark.parametrize(
    ("page", "code", "told"),
    [
        pytest.param(
            lambda request: reply(request, 404, "audio/wav", b""),
            ErrorCode.HTTP_STATUS,
            "answered 404, 200 is needed",
            id="6 http_status_download_error 404",
        ),
        pytest.param(
            lambda request: reply(request, 204, "audio/wav", b""),
            ErrorCode.HTTP_STATUS,
            "answered 204",
            id="6 http_status_download_error 204",
        ),
        pytest.param(
            lambda request: reply(request, 500, "text/html", b"x"),
            ErrorCode.HTTP_STATUS,
            "answered 500",
            id="6 status before content type",
        ),
        pytest.param(
            lambda request: reply(request, 200, "text/html", b"x"),
            ErrorCode.CONTENT_TYPE,
            "Content-Type is 'text/html', audio/wav is needed",
            id="6 http_content_type_download_error",
        ),
        pytest.param(
            lambda request: reply(request, 200, "audio/x-wav", DATA),
            ErrorCode.CONTENT_TYPE,
            "'audio/x-wav'",
            id="6 Content-Type alias refused",
        ),
        pytest.param(
            lambda request: reply(request, 200, "audio/mpeg", DATA),
            ErrorCode.CONTENT_TYPE,
            "'audio/mpeg'",
            id="6 wav_records Content-Type of the download, the other kind's",
        ),
        pytest.param(
            lambda request: reply(request, 200, "audio/wav", bytes(MAX_BYTES + 1)),
            ErrorCode.MAX_FILE_SIZE,
            "100,001 bytes by its Content-Length",
            id="6 max_file_size_download_error by header",
        ),
        pytest.param(
            without_length,
            ErrorCode.MAX_FILE_SIZE,
            "more than 100,000 bytes came",
            id="6 max_file_size_download_error by count",
        ),
        pytest.param(
            cut_short,
            ErrorCode.CONNECTION,
            "broke before the file was whole",
            id="6 connection_download_error cut short",
        ),
        pytest.param(reset, ErrorCode.CONNECTION, "connection broke", id="6 connection_download_error reset"),
        pytest.param(
            redirect("https://169.254.169.254/x"),
            ErrorCode.DOWNLOAD_ERROR,
            "CALLDOCK_EGRESS_ALLOW_DOWNLOADS",
            id="6 download_error redirect inside",
        ),
        pytest.param(
            redirect("http://127.0.0.1:1/x"),
            ErrorCode.DOWNLOAD_ERROR,
            "from https to http",
            id="6 download_error redirect to http",
        ),
        pytest.param(
            redirect("file:///etc/passwd"),
            ErrorCode.DOWNLOAD_ERROR,
            "no http or https link",
            id="6 download_error redirect to a file",
        ),
        pytest.param(
            redirect("/page"),
            ErrorCode.DOWNLOAD_ERROR,
            "more than 5 redirects",
            id="6 download_error redirect for ever",
        ),
        pytest.param(
            redirect(""), ErrorCode.DOWNLOAD_ERROR, "no http or https link", id="6 download_error redirect nowhere"
        ),
        pytest.param(
            redirect("https://[::bad"), ErrorCode.DOWNLOAD_ERROR, "no link", id="6 download_error redirect to nonsense"
        ),
    ],
)
async def test_a_failure_has_its_code_and_leaves_nothing(
    host: Host, fetching: Fetching, tmp_path: Path, page: Answer, code: ErrorCode, told: str
) -> None:
    host.pages["/page"] = page

    fault = await fetch(fetching, f"{host.url}/page")

    assert isinstance(fault, Fault)
    assert fault.code is code
    assert told in fault.message
    assert left_behind(tmp_path) == []


async def test_a_redirect_within_the_rules_is_followed(host: Host, fetching: Fetching) -> None:
    host.serve("/there.wav", "audio/wav", DATA)
    host.pages["/moved"] = redirect("there.wav", 308)

    assert not isinstance(await fetch(fetching, f"{host.url}/moved"), Fault)


@pytest.mark.contract("6 timeout_download_error", "6 30 seconds")
async def test_a_slow_drip_ends_at_the_limit(host: Host, tmp_path: Path) -> None:
    host.pages["/slow"] = stalling

    fault = await fetch(a_fetching(host, tmp_path, timeout_s=0.5), f"{host.url}/slow")

    assert fault == Fault(ErrorCode.TIMEOUT, "the download took longer than 0.5 s")
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    ("url", "code", "told"),
    [
        pytest.param(
            "https://10.0.0.1:1/x.wav",
            ErrorCode.DOWNLOAD_ERROR,
            "not public and not allowed",
            id="6 address before connection",
        ),
        pytest.param(
            "https://127.0.0.1:1/x.wav",
            ErrorCode.CONNECTION,
            "could not connect",
            id="6 connection_download_error refused",
        ),
        pytest.param(
            "https://no-such-host.invalid/x.wav",
            ErrorCode.CONNECTION,
            "no address",
            id="6 connection_download_error DNS",
        ),
        pytest.param(
            "https://10.0.0.1/x.wav",
            ErrorCode.DOWNLOAD_ERROR,
            "not public and not allowed",
            id="6 download_error address",
        ),
        pytest.param(
            "https://[::1]/x.wav",
            ErrorCode.DOWNLOAD_ERROR,
            "not public and not allowed",
            id="6 download_error address, IPv6",
        ),
        pytest.param("https://xn--a/x.wav", ErrorCode.DOWNLOAD_ERROR, "not a link", id="6 download_error broken IDN"),
        pytest.param(
            "https://" + "a" * 64 + ".example/x.wav",
            ErrorCode.CONNECTION,
            "",
            id="6 connection_download_error a label too long",
        ),
        pytest.param("https://x:99999/y.wav", ErrorCode.DOWNLOAD_ERROR, "not a link", id="6 download_error no port"),
        pytest.param(
            "https://exa mple/x.wav", ErrorCode.CONNECTION, "", id="6 connection_download_error a space in the host"
        ),
    ],
)
async def test_an_address_that_cannot_be_had(fetching: Fetching, url: str, code: ErrorCode, told: str) -> None:
    fault = await fetch(fetching, url)

    assert isinstance(fault, Fault)
    assert told in fault.message
    assert fault.code is code


async def test_a_certificate_that_nobody_vouches_for_is_refused(host: Host, tmp_path: Path) -> None:
    host.serve("/good.wav", "audio/wav", DATA)

    fault = await fetch(a_fetching(host, tmp_path, trusts_host=False), f"{host.url}/good.wav")

    assert isinstance(fault, Fault)
    assert (fault.code, "TLS" in fault.message) == (ErrorCode.CONNECTION, True)


async def test_a_cancelled_download_leaves_nothing_and_frees_its_place(
    host: Host, fetching: Fetching, tmp_path: Path
) -> None:
    host.pages["/slow"] = stalling
    before = host.hits["/slow"]
    downloads = [asyncio.create_task(fetch(fetching, f"{host.url}/slow")) for _ in range(4)]
    await asyncio.to_thread(host.wait, lambda: host.hits["/slow"] == before + 4)

    for download in downloads:
        download.cancel()
    await asyncio.gather(*downloads, return_exceptions=True)

    assert left_behind(tmp_path) == []
    assert not isinstance(await fetch(fetching, host.serve("/good.wav", "audio/wav", DATA)), Fault)


def test_the_proxies_of_the_environment_are_not_asked(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    url = host.serve("/good.wav", "audio/wav", DATA)

    async def run() -> object:
        return await fetch(a_fetching(host, tmp_path), url)

    assert not isinstance(asyncio.run(run()), Fault)


@pytest.mark.contract("6 connection before status")
async def test_a_host_that_nobody_vouches_for_is_not_asked_for_its_status(host: Host, tmp_path: Path) -> None:
    fault = await fetch(a_fetching(host, tmp_path, trusts_host=False), f"{host.url}/not-there.wav")

    assert isinstance(fault, Fault)
    assert fault.code is ErrorCode.CONNECTION


def endless(content_type: str, length: int) -> Answer:
    """A page that promises so many bytes and sends them too slowly."""

    def page(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("content-type", content_type)
        request.send_header("content-length", str(length))
        request.end_headers()
        for _ in range(200):
            request.wfile.write(b"x")
            threading.Event().wait(0.05)

    return page


@pytest.mark.parametrize(
    ("page", "code"),
    [
        pytest.param(endless("text/html", MAX_BYTES + 1), ErrorCode.CONTENT_TYPE, id="6 content type before size"),
        pytest.param(endless("audio/wav", MAX_BYTES + 1), ErrorCode.MAX_FILE_SIZE, id="6 size before time"),
        pytest.param(endless("audio/wav", MAX_BYTES), ErrorCode.TIMEOUT, id="6 time before first bytes"),
    ],
)
async def test_a_download_that_breaks_two_rules_has_the_first_ones_code(
    host: Host, tmp_path: Path, page: Answer, code: ErrorCode
) -> None:
    host.pages["/two"] = page

    fault = await fetch(a_fetching(host, tmp_path, timeout_s=0.5), f"{host.url}/two")

    assert isinstance(fault, Fault)
    assert fault.code is code


@pytest.mark.parametrize(
    ("kind", "content_type", "size", "code"),
    [
        pytest.param("wav", "audio/wav", MAX_BYTES, None, id="6 50 MB, the limit itself"),
        pytest.param("wav", "audio/wav", MAX_BYTES + 1, "max_file_size_download_error", id="6 50 MB, a byte more"),
        pytest.param("mp3", "audio/mpeg", MAX_BYTES, None, id="6 50 MB of MP3, the limit itself"),
        pytest.param("mp3", "audio/mpeg", MAX_BYTES + 1, "max_file_size_download_error", id="6 50 MB of MP3, a byte more"),
        pytest.param("mp3", "AUDIO/MPEG;x=y", 9, None, id="6 mp3_records Content-Type of the download"),
        pytest.param("mp3", "audio/mp3", 9, "http_content_type_download_error", id="6 Content-Type alias refused, audio/mp3"),
        pytest.param("wav", "audio/wave", 9, "http_content_type_download_error", id="6 Content-Type alias refused, audio/wave"),
        pytest.param("wav", "audio/vnd.wave", 9, "http_content_type_download_error", id="6 Content-Type alias refused, audio/vnd.wave"),
        pytest.param("mp3", "audio/wav", 9, "http_content_type_download_error", id="6 mp3_records Content-Type of the download, the other kind's"),
        pytest.param("wav", "Audio/Y; a=b", 9, "http_content_type_download_error", id="6 Content-Type quoted"),
        pytest.param("wav", "", 9, "http_content_type_download_error", id="6 Content-Type quoted, empty"),
    ],
)  # fmt: skip
async def test_type_and_size_are_those_of_the_kind(
    host: Host, fetching: Fetching, kind: str, content_type: str, size: int, code: str | None
) -> None:
    url = host.serve("/kind", content_type, bytes(size))

    found = await fetch(fetching, url, RecordingFormat(kind))

    if code is None:
        assert not isinstance(found, Fault)
    else:
        assert isinstance(found, Fault)
        assert found.code == code
        assert code == "max_file_size_download_error" or f"Content-Type is '{content_type}'" in found.message


@pytest.mark.parametrize(
    ("room", "why"),
    [
        pytest.param(DownloadRoom(files=1, files_per_host=4, size_bytes=MAX_BYTES * 4), "slot", id="files"),
        pytest.param(DownloadRoom(files=4, files_per_host=1, size_bytes=MAX_BYTES * 4), "one host", id="files of a host"),
        pytest.param(DownloadRoom(files=4, files_per_host=4, size_bytes=len(DATA) + 1), "too many bytes", id="bytes"),
    ],
)  # fmt: skip
async def test_what_does_not_fit_comes_again_and_what_ended_makes_room(
    host: Host, tmp_path: Path, room: DownloadRoom, why: str
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def hang(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("content-type", "audio/wav")
        request.send_header("content-length", str(len(DATA)))
        request.end_headers()
        request.wfile.write(DATA[:1000])
        began.set()
        go_on.wait(30)
        request.wfile.write(DATA[1000:])

    host.pages["/hangs.wav"] = hang
    good = host.serve("/fits.wav", "audio/wav", DATA)
    fetching = a_fetching(host, tmp_path, 30, room=room)
    first = asyncio.create_task(fetch(fetching, f"{host.url}/hangs.wav"))
    await asyncio.to_thread(began.wait, 30)
    # The bytes are taken when the head of the answer has come.
    while why == "too many bytes" and not list((tmp_path / "scratch").rglob("source")):
        await asyncio.sleep(0.01)

    with pytest.raises(Busy, match=why):
        await fetch(fetching, good)

    go_on.set()
    await first
    assert not isinstance(await fetch(fetching, good), Fault)


async def test_a_file_without_a_length_takes_the_room_of_the_largest(host: Host, tmp_path: Path) -> None:
    def unknown(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("content-type", "audio/wav")
        request.send_header("connection", "close")
        request.end_headers()
        request.wfile.write(DATA)

    host.pages["/unknown.wav"] = unknown
    small = DownloadRoom(files=4, files_per_host=4, size_bytes=MAX_BYTES - 1)

    with pytest.raises(Busy, match="too many bytes"):
        await fetch(a_fetching(host, tmp_path, room=small), f"{host.url}/unknown.wav")

    enough = DownloadRoom(files=4, files_per_host=4, size_bytes=MAX_BYTES)
    assert not isinstance(await fetch(a_fetching(host, tmp_path, room=enough), f"{host.url}/unknown.wav"), Fault)
