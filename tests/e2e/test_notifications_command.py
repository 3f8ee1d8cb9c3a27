"""`calldock notifications`, `secrets` and `headers`, as a person runs them."""

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import grpc
import pytest
from calldock.notify.v1.notification_pb2 import Notification
from calldock.notify.v1.notification_service_pb2 import ListNotificationsRequest, ListNotificationsResponse
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.support.hosts import Host, reply
from tests.support.makers import a_json_call
from tests.support.running import CALLDOCK, Account, Calldock, until

HOSTILE = "gone [red]for\x1b[31m\x9b31m\u202e good\x07\r\nits second line"
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"


class Receiver:
    """A page of the host that answers POSTs as it is told, and keeps their headers."""

    def __init__(self, host: Host, path: str, status: int, answer: str = "") -> None:
        self.url = host.url + path
        self.host = f"127.0.0.1:{host.port}"
        self.status = status
        self.heard: list[dict[str, str]] = []

        def answer_it(request: BaseHTTPRequestHandler) -> None:
            self.heard.append({name.lower(): value for name, value in request.headers.items()})
            reply(request, self.status, "text/plain", answer.encode())

        host.pages[path] = answer_it


class Shell:
    """The command line with an account's token."""

    def __init__(self, calldock: Calldock, account: Account) -> None:
        self.calldock = calldock
        self.account = account

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.calldock.cli(*arguments, "--token", self.account.token)

    def told(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.told(*arguments, "--json").splitlines()]

    def upload(self, url: str, *ext_ids: str) -> None:
        callback = {"url": url, "events": ["processed"]}
        answer = self.calldock.upload(self.account, *(a_json_call(ext_id=each, callback=callback) for each in ext_ids))
        assert answer.status == 200, answer.body

    def until_all(self, status: str, count: int) -> list[dict[str, Any]]:
        """Waits until so many notifications stand there; answers them, newest first."""
        page = f"/v1/notifications?status=NOTIFICATION_STATUS_{status.upper()}"
        # Looked at without a process for each look.
        until(lambda: len(self.asked(page)["notifications"]) == count)
        listed = self.lines("notifications", "list", "--status", status)
        assert len(listed) == count
        return listed

    def asked(self, path: str) -> Any:
        return self.calldock.http("GET", path, token=self.account.token).json


def alone(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command that no instance stands behind."""
    return subprocess.run(
        [CALLDOCK, *arguments, "--token", "any"], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def shell(calldock: Calldock) -> Shell:
    """An account of the test's own: what its receivers do is nobody else's."""
    return Shell(calldock, calldock.account("Notified"))


def verifies(secret: str, body: str, headers: dict[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def test_what_a_receiver_refused_is_found_shown_and_sent_again_once_it_is_mended(shell: Shell, host: Host) -> None:
    receiver = Receiver(host, "/refuses-one", 410, HOSTILE)
    shell.upload(receiver.url, "refused")
    (buried,) = shell.until_all("buried", 1)
    number = buried["notification_id"]

    table = shell.told("notifications", "list", "--status", "buried")
    shown = shell.told("notifications", "show", number)
    receiver.status = 200
    redelivered = shell.told("notifications", "redeliver", number)
    (delivered,) = shell.until_all("delivered", 1)

    (row,) = [line for line in table.splitlines() if number in line]
    for word in (buried["call_session_id"], "processed", "buried", "http_status 410", receiver.host):
        assert word in row
    assert '"ext_id":"refused"' in shown.replace(" ", "")
    for word in ("410", "http_status", receiver.url, "gone [red]for", "good\N{REPLACEMENT CHARACTER} its second line"):
        assert word in shown
    assert redelivered == "1 notification waits again.\n"
    assert (delivered["notification_id"], delivered["is_redelivery"]) == (number, True)
    assert [head["webhook-id"] for head in receiver.heard] == [number, number]
    assert "by request" in shell.told("notifications", "show", number)
    assert shell.lines("notifications", "list", "--status", "buried") == []


def test_what_a_terminal_might_obey_does_not_reach_it_and_json_loses_nothing(shell: Shell, host: Host) -> None:
    receiver = Receiver(host, "/hostile", 410, HOSTILE)
    shell.upload(receiver.url, "hostile")
    (buried,) = shell.until_all("buried", 1)
    tested = shell.run("notifications", "test", receiver.url)
    as_json = shell.run("notifications", "test", receiver.url, "--json")
    shown = [shell.told("notifications", "show", buried["notification_id"], *form) for form in ((), ("--json",))]

    for told in (tested.stdout, as_json.stdout, *shown):
        assert "its second line" in told
        assert not {"\x1b", "\x9b", "\x07", "\r", "\u202e"} & set(told)
    for told in (as_json.stdout, shown[1]):
        assert json.loads(told)["attempts"][0]["answer_head"] == HOSTILE


def test_all_that_were_buried_are_sent_again(shell: Shell, host: Host) -> None:
    receiver = Receiver(host, "/refuses-all", 410)
    shell.upload(receiver.url, "one", "two", "three")
    shell.until_all("buried", 3)
    receiver.status = 204

    elsewhere = shell.told("notifications", "redeliver", "--buried-since", "1h", "--receiver", "crm.example.com")
    later = shell.lines("notifications", "redeliver", "--buried-since", "2100-01-01T00:00:00Z")
    sent = shell.told("notifications", "redeliver", "--buried-since", "1h", "--receiver", receiver.host)
    shell.until_all("delivered", 3)
    repeated = shell.lines("notifications", "redeliver", "--buried-since", "1h")

    assert elsewhere == "0 notifications wait again.\n"
    assert later == [{"count": 0}]
    assert sent == "3 notifications wait again.\n"
    assert repeated == [{"count": 0}]
    assert len(receiver.heard) == 6


def test_of_several_ids_those_that_can_go_are_sent_again(shell: Shell, host: Host) -> None:
    receiver = Receiver(host, "/takes", 204)
    shell.upload(receiver.url, "one", "two")
    numbers = [each["notification_id"] for each in shell.until_all("delivered", 2)]

    test = json.loads(shell.told("notifications", "test", receiver.url, "--json"))["notification_id"]
    done = shell.run("notifications", "redeliver", numbers[0], NOBODY, test, numbers[1])
    until(lambda: len(receiver.heard) == 5)
    as_json = shell.lines("notifications", "redeliver", *numbers)

    assert (done.returncode, done.stdout) == (1, "2 notifications wait again.\n")
    assert [line.partition(": ")[0] for line in done.stderr.splitlines()] == [NOBODY, test]
    assert [each["notification_id"] for each in as_json] == numbers


def test_the_list_is_filtered_newest_first(shell: Shell, host: Host) -> None:
    receiver = Receiver(host, "/filtered", 204)
    for ext_id in ("first", "second"):
        shell.upload(receiver.url, ext_id)
    newest, oldest = shell.until_all("delivered", 2)

    def found(*options: str) -> list[dict[str, Any]]:
        return shell.lines("notifications", "list", *options)

    assert (newest["ext_id"], oldest["ext_id"]) == ("second", "first")
    assert found("--limit", "1") == [newest]
    assert found("--call", oldest["call_session_id"]) == [oldest]
    assert found("--event", "processed", "--since", "1h", "--receiver", receiver.host) == [newest, oldest]
    for nothing in (
        ("--event", "error"), ("--status", "waiting"), ("--receiver", "crm.example.com"), ("--since", "2100-01-01"),
    ):  # fmt: skip
        assert found(*nothing) == []


class FewAPage:
    """A server of seven notifications that answers three a page at most, however many are asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.url = ""

    def answer(self, request: ListNotificationsRequest, context: grpc.ServicerContext) -> ListNotificationsResponse:
        self.asked.append(request.page_size)
        start = int(request.page_token or 0)
        end = min(start + min(request.page_size, 3), 7)
        page = [Notification(ext_id=str(each)) for each in range(start, end)]
        return ListNotificationsResponse(notifications=page, next_page_token=str(end) if end < 7 else "")


@pytest.fixture
def few_a_page() -> Iterator[FewAPage]:
    few = FewAPage()
    method = grpc.unary_unary_rpc_method_handler(
        few.answer, ListNotificationsRequest.FromString, ListNotificationsResponse.SerializeToString
    )
    service = "calldock.notify.v1.NotificationService"
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"ListNotifications": method}),))
        few.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        yield few
        server.stop(None).wait()


@pytest.mark.parametrize(
    ("limit", "shown", "asked"), [("5", 5, [5, 2]), ("7", 7, [7, 4, 1]), ("2000", 7, [1000, 1000, 1000])]
)
def test_a_list_goes_on_over_pages_however_few_they_hold(
    few_a_page: FewAPage, limit: str, shown: int, asked: list[int]
) -> None:
    done = alone("notifications", "list", "--limit", limit, "--json", "--url", few_a_page.url)

    assert [json.loads(line)["ext_id"] for line in done.stdout.splitlines()] == [str(each) for each in range(shown)]
    assert few_a_page.asked == asked


def test_a_test_says_what_came_of_it(shell: Shell, host: Host) -> None:
    takes = Receiver(host, "/tested", 200, "welcome")
    refuses = Receiver(host, "/tested-in-vain", 410, "gone for good")

    delivered = shell.run("notifications", "test", takes.url)
    refused = shell.run("notifications", "test", refuses.url, "--event", "error")
    as_json = shell.run("notifications", "test", takes.url, "--event", "in_process", "--json")
    in_vain = shell.run("notifications", "test", refuses.url, "--json")
    table = shell.told("notifications", "list")
    shown = shell.told("notifications", "show", json.loads(in_vain.stdout)["notification_id"])

    assert delivered.returncode == 0, delivered.stderr
    assert delivered.stdout.startswith("delivered\n")
    assert refused.returncode == 1
    assert refused.stdout.startswith("not delivered\n")
    for word in ("http_status 410", " ms", "gone for good"):
        assert word in refused.stdout
    told = json.loads(as_json.stdout)
    assert (as_json.returncode, told["status"], told["is_test"]) == (0, "NOTIFICATION_STATUS_DELIVERED", True)
    assert json.loads(told["body"])["status"] == "in_process"
    assert verifies(shell.account.secret, told["body"], takes.heard[-1])
    assert (in_vain.returncode, json.loads(in_vain.stdout)["attempts"][0]["http_status"]) == (1, 410)
    assert table.count("│ test ") == 4
    assert "none: it is a test" in shown


def test_a_link_into_the_operators_network_names_the_setting(shell: Shell) -> None:
    private = shell.run("notifications", "test", "https://10.0.0.1/hook")
    no_link = shell.run("notifications", "test", "ftp://crm.example.com")

    assert (private.returncode, no_link.returncode) == (1, 1)
    assert "CALLDOCK_EGRESS_ALLOW_WEBHOOKS" in private.stderr
    assert private.stdout == no_link.stdout == ""
    assert no_link.stderr


def test_receivers_are_listed_with_what_they_fail_at(shell: Shell, host: Host) -> None:
    receiver = Receiver(host, "/fails", 503)
    shell.upload(receiver.url, "failing")
    until(lambda: any(each["failures"] for each in shell.asked("/v1/receivers")["receivers"]))

    (failing,) = shell.lines("notifications", "receivers")
    table = shell.told("notifications", "receivers")
    receiver.status = 204
    (waiting_or_buried,) = shell.lines("notifications", "list")
    shell.told("notifications", "redeliver", waiting_or_buried["notification_id"])
    shell.until_all("delivered", 1)
    (healthy,) = shell.lines("notifications", "receivers")

    assert failing["host"] == receiver.host
    assert failing["state"] in ("RECEIVER_STATE_FAILING", "RECEIVER_STATE_PAUSED")
    assert failing["reason"]
    (row,) = [line for line in table.splitlines() if receiver.host in line]
    assert "503" in row
    assert (healthy["state"], healthy["failures"], healthy["reason"]) == ("RECEIVER_STATE_HEALTHY", 0, "")


def test_a_rotated_secret_signs_beside_the_others_until_they_run_out(shell: Shell, host: Host) -> None:
    receiver = Receiver(host, "/signed", 204)

    def signed_by(*secrets: str) -> list[bool]:
        told = json.loads(shell.told("notifications", "test", receiver.url, "--json"))
        return [verifies(secret, told["body"], receiver.heard[-1]) for secret in secrets]

    first = shell.account.secret
    told = shell.told("secrets", "rotate")
    second = told.split()[3]
    both = signed_by(first, second)
    made = json.loads(shell.told("secrets", "rotate", "--overlap", "0", "--json"))
    last_alone = signed_by(first, second, made["secret"])
    (listed,) = shell.lines("secrets", "list")

    assert second.startswith("whsec_")
    assert "(hmac-sha256)" in told
    assert "Keep it: it is not shown again." in told
    assert "UTC at the latest" in told
    assert both == [True, True]
    assert last_alone == [False, False, True]
    assert listed == {name: value for name, value in made.items() if name != "secret"}
    for command in (("secrets", "list"), ("secrets", "list", "--json")):
        assert "whsec_" not in shell.told(*command)


def test_the_public_key_of_an_ed25519_secret_is_shown_and_its_private_one_is_not(shell: Shell) -> None:
    told = shell.told("secrets", "rotate", "--scheme", "ed25519", "--overlap", "2h")
    newest, older = shell.lines("secrets", "list")
    table = shell.told("secrets", "list")

    key = newest["public_key"]
    assert key.startswith("whpk_")
    assert key in told
    assert "Keep it" not in told
    assert "expire_time" not in newest
    assert "expire_time" in older
    assert "ed25519" in table
    assert "hmac-sha256" in table


def test_headers_reach_receivers_and_are_shown_nowhere(shell: Shell, host: Host, tmp_path: Path) -> None:
    receiver = Receiver(host, "/headers", 204)
    file = tmp_path / "key"
    file.write_text("from-the-file=\n")

    done = shell.run("headers", "set", f"x-api-key=@{file}", "authorization=Bearer typed-in")
    shell.told("notifications", "test", receiver.url)
    listed = shell.told("headers", "list")
    as_json = json.loads(shell.told("headers", "list", "--json"))
    deleted = json.loads(shell.told("headers", "delete", "--json"))
    shell.told("notifications", "test", receiver.url)
    empty = shell.told("headers", "list")

    assert done.returncode == 0, done.stderr
    with_headers, without = receiver.heard
    assert (with_headers["x-api-key"], with_headers["authorization"]) == ("from-the-file=", "Bearer typed-in")
    assert (as_json["names"], as_json["receiver_hosts"]) == (["x-api-key", "authorization"], ["*"])
    assert (deleted["names"], deleted["receiver_hosts"], "set_time" in deleted) == ([], [], False)
    assert not {"x-api-key", "authorization"} & without.keys()
    assert "no headers" in empty
    for told in (done.stdout, done.stderr, listed, str(as_json)):
        assert "from-the-file" not in told
        assert "typed-in" not in told


def test_headers_reach_the_hosts_that_are_named(shell: Shell, host: Host) -> None:
    receiver = Receiver(host, "/named", 204)

    elsewhere = shell.told("headers", "set", "x-api-key=k", "--host", "CRM.example.com:443")
    shell.told("notifications", "test", receiver.url)
    here = shell.told("headers", "set", "x-api-key=k", "--host", "crm.example.com", "--host", receiver.host)
    shell.told("notifications", "test", receiver.url)

    assert ["x-api-key" in heard for heard in receiver.heard] == [False, True]
    assert elsewhere.startswith("Notifications to crm.example.com carry, since ")
    assert here.startswith(f"Notifications to crm.example.com, {receiver.host} carry, since ")
    assert shell.lines("headers", "list")[0]["receiver_hosts"] == ["crm.example.com", receiver.host]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"headers": [], "receiver_hosts": ["*"]},
        {"headers": [[], []], "receiver_hosts": ["*"]},
        {"headers": [{"name": "x", "value": "v"}]},
        {"headers": [{"name": "x", "value": "v"}], "receiver_hosts": [[], []]},
        {"headers": [{"name": "x", "value": "v"}], "receiver_hosts": ["*", "x"]},
        {"headers": [{"name": "x", "value": "v"}], "receiver_hosts": ["https://x"]},
        {"headers": [{"name": "x", "value": "v"}], "receiver_hosts": ["x"] * 21},
    ],
    ids=str,
)
def test_a_set_that_is_refused_leaves_what_was_set(shell: Shell, body: dict[str, Any]) -> None:
    shell.told("headers", "set", "x-api-key=k", "--host", "crm.example.com")

    answer = shell.calldock.http("POST", "/v1/customHeaders:set", json.dumps(body), shell.account.token)

    assert answer.status == 400, answer.body
    (listed,) = shell.lines("headers", "list")
    assert (listed["names"], listed["receiver_hosts"]) == (["x-api-key"], ["crm.example.com"])


@pytest.mark.parametrize(
    "body",
    [
        {"overlap": {}},
        {"overlap": "0s"},
        {"overlap": "1s", "end_others_now": True},
        {"end_others_now": {}},
        {"end_others_now": []},
    ],
    ids=str,
)
def test_the_other_secrets_are_ended_at_once_only_when_that_is_said(shell: Shell, body: dict[str, Any]) -> None:
    before = shell.lines("secrets", "list")

    answer = shell.calldock.http("POST", "/v1/signingSecrets:rotate", json.dumps(body), shell.account.token)

    assert answer.status == 400, answer.body
    assert shell.lines("secrets", "list") == before


def test_a_sixth_secret_needs_room(shell: Shell) -> None:
    for _ in range(4):
        shell.told("secrets", "rotate")

    sixth = shell.run("secrets", "rotate")
    shell.told("secrets", "rotate", "--overlap", "0")

    assert sixth.returncode == 1
    assert "end_others_now makes room" in sixth.stderr
    assert len(shell.lines("secrets", "list")) == 1


def test_an_id_is_taken_in_any_case(shell: Shell, host: Host) -> None:
    receiver = Receiver(host, "/upper-case", 204)
    shell.upload(receiver.url, "upper case")
    (delivered,) = shell.until_all("delivered", 1)
    number = delivered["notification_id"]
    path = f"/v1/notifications/{number.upper()}"

    found = shell.calldock.http("GET", path, token=shell.account.token)
    again = shell.calldock.http("POST", f"{path}:redeliver", "{}", shell.account.token)
    until(lambda: len(receiver.heard) == 2)

    assert [answer.status for answer in (found, again)] == [200, 200]
    assert [answer.json["notification_id"] for answer in (found, again)] == [number, number]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(["host=hush-hush"], id="of the transport"),
        pytest.param(["webhook-id=hush-hush"], id="of the signature"),
        pytest.param(["x-key=hush-hush", "X-Key=hush-hush"], id="twice"),
        pytest.param(["x-key=hush-hush\x07"], id="a character that no header holds"),
        pytest.param(["x-key=hush-hush", "--host", "https://crm.example.com"], id="for a link"),
    ],
)
def test_a_header_that_is_refused_says_why_without_its_value(shell: Shell, headers: list[str]) -> None:
    done = shell.run("headers", "set", *headers)

    assert done.returncode == 1
    assert done.stderr
    assert "hush" not in done.stdout + done.stderr
    assert shell.lines("headers", "list")[0]["names"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["notifications", "redeliver"], id="neither ids nor a moment"),
        pytest.param(["notifications", "redeliver", NOBODY, "--buried-since", "1h"], id="ids and a moment"),
        pytest.param(["notifications", "redeliver", NOBODY, "--receiver", "a"], id="ids of a receiver"),
        pytest.param(["notifications", "redeliver", "no-id"], id="no id"),
        pytest.param(["notifications", "show", "no-id"], id="no id to show"),
        pytest.param(["notifications", "list", "--since", "yesterday"], id="no moment"),
        pytest.param(["notifications", "list", "--status", "lost"], id="no status"),
        pytest.param(["notifications", "list", "--limit", "0"], id="none"),
        pytest.param(["notifications", "test"], id="no link"),
        pytest.param(["secrets", "rotate", "--overlap", "24"], id="no span"),
        pytest.param(["secrets", "rotate", "--scheme", "rsa"], id="no scheme"),
        pytest.param(["headers", "set"], id="no header"),
        pytest.param(["headers", "set", "x-key:hush-hush"], id="no name and value"),
        pytest.param(["headers", "set", "x-key=@/nowhere/at/all"], id="no such file"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_done(arguments: list[str]) -> None:
    done = alone(*arguments)

    assert done.returncode == 2
    assert "Usage" in done.stderr
    assert "hush" not in done.stderr


def test_what_is_not_there_is_said(shell: Shell) -> None:
    done = shell.run("notifications", "show", NOBODY)

    assert done.returncode == 1
    assert done.stderr
    assert "Traceback" not in done.stderr
