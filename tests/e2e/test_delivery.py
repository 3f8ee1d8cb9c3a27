"""Notifications by a whole instance: receivers that misbehave, what their account sees of it, and who may do what."""

import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.hosts import Answer, Host, a_host, reply
from tests.support.makers import a_json_call
from tests.support.misbehaving import drip, drip_headers, endless, hang, reset
from tests.support.running import Account, Calldock, a_calldock, free_port, until

DELIVERED, BURIED, WAITING = (
    "NOTIFICATION_STATUS_DELIVERED",
    "NOTIFICATION_STATUS_BURIED",
    "NOTIFICATION_STATUS_WAITING",
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with a_host(tmp_path_factory.mktemp("host")) as host:
        yield host


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def calldock(host: Host, metrics_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calldock]:
    folder: Path = tmp_path_factory.mktemp("calldock")
    settings = {
        "EGRESS_ALLOW_WEBHOOKS": "127.0.0.1,stranger.localhost",
        "EGRESS_CA_FILE": str(host.ca_file),
        "NOTIFY_TIMEOUT_S": "2",
        "NOTIFY_RETRY_SCHEDULE_S": "0.1,0.1,0.1,0.1,0.1,0.1",
        "NOTIFY_BREAKER_FAILURES": "3",
        "NOTIFY_BREAKER_PAUSE_S": "0.3",
        "NOTIFY_METRICS_LISTEN": f"127.0.0.1:{metrics_port}",
    }
    with a_calldock(folder, **settings) as calldock:
        yield calldock


@pytest.fixture
def account(calldock: Calldock, host: Host) -> Account:
    account = calldock.account("Delivery")
    host.secrets.append(account.secret)
    return account


def upload(
    calldock: Calldock, account: Account, url: str, *ext_ids: str, events: tuple[str, ...] = ("processed",)
) -> None:
    callback = {"url": url, "events": list(events)}
    answer = calldock.upload(account, *(a_json_call(ext_id=ext_id, callback=callback) for ext_id in ext_ids))
    assert answer.status == 200, answer.body


def listed(calldock: Calldock, account: Account, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = calldock.http("GET", f"/v1/notifications{query}", token=account.token).json[
        "notifications"
    ]
    return found


def statuses(calldock: Calldock, account: Account) -> list[str]:
    return [each["status"] for each in listed(calldock, account)]


def receivers(calldock: Calldock, account: Account) -> dict[str, dict[str, Any]]:
    found = calldock.http("GET", "/v1/receivers", token=account.token).json["receivers"]
    return {each["host"]: each for each in found}


HOSTILE: dict[str, tuple[Answer, str, str]] = {
    "hang": (hang, "ATTEMPT_OUTCOME_TIMEOUT", "no answer within 2 s"),
    "drip": (drip_headers, "ATTEMPT_OUTCOME_TIMEOUT", "no answer within 2 s"),
    "reset": (reset, "ATTEMPT_OUTCOME_CONNECTION", "the connection broke"),
    "gigabytes": (endless(500), "ATTEMPT_OUTCOME_HTTP_STATUS", "the receiver answered 500"),
    "redirect": (
        lambda request: reply(request, 308, "text/plain", b"", location="http://169.254.169.254/"),
        "ATTEMPT_OUTCOME_HTTP_STATUS",
        "the receiver answered 308",
    ),
}


TAKEN: dict[str, Answer] = {"dripping body": drip, "gigabytes of thanks": endless(200)}
"""What took the notification, whatever it sends then."""


def test_hostile_receivers_end_as_the_schedule_says_and_cost_others_nothing(
    calldock: Calldock, host: Host, tmp_path: Path
) -> None:
    """Each has an account of its own, and so a breaker; a good receiver on the same host is told meanwhile."""
    names = (*HOSTILE, *TAKEN, "stranger", "refused", "good")
    with ThreadPoolExecutor(2) as pool:
        accounts = dict(zip(names, pool.map(calldock.account, names), strict=True))
    host.secrets.append(accounts["good"].secret)
    with a_host(tmp_path) as stranger:
        urls = {
            **{name: f"{host.url}/{name}" for name in HOSTILE},
            "stranger": f"{stranger.url}/hook",
            "refused": f"http://127.0.0.1:{free_port()}/hook",
        }
        for name, (page, _, _) in HOSTILE.items():
            host.pages[f"/{name}"] = page
        for name, page in TAKEN.items():
            host.pages[f"/{quote(name)}"] = page
        for name, url in {**urls, **{name: f"{host.url}/{quote(name)}" for name in TAKEN}}.items():
            upload(calldock, accounts[name], url, name)
        upload(calldock, accounts["good"], host.hook, *(f"good-{number}" for number in range(20)))

        until(lambda: statuses(calldock, accounts["good"]) == [DELIVERED] * 20, 5)
        until(lambda: all(statuses(calldock, accounts[name]) == [DELIVERED] for name in TAKEN), 10)
        until(lambda: all(statuses(calldock, accounts[name]) == [BURIED] for name in urls), 60)

    ended = {name: listed(calldock, accounts[name])[0] for name in urls}
    log = calldock.log.read_text()
    for name, (_, outcome, reason) in HOSTILE.items():
        assert [attempt["outcome"] for attempt in ended[name]["attempts"]] == [outcome] * 7, (
            name,
            ended[name]["attempts"],
        )
        assert ended[name]["attempts"][0]["reason"] == reason
        assert ended[name]["bury_reason"] == f"failed 7 times; the last time: {reason}"
        assert reason in log
    assert "TLS failed" in ended["stranger"]["attempts"][0]["reason"]
    assert ended["refused"]["attempts"][0]["reason"] == "could not connect"
    assert len(ended["gigabytes"]["attempts"][0]["answer_head"]) == 1024
    assert "169.254" not in json.dumps(ended["redirect"]["attempts"])


def test_a_paused_receiver_loses_nothing_and_is_seen(
    calldock: Calldock, host: Host, account: Account, metrics_port: int
) -> None:
    is_down = True

    def down(request: BaseHTTPRequestHandler) -> None:
        if is_down:
            reply(request, 503, "text/plain", b"down for maintenance")
        else:
            reply(request, 204, "text/plain", b"")

    host.pages["/down"] = down
    name = f"127.0.0.1:{host.port}"
    upload(
        calldock,
        account,
        f"{host.url}/down",
        *(f"d-{number}" for number in range(6)),
        events=("in_process", "processed"),
    )
    until(lambda: receivers(calldock, account).get(name, {}).get("state") == "RECEIVER_STATE_PAUSED")

    seen = receivers(calldock, account)[name]
    assert (seen["reason"], seen["failures"] >= 3, seen["waiting_calls"]) == ("the receiver answered 503", True, 6)
    assert seen["failing_since_time"] < datetime.now(UTC).isoformat()
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as answer:
        metrics = answer.read().decode()
    assert 'calldock_notify_attempts_total{outcome="http_status"}' in metrics
    assert "calldock_notify_waiting_calls" in metrics
    is_down = False
    until(lambda: statuses(calldock, account) == [DELIVERED] * 12)
    assert receivers(calldock, account)[name]["state"] == "RECEIVER_STATE_HEALTHY"
    by_call: dict[str, list[str]] = {}
    for each in sorted(listed(calldock, account), key=lambda each: each["attempts"][-1]["attempt_time"]):
        by_call.setdefault(each["ext_id"], []).append(each["event"])
    assert set(map(tuple, by_call.values())) == {("CALL_EVENT_IN_PROCESS", "CALL_EVENT_PROCESSED")}


def test_a_receiver_that_asks_for_time_gets_it(calldock: Calldock, host: Host, account: Account) -> None:
    asked: list[float] = []

    def busy(request: BaseHTTPRequestHandler) -> None:
        asked.append(time.monotonic())
        status = 429 if len(asked) == 1 else 204
        reply(request, status, "text/plain", b"", retry_after="2")

    host.pages["/busy"] = busy
    upload(calldock, account, f"{host.url}/busy", "busy")
    until(lambda: statuses(calldock, account) == [DELIVERED])

    assert asked[1] - asked[0] >= 2
    assert [attempt.get("http_status") for attempt in listed(calldock, account)[0]["attempts"]] == [429, 204]


def test_a_receiver_that_is_gone_is_told_no_more(calldock: Calldock, host: Host, account: Account) -> None:
    host.pages["/gone"] = lambda request: reply(request, 410, "text/plain", b"moved away")
    upload(calldock, account, f"{host.url}/gone", "gone")
    until(lambda: statuses(calldock, account) == [BURIED])

    (gone,) = listed(calldock, account)
    assert len(gone["attempts"]) == 1
    assert gone["attempts"][0]["answer_head"] == "moved away"
    assert "410" in gone["bury_reason"]
    assert "next_attempt_time" not in gone or gone["next_attempt_time"] is None


def test_the_list_is_filtered_and_paged(calldock: Calldock, host: Host, account: Account) -> None:
    host.pages["/gone"] = lambda request: reply(request, 410, "text/plain", b"")
    upload(calldock, account, f"{host.url}/gone", "a")
    upload(calldock, account, host.hook, "b", "c", events=("in_process", "processed"))
    until(lambda: sorted(statuses(calldock, account)) == [BURIED] + [DELIVERED] * 4)

    def ids(query: str) -> list[tuple[str, str]]:
        return [
            (each["ext_id"], each["event"].removeprefix("CALL_EVENT_")) for each in listed(calldock, account, query)
        ]

    everything = listed(calldock, account)
    assert ids(f"?status={BURIED}") == [("a", "PROCESSED")]
    assert len(ids(f"?status={DELIVERED}&event=CALL_EVENT_IN_PROCESS")) == 2
    assert len(ids(f"?receiver_host=127.0.0.1:{host.port}")) == 5
    assert ids("?receiver_host=elsewhere") == []
    now = datetime.now(UTC)
    assert ids(f"?from_time={(now + timedelta(hours=1)).strftime('%FT%TZ')}") == []
    assert len(ids(f"?from_time={(now - timedelta(hours=1)).strftime('%FT%TZ')}&until_time=9999-12-31T23:59:59Z")) == 5
    assert ids("?until_time=2020-01-01T00:00:00Z") == []
    first = calldock.http("GET", f"/v1/notifications?page_size=3&status={DELIVERED}", token=account.token).json
    second = f"?page_size=3&status={DELIVERED}&page_token={first['next_page_token']}"
    assert [each["notification_id"] for each in [*first["notifications"], *listed(calldock, account, second)]] == [
        each["notification_id"] for each in everything if each["status"] == DELIVERED
    ]
    other = calldock.http("GET", f"/v1/notifications?page_token={first['next_page_token']}", token=account.token)
    assert (other.status, "page token" in other.json["message"]) == (400, True)


def test_another_accounts_notifications_are_not_there(calldock: Calldock, host: Host, account: Account) -> None:
    upload(calldock, account, host.hook, "mine")
    until(lambda: statuses(calldock, account) == [DELIVERED])
    number = listed(calldock, account)[0]["notification_id"]
    other = calldock.account("Other")

    for method, path in (("GET", ""), ("POST", ":redeliver")):
        body = "{}" if method == "POST" else None
        answer = calldock.http(method, f"/v1/notifications/{number}{path}", body, other.token)
        assert (answer.status, answer.json["message"]) == (404, "notification_id: the account has no such notification")
    assert listed(calldock, other) == []
    assert receivers(calldock, other) == {}


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        ("read", "GET", "/v1/notifications", 200),
        ("read", "GET", "/v1/receivers", 200),
        ("read", "POST", "/v1/notifications:test", 403),
        ("read", "POST", "/v1/notifications:redeliverBuried", 403),
        ("upload", "POST", "/v1/notifications:redeliverBuried", 200),
        ("upload", "GET", "/v1/signingSecrets", 403),
        ("upload", "POST", "/v1/signingSecrets:rotate", 403),
        ("upload", "POST", "/v1/customHeaders:set", 403),
        ("admin", "GET", "/v1/customHeaders", 200),
        ("admin", "GET", "/v1/signingSecrets", 200),
    ],
)
def test_each_method_needs_its_role(
    calldock: Calldock, account: Account, role: str, method: str, path: str, status: int
) -> None:
    made = calldock.http("POST", "/v1/tokens", json.dumps({"role": f"ROLE_{role.upper()}"}), account.token)
    body = (
        {"since_time": "2026-01-01T00:00:00Z"}
        if path.endswith("Buried")
        else {"url": "https://x/"}
        if path.endswith("test")
        else {}
    )

    answer = calldock.http(method, path, json.dumps(body) if method == "POST" else None, made.json["access_token"])

    assert answer.status == status, answer.body


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "https://169.254.169.254:1/", "http://[::1]/", "ftp://x/", "nonsense", "https://"]
)
def test_a_test_to_where_nothing_may_go_is_refused(calldock: Calldock, account: Account, url: str) -> None:
    answer = calldock.http("POST", "/v1/notifications:test", json.dumps({"url": url}), account.token)

    assert answer.status == 400, answer.body
    assert answer.json["details"][0]["reason"] == "INVALID_PARAMETER_VALUE"
    assert answer.json["message"].startswith("url: ")
    assert listed(calldock, account) == []


def test_two_tests_of_an_account_run_at_once_and_no_more(calldock: Calldock, host: Host, account: Account) -> None:
    host.pages["/hang"] = hang
    body = json.dumps({"url": f"{host.url}/hang"})
    with ThreadPoolExecutor(4) as pool:
        answers = [
            made.result()
            for made in [
                pool.submit(calldock.http, "POST", "/v1/notifications:test", body, account.token) for _ in range(4)
            ]
        ]

    assert sorted(answer.status for answer in answers) == [200, 200, 429, 429]
    ended = [answer.json for answer in answers if answer.status == 200]
    assert {each["status"] for each in ended} == {BURIED}
    assert {each["attempts"][0]["outcome"] for each in ended} == {"ATTEMPT_OUTCOME_TIMEOUT"}
    counted = calldock.http(
        "POST", "/v1/notifications:redeliverBuried", '{"since_time": "2026-01-01T00:00:00Z"}', account.token
    )
    assert counted.json["count"] == 0
    number = ended[0]["notification_id"]
    again = calldock.http("POST", f"/v1/notifications/{number}:redeliver", "{}", account.token)
    assert (again.status, "test" in again.json["message"]) == (400, True)


@pytest.mark.parametrize("url", ["http://192.168.1.1/hook", "https://10.0.0.1./hook", "http://2130706434/hook"])
def test_a_callback_that_can_never_be_posted_is_refused_at_every_door(
    calldock: Calldock, account: Account, url: str
) -> None:
    call = a_json_call(callback={"url": url, "events": ["processed"]})

    rest = calldock.upload(account, call)
    rpc = calldock.rpc(account, call)

    assert rest.status == 400
    assert "CALLDOCK_EGRESS_ALLOW_WEBHOOKS" in rest.json["message"]
    assert rest.json["details"][1]["field_violations"][0]["field"] == "calls[0].callback.url"
    error = rpc["error"]["data"]
    assert (error["mnemonic"], error["field"], error["value"]) == (
        "invalid_parameter_value",
        "calls.0.callback.url",
        url,
    )
    assert calldock.http("GET", "/v1/calls", token=account.token).json["calls"] == []


def test_what_a_process_that_posts_had_under_way_when_it_was_killed_is_posted_again(
    calldock: Calldock, host: Host, account: Account
) -> None:
    go_on = threading.Event()
    came: list[str] = []

    def slow(request: BaseHTTPRequestHandler) -> None:
        came.append(request.headers["webhook-id"])
        if len(came) <= 3:
            go_on.wait(10)
        reply(request, 204, "text/plain", b"")

    host.pages["/slow"] = slow
    upload(calldock, account, f"{host.url}/slow", "k-1", "k-2", "k-3")
    until(lambda: len(came) == 3)
    notify = calldock.service_pid("notify")
    (poster,) = [int(pid) for pid in Path(f"/proc/{notify}/task/{notify}/children").read_text().split()]

    os.kill(poster, signal.SIGKILL)
    until(lambda: statuses(calldock, account) == [DELIVERED] * 3)
    go_on.set()

    assert sorted(came) == sorted(came[:3] * 2)
    assert [len(each["attempts"]) for each in listed(calldock, account)] == [1, 1, 1]
