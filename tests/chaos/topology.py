"""Three intakes, three medias and two notifies on one PostgreSQL and one bucket, behind Envoy, all on loopback; each comes back when it dies, as an orchestrator would have it."""

import asyncio
import base64
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import grpc
from calldock.intake.internal.v1.admin_service_pb2 import CreateAccountRequest
from calldock.intake.internal.v1.admin_service_pb2_grpc import AdminServiceStub

from services.cli.front_door import FrontDoor, descriptor_set, envoy_binary, openapi_document
from services.shared.rpc.identity import INTERNAL_KEY_HEADER
from tests.chaos.stopping import STOP_FILE
from tests.support.audio import good_wav
from tests.support.buckets import Bucket, a_bucket
from tests.support.hosts import Host, a_host
from tests.support.postgres import Cluster, cluster
from tests.support.running import Account, free_port, until

COUNTS = {"media": 3, "notify": 2, "intake": 3}
KEY = "chaos"
LEASE_S = 2.0
PAUSE_S = 0.2
"""Between a death and the next start."""


@dataclass
class Program:
    """A process that is started again when it dies, until it is told to stay away."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None
    is_wanted: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)
    deaths: int = 0
    _keeper: threading.Thread | None = None

    def start(self) -> None:
        """Keeps it running from now on."""
        self.is_wanted.set()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def end(self) -> None:
        """Asks it to end, and waits."""
        self.is_over.set()
        self.is_wanted.set()
        self.signal(signal.SIGTERM)
        if self._keeper is not None:
            self._keeper.join(40)
        self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal, if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def keep_away(self) -> None:
        """Kills it; it stays away until `come_back`."""
        self.is_wanted.clear()
        self.signal(signal.SIGKILL)

    def come_back(self) -> None:
        """Lets it run again."""
        self.is_wanted.set()

    def _keep(self) -> None:
        while True:
            self.is_wanted.wait()
            if self.is_over.is_set():
                return
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    self.command, env=dict(self.environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
                if self.is_over.is_set() or not self.is_wanted.is_set():
                    self.process.send_signal(signal.SIGKILL)
                self.process.wait()
            self.deaths += 1
            self.is_over.wait(PAUSE_S)


@dataclass
class Topology:
    """All that runs, and what it stands on."""

    folder: Path
    port: int
    programs: dict[str, list[Program]]
    cluster: Cluster
    database_url: str
    bucket: Bucket
    host: Host
    account: Account

    @property
    def services(self) -> list[Program]:
        """The replicas of all three."""
        return [each for name in COUNTS for each in self.programs[name]]

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Whose calls go in."""
        return (self.account,)

    def run(self, statement: str) -> list[Any]:
        """The rows of a statement on the database, by a connection of its own."""

        async def fetch() -> list[Any]:
            connection = await asyncpg.connect(self.database_url)
            try:
                found: list[Any] = await connection.fetch(statement)
                return found
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def stored(self) -> set[str]:
        """The keys of all objects."""
        return {key.removeprefix("calls/") for key in self.bucket.stored()}

    @property
    def envoy(self) -> Program:
        """The front door."""
        return self.programs["envoy"][0]

    def deaths(self) -> int:
        """How many processes have died until now."""
        return sum(each.deaths for each in self.services)

    def stop_at(self, step: str) -> None:
        """The next process that comes to the step (`intake before take_in`) dies there."""
        new = self.folder / "stop.new"
        new.write_text(step)
        new.rename(self.folder / "stop")

    def is_armed(self) -> bool:
        """True while nobody came to the step."""
        return (self.folder / "stop").exists()

    def listens(self, program: Program) -> bool:
        """True when the program takes connections."""
        return _listens(program.port)

    def url(self, path: str) -> str:
        """An address at the front door."""
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def a_topology(folder: Path) -> Iterator[Topology]:
    """Starts all, waits until all listen, and ends all."""
    with ExitStack() as stack:
        postgres = stack.enter_context(cluster("max_connections=160", "fsync=off"))
        bucket = stack.enter_context(a_bucket(folder))
        host = stack.enter_context(a_host(folder))
        host.serve("/good.wav", "audio/wav", good_wav(17))
        database_url = postgres.create("calldock")
        ports = {name: [(free_port(), free_port()) for _ in range(count)] for name, count in COUNTS.items()}
        shared = {
            "CALLDOCK_DATABASE_URL": database_url,
            "CALLDOCK_SECRET_KEY": base64.b64encode(os.urandom(32)).decode(),
            "CALLDOCK_INTERNAL_KEY": KEY,
            "CALLDOCK_EGRESS_ALLOW": f"127.0.0.1:{host.port}",
            "CALLDOCK_EGRESS_CA_FILE": str(host.ca_file),
            "CALLDOCK_NOTIFY_RETRY_SCHEDULE_S": ",".join(["0.3"] * 40),
            "CALLDOCK_NOTIFY_BREAKER_PAUSE_S": "0.5",
            "CALLDOCK_MEDIA_DOWNLOAD_PAUSES_S": "0.2,0.2,0.2",
            "CALLDOCK_MEDIA_WORKERS": "1",
            "CALLDOCK_LEASE_S": str(LEASE_S),
            "CALLDOCK_SOURCE_KEEP_S": "0",
            STOP_FILE: str(folder / "stop"),
            **{f"CALLDOCK_{name}": value for name, value in bucket.settings().items()},
            **{
                f"CALLDOCK_{name.upper()}_ADDRESS": "ipv4:" + ",".join(f"127.0.0.1:{internal}" for _, internal in found)
                for name, found in ports.items()
            },
        }
        programs: dict[str, list[Program]] = {}
        for name, found in ports.items():
            programs[name] = [
                Program(
                    f"{name}-{number}",
                    [sys.executable, "-m", "tests.chaos.stopping", name],
                    {
                        **os.environ,
                        **shared,
                        "CALLDOCK_DATA_DIR": str(folder / f"{name}-{number}"),
                        "CALLDOCK_PUBLIC_LISTEN": f"127.0.0.1:{public}",
                        "CALLDOCK_INTERNAL_LISTEN": f"127.0.0.1:{internal}",
                    },
                    folder / f"{name}-{number}.log",
                    public,
                )
                for number, (public, internal) in enumerate(found)
            ]
        port = free_port()
        # Paths of sockets are short; pytest's folders are not.
        sockets = Path(stack.enter_context(TemporaryDirectory(prefix="calldock-")))
        front = FrontDoor(
            listen_address="127.0.0.1", listen_port=port, sockets=sockets, descriptors=descriptor_set(), openapi=openapi_document(),
            max_request_bytes=524_288, replicas={name: [f"127.0.0.1:{public}" for public, _ in found] for name, found in ports.items()},
        )  # fmt: skip
        config = folder / "envoy.yaml"
        config.write_text(front.config())
        envoy = [
            envoy_binary(),
            "-c",
            str(config),
            "--disable-hot-restart",
            "--log-level",
            "error",
            "--concurrency",
            "2",
        ]
        programs["envoy"] = [Program("envoy", envoy, os.environ, folder / "envoy.log", port)]
        for each in (each for found in programs.values() for each in found):
            each.start()
            stack.callback(each.end)
        for listening in (port, *(one for found in ports.values() for pair in found for one in pair)):
            until(lambda listening=listening: _listens(listening), 90)  # type: ignore[misc]
        account = _account(ports["intake"][0][1])
        host.secrets.append(account.secret)
        yield Topology(folder, port, programs, postgres, database_url, bucket, host, account)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _account(port: int) -> Account:
    new = CreateAccountRequest(
        name="Chaos", time_zone="Europe/Moscow", region="RU", has_voice_analysis=True, request_id=str(uuid.uuid4())
    )
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        made = AdminServiceStub(channel).CreateAccount(new, timeout=30, metadata=((INTERNAL_KEY_HEADER, KEY),))
    return Account(made.account.account_id, made.access_token, made.webhook_secret)
