"""Signing in to the client area of a running calldock: what a session is good for, and what it never is."""

import http.client
import json
import re

import pytest

from services.shared.sessions import APP_HEADER, COOKIE
from tests.support.running import Account, Calldock, until

IN_APP = {APP_HEADER: "1"}


def signed_in(calldock: Calldock, token: str) -> str:
    """The cookie of a session."""
    answer = calldock.http("POST", "/app/session", json.dumps({"access_token": token}), **IN_APP)
    assert answer.status == 200
    return answer.headers["set-cookie"].partition(";")[0]


@pytest.mark.parametrize("path", ["/v1/calls", "/v1/account", "/v1/notifications"])
def test_a_session_asks_the_api_and_a_cookie_alone_does_not(calldock: Calldock, account: Account, path: str) -> None:
    cookie = signed_in(calldock, account.token)

    assert calldock.http("GET", path, cookie=cookie, **IN_APP).status == 200
    assert calldock.http("GET", path, cookie=cookie).status == 401
    assert calldock.http("GET", path, **IN_APP).status == 401
    assert calldock.http("GET", path, cookie=cookie.replace(":", ":AAAA"), **IN_APP).status == 401


def test_a_cookie_alone_uploads_nothing(calldock: Calldock, account: Account) -> None:
    answer = calldock.http("POST", "/v1/calls:upload", '{"calls": []}', cookie=signed_in(calldock, account.token))

    assert answer.status == 401


def test_no_other_sites_page_is_told_that_it_may_send_the_header(calldock: Calldock) -> None:
    asked = {"origin": "https://evil.example", "access_control_request_method": "GET", "access_control_request_headers": APP_HEADER}  # fmt: skip
    for path in ("/v1/calls", "/app/session"):
        answer = calldock.http("OPTIONS", path, **asked)

        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_a_token_that_is_blocked_ends_its_sessions(calldock: Calldock, account: Account) -> None:
    made = calldock.http("POST", "/v1/tokens", '{"role": "ROLE_READ", "name": "reader"}', account.token).json
    cookie = signed_in(calldock, made["access_token"])
    assert calldock.http("GET", "/v1/calls", cookie=cookie, **IN_APP).status == 200

    path = f"/v1/tokens/{made['token']['token_id']}:block"
    assert calldock.http("POST", path, "{}", account.token).status == 200

    until(lambda: calldock.http("GET", "/v1/calls", cookie=cookie, **IN_APP).status == 401)
    answer = calldock.http("POST", "/app/session", json.dumps({"access_token": made["access_token"]}), **IN_APP)
    assert answer.status == 401


def test_an_account_is_entered_from_its_networks_whatever_a_browser_says(calldock: Calldock) -> None:
    account = calldock.account("Elsewhere")
    assert calldock.http("PATCH", "/v1/account", '{"allowed_networks": ["127.0.0.1"]}', account.token).status == 200
    body = json.dumps({"access_token": account.token})

    assert calldock.http("POST", "/app/session", body, **IN_APP).status == 200
    connection = http.client.HTTPConnection("127.0.0.1", calldock.port, timeout=30, source_address=("127.0.0.2", 0))
    connection.request("POST", "/app/session", body, {**IN_APP, "x-calldock-client-address": "127.0.0.1"})
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()

    assert answer.status == 403
    assert "127.0.0.2" in said["message"]


def test_open_prints_a_link_that_signs_in_once_and_the_log_has_neither_code_nor_token(
    calldock: Calldock, account: Account
) -> None:
    printed = calldock.cli("open", "--token", account.token)
    link = re.fullmatch(rf"{calldock.url}/app/#code=([\w.~-]{{100,300}})\n", printed.stdout)
    assert link is not None, printed.stderr

    body = json.dumps({"code": link[1]})
    said = [calldock.http("POST", "/app/session", body, **IN_APP).status for _ in range(2)]

    assert said == [200, 401]
    cookie = signed_in(calldock, account.token)
    log = calldock.log.read_text()
    assert account.token not in log
    assert link[1] not in log
    assert cookie.removeprefix(f"{COOKIE}=").strip('"') not in log


def test_open_without_a_token_or_with_a_wrong_one_says_what_is_due(calldock: Calldock) -> None:
    for arguments, told in (((), "--token"), (("--token", "wrong"), "Access token is invalid")):
        answer = calldock.cli("open", *arguments)

        assert answer.returncode != 0
        assert told in answer.stderr


def test_the_front_page_leads_to_the_client_area(calldock: Calldock) -> None:
    answer = calldock.http("GET", "/")

    assert (answer.status, answer.headers["location"]) == (302, f"{calldock.url}/app/")
    assert calldock.http("GET", "/app/").status == 200
