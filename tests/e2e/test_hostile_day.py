"""A day of two hundred recordings, one in ten of them hostile: nothing is lost, and the good ones are not held up."""

import time
from collections import Counter
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from services.media.verdict import RecordingFormat
from tests.support.audio import good_wav
from tests.support.corpus import corpus
from tests.support.hosts import Host, a_host
from tests.support.makers import a_json_call
from tests.support.running import Calldock, a_calldock, until

RECORDINGS = 200
EVERY = 10


def reset(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("content-type", "audio/wav")
    request.send_header("content-length", "1000000")
    request.end_headers()
    request.wfile.write(b"RIFF" * 1000)
    request.connection.close()


def drip(request: BaseHTTPRequestHandler) -> None:
    """A byte a tenth of a second, for longer than anybody waits here."""
    request.send_response(200)
    request.send_header("content-type", "audio/wav")
    request.end_headers()
    for _ in range(600):
        request.wfile.write(b"R")
        time.sleep(0.1)


def inside(request: BaseHTTPRequestHandler) -> None:
    request.send_response(302)
    request.send_header("location", "https://169.254.169.254/latest/meta-data")
    request.send_header("content-length", "0")
    request.end_headers()


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("content-type", "audio/wav")
    request.end_headers()
    for _ in range(60):
        request.wfile.write(bytes(1_000_000))


def hostile(host: Host) -> list[tuple[str, str]]:
    """Links, and the code that each ends with: hosts that misbehave, and the refused WAVs of the corpus."""
    pages = {
        "reset": (reset, "connection_download_error"),
        "drip": (drip, "timeout_download_error"),
        "inside": (inside, "download_error"),
        "endless": (endless, "max_file_size_download_error"),
    }
    found = []
    for name, (page, code) in pages.items():
        host.pages[f"/{name}"] = page
        found.append((f"{host.url}/{name}", code))
    refused = [case for case in corpus() if case.kind is RecordingFormat.WAV and case.code is not None]
    wanted = RECORDINGS // EVERY - len(found)
    for place, case in enumerate(refused[:: len(refused) // wanted][:wanted]):
        assert case.code is not None
        found.append((host.serve(f"/bad-{place}", "audio/wav", case.data), case.code.value))
    return found


@pytest.mark.timeout(240)
def test_every_recording_of_the_day_has_its_verdict_and_nothing_is_left_behind(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        host.serve("/good.wav", "audio/wav", good_wav(17))
        bad = hostile(host)
        settings = {
            "EGRESS_ALLOW": f"127.0.0.1:{host.port}",
            "EGRESS_CA_FILE": str(host.ca_file),
            "MEDIA_DOWNLOAD_TIMEOUT_S": "15",
            "MEDIA_DOWNLOAD_PAUSES_S": "0.1",
        }
        with a_calldock(tmp_path, **settings) as calldock:
            expected = play(calldock, host, bad)

            assert Counter(expected.values()) == Counter({"": RECORDINGS - len(bad)}) + Counter(code for _, code in bad)
            for ext_id, code in expected.items():
                *_, last = host.heard[ext_id]
                assert [told["status"] for told in host.heard[ext_id]] == [
                    "in_process",
                    "error" if code else "processed",
                ]
                assert last.get("error_code", "") == code, last
            assert host.forged == 0
            until(lambda: not list((calldock.data_dir / "scratch").iterdir()))


def play(calldock: Calldock, host: Host, bad: list[tuple[str, str]]) -> dict[str, str]:
    """Uploads the day and waits for its end; answers the code that each call is to end with, empty for a good one."""
    account = calldock.account()
    host.secrets.append(account.secret)
    expected, calls = {}, []
    for number in range(RECORDINGS):
        url, code = f"{host.url}/good.wav?{number}", ""
        if number % EVERY == 0:
            url, code = bad[number // EVERY]
        expected[f"day-{number}"] = code
        record = {"employee_name": "Anna", "employee_channel": "left", "record_url": url}
        callback = {"url": host.hook, "events": ["processed", "in_process", "error"]}
        calls.append(a_json_call(ext_id=f"day-{number}", wav_records=[record], callback=callback))
    assert calldock.upload(account, *calls).status == 200
    host.wait(lambda: all(len(host.heard[ext_id]) == 2 for ext_id in expected), limit_s=150)
    return expected
