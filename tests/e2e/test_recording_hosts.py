"""Credentials of recording hosts: kept sealed, shown to their own host alone."""

import json
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.support.audio import good_wav
from tests.support.hosts import Host, a_host, reply
from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, a_calldock, until

WAV = good_wav(17)


def set_host(calldock: Calldock, account: Account, host: Host, **credential: Any) -> int:
    body = json.dumps({"host": f"127.0.0.1:{host.port}", **credential})
    return calldock.http("POST", "/v1/recordingHosts:set", body, account.token).status


def listed(calldock: Calldock, account: Account) -> list[dict[str, Any]]:
    hosts: list[dict[str, Any]] = calldock.http("GET", "/v1/recordingHosts", token=account.token).json[
        "recording_hosts"
    ]
    return hosts


def serve_guarded(host: Host, path: str, name: str, value: str) -> list[str | None]:
    """A page that gives the file to who shows the header; answers what it was shown."""
    shown: list[str | None] = []

    def page(request: BaseHTTPRequestHandler) -> None:
        shown.append(request.headers.get(name))
        if request.headers.get(name) == value:
            reply(request, 200, "audio/wav", WAV)
        else:
            reply(request, 401, "text/plain", b"who are you?")

    host.pages[path] = page
    return shown


def processed(calldock: Calldock, account: Account, ext_id: str, url: str) -> dict[str, Any]:
    record = {"employee_name": "Anna", "employee_channel": "left", "record_url": url}
    assert calldock.upload(account, a_json_call(ext_id=ext_id, wav_records=[record])).status == 200

    def look() -> dict[str, Any]:
        call: dict[str, Any] = calldock.http("GET", f"/v1/calls:lookup?ext_id={ext_id}", token=account.token).json
        return call

    until(lambda: look()["status"] in ("CALL_STATUS_PROCESSED", "CALL_STATUS_ERROR"))
    return look()


@pytest.mark.parametrize(
    ("credential", "name", "value"),
    [
        pytest.param({"bearer_token": "s3cret-token"}, "authorization", "Bearer s3cret-token", id="bearer"),
        pytest.param({"basic": {"username": "u", "password": "s3cret"}}, "authorization", "Basic dTpzM2NyZXQ=", id="basic"),
        pytest.param({"header": {"name": "X-Api-Key", "value": "s3cret"}}, "x-api-key", "s3cret", id="header"),
    ],
)  # fmt: skip
def test_a_guarded_host_gives_its_file(
    calldock: Calldock, host: Host, credential: dict[str, Any], name: str, value: str
) -> None:
    account = calldock.account("Guarded")
    serve_guarded(host, "/guarded.wav", name, value)

    without = processed(calldock, account, "without", f"{host.url}/guarded.wav")
    assert set_host(calldock, account, host, **credential) == 200
    with_it = processed(calldock, account, "with", f"{host.url}/guarded.wav")
    checked = calldock.http(
        "POST", "/v1/recordings:check",
        json.dumps({"record_url": f"{host.url}/guarded.wav", "format": "RECORDING_FORMAT_WAV"}), account.token,
    )  # fmt: skip

    assert (without["error_code"], "401" in without["error_message"]) == (
        "RECORDING_ERROR_CODE_HTTP_STATUS_DOWNLOAD_ERROR",
        True,
    )
    assert with_it["status"] == "CALL_STATUS_PROCESSED", with_it["error_message"]
    assert checked.json["verdict"]["is_accepted"]
    assert [(each["host"], each["header_name"]) for each in listed(calldock, account)] == [
        (f"127.0.0.1:{host.port}", name)
    ]


def test_a_redirect_to_another_host_shows_it_nothing(calldock: Calldock, host: Host, tmp_path: Any) -> None:
    account = calldock.account("Redirected")
    seen: list[str | None] = []

    def other(request: BaseHTTPRequestHandler) -> None:
        seen.append(request.headers.get("authorization"))
        reply(request, 200, "audio/wav", WAV)

    host.pages["/other.wav"] = other

    def moved(request: BaseHTTPRequestHandler) -> None:
        seen.append(request.headers.get("authorization"))
        request.send_response(302)
        # The same machine by another name: another host.
        request.send_header("location", f"https://localhost:{host.port}/other.wav")
        request.send_header("content-length", "0")
        request.end_headers()

    host.pages["/moved.wav"] = moved
    assert set_host(calldock, account, host, bearer_token="s3cret") == 200

    processed(calldock, account, "moved", f"{host.url}/moved.wav")

    assert seen == ["Bearer s3cret"] or seen == ["Bearer s3cret", None]


def test_a_link_that_says_who_asks_gives_way_to_what_the_account_stored(calldock: Calldock, host: Host) -> None:
    account = calldock.account("Both")
    shown = serve_guarded(host, "/both.wav", "authorization", "Bearer s3cret")
    set_host(calldock, account, host, bearer_token="s3cret")

    call = processed(calldock, account, "both", f"https://u:p@127.0.0.1:{host.port}/both.wav")

    assert call["status"] == "CALL_STATUS_PROCESSED", call["error_message"]
    assert set(shown) == {"Bearer s3cret"}


def test_another_accounts_downloads_show_nothing(calldock: Calldock, host: Host) -> None:
    account, other = calldock.account("Has it"), calldock.account("Has it not")
    shown = serve_guarded(host, "/mine.wav", "authorization", "Bearer s3cret")
    set_host(calldock, account, host, bearer_token="s3cret")

    call = processed(calldock, other, "theirs", f"{host.url}/mine.wav")

    assert call["status"] == "CALL_STATUS_ERROR"
    assert set(shown) == {None}
    assert listed(calldock, other) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"host": "x.example.com"}, 400, id="no credential"),
        pytest.param({"bearer_token": "t"}, 400, id="no host"),
        pytest.param({"host": "https://x.example.com/", "bearer_token": "t"}, 400, id="a link"),
        pytest.param({"host": "x.example.com", "bearer_token": "a\r\nx: y"}, 400, id="a second header in a token"),
        pytest.param({"host": "x.example.com", "header": {"name": "x y", "value": "t"}}, 400, id="no header name"),
        pytest.param({"host": "x.example.com", "header": {"name": "Host", "value": "t"}}, 400, id="a header of the transport"),
        pytest.param({"host": "x.example.com", "header": {"name": "x-k", "value": "a\nb"}}, 400, id="a header of two lines"),
        pytest.param({"host": "x.example.com", "basic": {"username": "a:b"}}, 400, id="a colon in the name"),
    ],
)  # fmt: skip
def test_what_is_no_credential_is_refused(
    calldock: Calldock, account: Account, body: dict[str, Any], status: int
) -> None:
    assert calldock.http("POST", "/v1/recordingHosts:set", json.dumps(body), account.token).status == status


def test_the_secret_is_sealed_on_the_disk_and_in_no_log(tmp_path: Any) -> None:
    with a_host(tmp_path) as host:
        settings = {"EGRESS_ALLOW": f"127.0.0.1:{host.port}", "EGRESS_CA_FILE": str(host.ca_file)}
        with a_calldock(tmp_path, **settings) as calldock:
            account = calldock.account()
            serve_guarded(host, "/guarded.wav", "authorization", "Bearer top-s3cret-word")
            set_host(calldock, account, host, bearer_token="top-s3cret-word")
            processed(calldock, account, "one", f"{host.url}/guarded.wav")
            processed(calldock, account, "two", f"{host.url}/none.wav")
            log = calldock.log.read_text()
            kept = b"".join(path.read_bytes() for path in calldock.data_dir.glob("intake.db*"))

    assert "top-s3cret-word" not in log
    assert b"top-s3cret-word" not in kept
