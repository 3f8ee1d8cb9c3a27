"""docs/webhooks.md read aloud: its code verifies what a running calldock posts and refuses the rest, its commands are run as they are written."""

import base64
import hmac
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jsonschema import Draft202012Validator

from tests.support.hosts import reply
from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, a_calldock, free_port, until

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "webhooks.md").read_text()
NODE = shutil.which("node") or ""
with_node = pytest.mark.skipif(not NODE, reason="there is no node on this machine")

V1, V1A = "by_hmac", "by_ed25519"
"""The fixtures with a delivery of each scheme."""
READERS = [
    pytest.param("import Webhook", V1, id="v1 by standardwebhooks"),
    pytest.param("import hmac", V1, id="v1 by the standard library"),
    pytest.param("import Ed25519PublicKey", V1A, id="v1a by cryptography"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What a receiver got, and the key that it verifies with. Names of headers are in lower case."""

    key: str
    headers: dict[str, str]
    body: bytes

    def having(self, **headers: str) -> "Post":
        """With other headers, given with underscores."""
        return replace(self, headers={**self.headers, **{name.replace("_", "-"): headers[name] for name in headers}})


class Inbox:
    """A receiver over plain HTTP that keeps what comes, byte for byte, and verifies nothing."""

    def __init__(self) -> None:
        came: Queue[tuple[dict[str, str], bytes]] = Queue()
        self._came = came

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                reply(self, 204, "text/plain", b"")
                came.put(({name.lower(): value for name, value in self.headers.items()}, body))

            def log_message(self, format: str, *args: object) -> None:
                """Nothing to the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.hook = f"http://{self.host}/hook"
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def next(self, key: str) -> Post:
        """The next POST, for a receiver that holds this key."""
        headers, body = self._came.get(timeout=30)
        return Post(key=key, headers=headers, body=body)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def calldock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calldock]:
    """An instance that may post to loopback, by the setting that the page names."""
    with a_calldock(tmp_path_factory.mktemp("webhooks"), EGRESS_ALLOW_WEBHOOKS="127.0.0.1") as calldock:
        yield calldock


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    inbox = Inbox()
    yield inbox
    inbox.close()


@pytest.fixture(scope="module")
def by_hmac(calldock: Calldock, inbox: Inbox) -> Post:
    account = calldock.account()
    upload(calldock, account, "зв-1", inbox.hook)
    return inbox.next(account.secret)


@pytest.fixture(scope="module")
def by_ed25519(calldock: Calldock, inbox: Inbox) -> Post:
    account = calldock.account()
    made = rotated(calldock, account, scheme="SIGNATURE_SCHEME_ED25519", end_others_now=True)
    assert made["secret"] == ""
    upload(calldock, account, "зв-1", inbox.hook)
    return inbox.next(made["signing_secret"]["public_key"])


@pytest.fixture(scope="module")
def by_two_secrets(calldock: Calldock, inbox: Inbox) -> tuple[Post, Post]:
    """One POST after a rotation, for the receiver of the old secret and for that of the new one."""
    account = calldock.account()
    new = rotated(calldock, account)["secret"]
    upload(calldock, account, "зв-1", inbox.hook)
    post = inbox.next(account.secret)
    return post, replace(post, key=new)


def upload(calldock: Calldock, account: Account, ext_id: str, hook: str) -> None:
    """A call without recordings: it is processed as soon as it is stored."""
    uploaded = calldock.upload(account, a_json_call(ext_id=ext_id, callback={"url": hook, "events": ["processed"]}))
    assert uploaded.status == 200, uploaded.body


def rotated(calldock: Calldock, account: Account, **asked: str | bool) -> Any:
    answer = calldock.http("POST", "/v1/signingSecrets:rotate", json.dumps(asked), account.token)
    assert answer.status == 200, answer.body
    return answer.json


def blocks(language: str) -> list[str]:
    """The page's code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def reader(holding: str) -> Callable[[Post], Any]:
    """The Python block that holds a text, as a function."""
    (block,) = (block for block in blocks("python") if holding in block)
    names: dict[str, Any] = {}
    exec(compile(block, "docs/webhooks.md", "exec"), names)
    return lambda post: names["read_event"](post.key, post.headers, post.body)


def signed_here(scheme: str, age_s: int) -> Post:
    """A POST with a right signature, by a key of the test's own. `age_s` is how long ago that was."""
    body = '{"status":"processed","ext_id":"зв-1","call_session_id":7,"timestamp":1793602800}'.encode()
    timestamp = str(int(time.time()) - age_s)
    if scheme == V1:
        key = "whsec_" + base64.b64encode(os.urandom(32)).decode()
        signature = by_secret(key, "id", timestamp, body)
    else:
        private = Ed25519PrivateKey.generate()
        key = "whpk_" + base64.b64encode(private.public_key().public_bytes_raw()).decode()
        signature = "v1a," + base64.b64encode(private.sign(f"id.{timestamp}.".encode() + body)).decode()
    headers = {"webhook-id": "id", "webhook-timestamp": timestamp, "webhook-signature": signature}
    return Post(key=key, headers=headers, body=body)


def by_secret(secret: str, webhook_id: str, timestamp: str, body: bytes) -> str:
    """The right `v1` signature."""
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    digest = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, "sha256")
    return "v1," + base64.b64encode(digest).decode()


FORGERIES: dict[str, Callable[[Post], Post]] = {
    "another body": lambda post: replace(post, body=post.body.replace(b"processed", b"error")),
    "a body printed anew": lambda post: replace(post, body=json.dumps(json.loads(post.body)).encode()),
    "another id": lambda post: post.having(webhook_id="0"),
    "another time": lambda post: post.having(webhook_timestamp=str(int(post.headers["webhook-timestamp"]) + 1)),
    "no time": lambda post: post.having(webhook_timestamp=""),
    "no signature": lambda post: post.having(webhook_signature=""),
    "an empty signature": lambda post: post.having(webhook_signature="v1, v1a,"),
    "a short signature": lambda post: post.having(webhook_signature="v1,AAAA v1a,AAAA"),
    "a signature of another scheme": lambda post: post.having(
        webhook_signature=f"v9,{post.headers['webhook-signature'].partition(',')[2]}"
    ),
    "no headers": lambda post: replace(post, headers={}),
}
forgeries = pytest.mark.parametrize("forged", [pytest.param(change, id=name) for name, change in FORGERIES.items()])


@pytest.mark.parametrize(("holding", "scheme"), READERS)
def test_the_python_reads_what_calldock_posts(holding: str, scheme: str, request: pytest.FixtureRequest) -> None:
    post: Post = request.getfixturevalue(scheme)

    event = reader(holding)(post)

    assert (event["status"], event["ext_id"]) == ("processed", "зв-1")


@pytest.mark.parametrize(("holding", "scheme"), READERS)
@forgeries
def test_the_python_refuses_what_is_forged(holding: str, scheme: str, forged: Callable[[Post], Post]) -> None:
    read, post = reader(holding), signed_here(scheme, 0)

    assert read(post)["ext_id"] == "зв-1"
    with pytest.raises(ValueError):  # noqa: PT011 - which one is the block's own affair
        read(forged(post))


@pytest.mark.parametrize(("holding", "scheme"), READERS)
@pytest.mark.parametrize("age_s", [400, -400], ids=["of the past", "of the future"])
def test_the_python_refuses_another_time_and_another_key(holding: str, scheme: str, age_s: int) -> None:
    read = reader(holding)

    with pytest.raises(ValueError):  # noqa: PT011
        read(signed_here(scheme, age_s))
    with pytest.raises(ValueError):  # noqa: PT011
        read(replace(signed_here(scheme, 0), key=signed_here(scheme, 0).key))


@pytest.mark.parametrize(("holding", "scheme"), READERS)
def test_the_python_takes_one_right_signature_among_others(holding: str, scheme: str) -> None:
    post = signed_here(scheme, 0)
    right = post.headers["webhook-signature"]
    others = " ".join(f"{name},{base64.b64encode(os.urandom(32)).decode()}" for name in ("v1", "v1a", "v9"))

    event = reader(holding)(post.having(webhook_signature=f"{others} {right}"))

    assert event["ext_id"] == "зв-1"


def test_receivers_of_the_old_and_of_the_new_secret_read_the_same_post(by_two_secrets: tuple[Post, Post]) -> None:
    signatures = by_two_secrets[0].headers["webhook-signature"].split(" ")

    assert [signature.partition(",")[0] for signature in signatures] == ["v1", "v1"]
    for holding in ("import Webhook", "import hmac"):
        assert [reader(holding)(post)["ext_id"] for post in by_two_secrets] == ["зв-1", "зв-1"]


def look_by_openssl(folder: Path, post: Post) -> "subprocess.CompletedProcess[str]":
    """Runs the page's openssl block in a folder with the body in it."""
    (block,) = (block for block in blocks("sh") if "openssl" in block)
    (folder / "body.json").write_bytes(post.body)
    told = {
        "SECRET": post.key,
        "ID": post.headers["webhook-id"],
        "TIMESTAMP": post.headers["webhook-timestamp"],
        "SIGNATURES": post.headers["webhook-signature"],
    }
    return subprocess.run(
        ["sh", "-euc", block],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
        env={**os.environ, **told},
    )


def test_the_shell_takes_what_calldock_posts_and_refuses_another_body(tmp_path: Path, by_hmac: Post) -> None:
    good = look_by_openssl(tmp_path, by_hmac)
    forged = look_by_openssl(tmp_path, replace(by_hmac, body=by_hmac.body.replace(b"processed", b"error")))

    assert (good.returncode, good.stdout) == (0, "calldock signed it\n"), good.stderr
    assert (forged.returncode, forged.stdout) == (1, "")
    assert "forged" in forged.stderr


def test_the_shell_finds_the_signature_of_each_secret(tmp_path: Path, by_two_secrets: tuple[Post, Post]) -> None:
    assert [look_by_openssl(tmp_path, post).returncode for post in by_two_secrets] == [0, 0]


class NodeReceiver:
    """The page's receiver in a process of its own."""

    def __init__(self, port: int, process: "subprocess.Popen[str]") -> None:
        self.hook = f"http://127.0.0.1:{port}/hook"
        self._port = port
        self._process = process

    def next_event(self) -> Any:
        """The next event that it has handled."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def post(self, post: Post) -> int:
        """Posts to it; answers the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("POST", "/hook", post.body, post.headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def break_off(self, announced: int, sent: bytes) -> None:
        """Announces a body of so many bytes, sends this much of it, and hangs up."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.putrequest("POST", "/hook")
        connection.putheader("content-length", str(announced))
        connection.endheaders()
        connection.send(sent)
        connection.close()


@contextmanager
def a_node_receiver(folder: Path, key: str) -> Iterator[NodeReceiver]:
    (block,) = blocks("js")
    program = folder / "receiver.mjs"
    program.write_text(block)
    port = free_port()
    with subprocess.Popen(
        [NODE, program], stdout=subprocess.PIPE, text=True, env={**os.environ, "WEBHOOK_KEY": key, "PORT": str(port)}
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield NodeReceiver(port, process)
            assert process.poll() is None
        finally:
            process.kill()


@with_node
def test_the_node_receiver_hears_of_calls_by_secret(calldock: Calldock, tmp_path: Path) -> None:
    account = calldock.account()

    with a_node_receiver(tmp_path, account.secret) as receiver:
        hears(calldock, account, receiver)


@with_node
def test_the_node_receiver_hears_of_calls_by_public_key(calldock: Calldock, tmp_path: Path) -> None:
    account = calldock.account()
    made = rotated(calldock, account, scheme="SIGNATURE_SCHEME_ED25519", end_others_now=True)

    with a_node_receiver(tmp_path, made["signing_secret"]["public_key"]) as receiver:
        hears(calldock, account, receiver)


def hears(calldock: Calldock, account: Account, receiver: NodeReceiver) -> None:
    upload(calldock, account, "зв-1", receiver.hook)

    event = receiver.next_event()

    assert (event["status"], event["ext_id"]) == ("processed", "зв-1")
    until(lambda: statuses(calldock, account) == ["NOTIFICATION_STATUS_DELIVERED"])


def statuses(calldock: Calldock, account: Account) -> list[str]:
    listed = calldock.http("GET", "/v1/notifications", token=account.token).json["notifications"]
    return [notification["status"] for notification in listed]


@with_node
@pytest.mark.parametrize("scheme", [V1, V1A])
def test_the_node_receiver_refuses_what_is_forged(tmp_path: Path, scheme: str) -> None:
    post = signed_here(scheme, 0)

    with a_node_receiver(tmp_path, post.key) as receiver:
        refused = {name: receiver.post(change(post)) for name, change in FORGERIES.items()}
        told = receiver.post(post), receiver.next_event()

    assert refused == dict.fromkeys(FORGERIES, 401)
    assert told == (204, json.loads(post.body))


@with_node
@pytest.mark.parametrize("scheme", [V1, V1A])
@pytest.mark.parametrize("age_s", [400, -400], ids=["of the past", "of the future"])
def test_the_node_receiver_refuses_another_time(tmp_path: Path, scheme: str, age_s: int) -> None:
    post = signed_here(scheme, age_s)

    with a_node_receiver(tmp_path, post.key) as receiver:
        assert receiver.post(post) == 401


@with_node
def test_the_node_receiver_handles_an_id_once_and_takes_one_right_signature_among_others(tmp_path: Path) -> None:
    post = signed_here(V1, 0)
    right = post.headers["webhook-signature"]
    again = post.having(webhook_signature=f"v1a,AAAA v1,AAAA {right}")
    signature = by_secret(post.key, "id-2", post.headers["webhook-timestamp"], b'{"next":2}')
    another = replace(post.having(webhook_id="id-2", webhook_signature=signature), body=b'{"next":2}')

    with a_node_receiver(tmp_path, post.key) as receiver:
        answered = [receiver.post(each) for each in (post, again, another)]
        told = [receiver.next_event(), receiver.next_event()]

    assert answered == [204, 204, 204]
    assert told == [json.loads(post.body), {"next": 2}]


@with_node
def test_the_node_receiver_outlives_peers_that_hang_up_and_bodies_without_end(tmp_path: Path) -> None:
    post = signed_here(V1, 0)

    with a_node_receiver(tmp_path, post.key) as receiver:
        receiver.break_off(100, b"{")
        with pytest.raises(ConnectionError):
            receiver.post(replace(post, body=b" " * 20_000_000))
        assert receiver.post(post) == 204


def test_the_commands_do_what_they_say(calldock: Calldock, inbox: Inbox) -> None:
    account = calldock.account()
    commands = [block for block in blocks("sh") if "openssl" not in block]
    places = {
        "127.0.0.1:8080": f"127.0.0.1:{calldock.port}",
        ".venv/bin/": f"{Path(sys.executable).parent}/",
        "https://crm.example.com/hook": inbox.hook,
        '"receiver_hosts": ["crm.example.com"]': f'"receiver_hosts": ["{inbox.host}"]',
        "curl -s ": "curl -sS --fail-with-body ",
    }
    script = "\n".join(commands)
    for written, here in places.items():
        assert written in script
        script = script.replace(written, here)
    environment = {"CALLDOCK_DATA_DIR": str(calldock.data_dir), "TOKEN": account.token, "GRPC_VERBOSITY": "NONE"}

    done = subprocess.run(
        ["bash", "-euc", script],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    post = inbox.next(account.secret)

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r'"secret": ?"whsec_', done.stdout)
    assert "0 notifications wait again." in done.stdout
    assert post.headers["x-api-key"] == "k3y"
    assert reader("import hmac")(post)["ext_id"] == "calldock-test"


def test_over_plain_http_headers_go_to_hosts_that_are_named_and_to_no_other(calldock: Calldock, inbox: Inbox) -> None:
    account = calldock.account()

    def came(*hosts: str) -> str | None:
        asked = {"headers": [{"name": "X-Api-Key", "value": "k3y"}], "receiver_hosts": hosts or ["*"]}
        for path, body in (("customHeaders:set", asked), ("notifications:test", {"url": inbox.hook})):
            answer = calldock.http("POST", f"/v1/{path}", json.dumps(body), account.token)
            assert answer.status == 200, answer.body
        return inbox.next(account.secret).headers.get("x-api-key")

    assert came() is None
    assert came("crm.example.com") is None
    assert came("crm.example.com", inbox.host) == "k3y"


def test_the_bodies_of_the_page_are_those_that_the_schemas_take() -> None:
    bodies = [json.loads(text) for text in re.findall(r'`(\{"status".*?\})`', PAGE)]
    folder = resources.files("calldock").joinpath("events")

    for body in bodies:
        schema = json.loads(folder.joinpath(f"{body['status']}.schema.json").read_text())
        assert list(Draft202012Validator(schema).iter_errors(body)) == []
    assert {body["status"] for body in bodies} == {"processed", "in_process", "error"}
