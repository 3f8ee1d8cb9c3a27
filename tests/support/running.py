"""A whole calldock in processes of its own, as `calldock up` starts it, and clients to speak to it."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from calldock.intake.internal.v1.admin_service_pb2 import CreateAccountRequest
from calldock.intake.internal.v1.admin_service_pb2_grpc import AdminServiceStub
from calldock.intake.v1.call_pb2 import Call
from calldock.intake.v1.call_service_pb2 import LookupCallRequest
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub

from services.cli.connect import internal_channel
from tests.support.postgres import own_database

CALLDOCK = str(Path(sys.executable).with_name("calldock"))
BUF = str(Path(sys.executable).with_name("buf"))
INTERRUPTIBLE = ("env", "--default-signal=INT")
"""Before a command that is to hear SIGINT: whoever started the tests may ignore it, and its children with it."""


@dataclass(frozen=True)
class Account:
    account_id: int
    token: str
    secret: str


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Calldock:
    """A running instance."""

    def __init__(self, data_dir: Path, port: int, process: "subprocess.Popen[str]", log: Path) -> None:
        self.data_dir = data_dir
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.process = process
        self.log = log
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)])

    def cli(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs a command of the command line against this instance."""
        return subprocess.run(
            [CALLDOCK, *arguments, "--data-dir", str(self.data_dir)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def account(self, name: str = "Acme", *, region: str = "RU") -> Account:
        """Makes an account with voice analysis as `calldock accounts create` does, without a process for each."""
        new = CreateAccountRequest(
            name=name,
            time_zone="Europe/Moscow",
            region=region,
            has_voice_analysis=True,
            request_id=str(uuid.uuid4()),
        )
        with internal_channel(self.data_dir, "intake") as channel:
            made = AdminServiceStub(channel).CreateAccount(new, timeout=30, wait_for_ready=True)
        return Account(made.account.account_id, made.access_token, made.webhook_secret)

    def http(
        self, method: str, path: str, body: bytes | str | None = None, token: str | None = None, **headers: str
    ) -> Reply:
        """One HTTP exchange with the front door. Header names are given with underscores."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def upload(self, account: Account, *calls: dict[str, Any]) -> Reply:
        """Uploads over REST."""
        return self.http("POST", "/v1/calls:upload", json.dumps({"calls": calls}), account.token)

    def all_of(self, account: Account, collection: str) -> list[dict[str, Any]]:
        """Reads everything of a collection at REST, as "calls" or "notifications", page after page."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = self.http("GET", f"/v1/{collection}?page_size=1000&page_token={token}", token=account.token).json
            found += page.get(collection, [])
            token = page.get("next_page_token", "")
            if not token:
                return found

    def rpc(self, account: Account, *calls: dict[str, Any], **params: Any) -> Any:
        """Uploads over JSON-RPC; answers the whole envelope."""
        asked = {"access_token": account.token, "calls": calls, **params}
        request = {"jsonrpc": "2.0", "id": 1, "method": "upload.calls", "params": asked}
        answer = self.http("POST", "/v2.0", json.dumps(request))
        assert answer.status == 200
        return answer.json

    def lookup(self, account: Account, ext_id: str) -> Call:
        """Reads a call back over gRPC."""
        metadata = (("authorization", f"Bearer {account.token}"),)
        stub = CallServiceStub(self.channel)
        return stub.LookupCall(LookupCallRequest(ext_id=ext_id), timeout=20, metadata=metadata, wait_for_ready=True)

    def runtime(self) -> dict[str, Any]:
        """What the instance wrote down for the command line."""
        found: dict[str, Any] = json.loads((self.data_dir / "runtime.json").read_text())
        return found

    def is_healthy(self) -> bool:
        """True when all services answer through the front door."""
        try:
            return self.http("GET", "/readyz").status == 200
        except OSError:
            return False

    def service_pid(self, service: str) -> int | None:
        """The process id of a service."""
        return self.child_pid(f"services.{service}")

    def child_pid(self, program: str) -> int | None:
        """The process id of the child of `up` that runs a program."""
        return child_of(self.process.pid, program)

    def writer_pid(self) -> int | None:
        """The process id of the process that stores uploads for intake; None on PostgreSQL."""
        intake = self.service_pid("intake")
        return None if intake is None else child_of(intake, "services.shared.db.writer")


def child_of(parent: int, program: str) -> int | None:
    """The process id of a process's child that runs a program, as the kernel lists them."""
    try:
        children = [
            pid for task in Path(f"/proc/{parent}/task").iterdir() for pid in (task / "children").read_text().split()
        ]
    except OSError:
        return None
    for pid in children:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if program in command or Path(command[0]).name == program:
            return int(pid)
    return None


def a_calldock(folder: Path, **settings: str) -> AbstractContextManager[Calldock]:
    """Starts `calldock up`, waits for its ready line, stops it by SIGTERM and checks that it left well."""
    return a_calldock_within((), folder, folder, settings)


@contextmanager
def a_calldock_within(
    within: Sequence[str], folder: Path, seen: Path, settings: Mapping[str, str]
) -> Iterator[Calldock]:
    """As `a_calldock`, run by the command `within`, such as in a namespace: what is `folder` there is `seen` here under another path."""
    port = free_port()
    log = seen / "calldock.log"
    settings = {**own_database(), **settings}
    environment = {**os.environ, **{f"CALLDOCK_{name}": value for name, value in settings.items()}}
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*within, CALLDOCK, "up", "--data-dir", str(folder / "data"), "--listen", f"127.0.0.1:{port}"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line == f"calldock is ready: http://127.0.0.1:{port}\n", log.read_text()[-3000:]
            calldock = Calldock(seen / "data", port, process, log)
            yield calldock
            calldock.channel.close()
            process.terminate()
            assert process.wait(60) == 0, log.read_text()[-3000:]
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], bool], limit_s: float = 30) -> None:
    """Returns when the condition holds. Raises TimeoutError."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what was expected did not come")
        time.sleep(0.05)
