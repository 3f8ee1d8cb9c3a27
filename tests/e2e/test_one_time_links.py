"""docs/client-area.md: a one-time link signs in once, at whichever of two medias it is used, and whatever was restarted meanwhile; on both databases."""

import asyncio
import base64
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Barrier

import asyncpg  # type: ignore[import-untyped]
import pytest
from pydantic import SecretStr

from services.intake.server import MIGRATIONS
from services.intake.settings import IntakeSettings
from services.intake.store.accounts import create_account
from services.intake.store.filtering import FUNCTIONS
from services.intake.store.used_links import take_link
from services.shared.clock import SystemClock
from services.shared.db.opening import open_database
from services.shared.identity import token_sha256
from services.shared.sessions import APP_HEADER, CODE_LIFETIME, Sessions
from tests.e2e.test_peer_tls import start
from tests.support.makers import HandClock, a_new_account
from tests.support.postgres import cluster
from tests.support.running import until

TOKEN = "a-token-of-the-tests"
KEY = SecretStr(base64.b64encode(b"s" * 32).decode())
MEDIAS = ("one", "two")
LONG_AGO = "the request of a link that is over"


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket of this machine."""

    def __init__(self, path: Path) -> None:
        super().__init__("media", timeout=30)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass
class Installation:
    """One intake with its database, and two medias that ask it."""

    folder: Path
    """Short, for the paths of sockets."""
    database: dict[str, str]
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def settings(self, name: str) -> dict[str, str]:
        own = {
            "DATA_DIR": f"{self.folder}/{name}",
            "PUBLIC_LISTEN": f"unix:{self.folder}/{name}/public.sock",
            "INTERNAL_LISTEN": f"unix:{self.folder}/{name}/internal.sock",
            "INTAKE_ADDRESS": f"unix:{self.folder}/intake/internal.sock",
            "SESSION_KEY": KEY.get_secret_value(),
        }
        if name != "intake":
            return {**own, "HTTP_LISTEN": f"unix:{self.folder}/{name}/http.sock", "MEDIA_WORKERS": "1"}
        # Nobody is there: signing in needs neither.
        away = f"unix:{self.folder}/nobody.sock"
        sealing = base64.b64encode(bytes(32)).decode()
        return {**own, "MEDIA_ADDRESS": away, "NOTIFY_ADDRESS": away, "SECRET_KEY": sealing, **self.database}

    def start(self, name: str) -> None:
        service = "intake" if name == "intake" else "media"
        environment = {f"CALLDOCK_{key}": value for key, value in self.settings(name).items()}
        self.running[name] = start({**os.environ, **environment}, self.folder / f"{name}.log", service)
        until(lambda: f"{service}.started" in self.log(name))

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def kill(self, name: str) -> None:
        """Ends a process at once, as a machine would that fails."""
        process = self.running.pop(name)
        process.kill()
        process.wait()
        (self.folder / f"{name}.log").unlink()

    def post(self, media: str, path: str, body: str = "", **headers: str) -> tuple[int, dict[str, str]]:
        connection = UnixConnection(self.folder / media / "http.sock")
        try:
            connection.request("POST", path, body, {APP_HEADER: "1", **headers})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def code(self, media: str) -> str:
        """The code of a new link."""
        status, said = self.post(media, "/app/links", authorization=f"Bearer {TOKEN}")
        assert status == 200, said
        return said["code"]

    def sign_in(self, media: str, code: str) -> int:
        """How a media answers who uses a link."""
        return self.post(media, "/app/session", json.dumps({"code": code}))[0]

    def wait_for_intake(self, used: str) -> None:
        """Returns when intake answers both medias again, asked by a link that is used already."""
        for media in MEDIAS:
            until(partial(self._is_answered, media, used))

    def remembers(self, request_id: str) -> bool:
        """Whether the database has a link that this request used."""
        if self.database:
            return asyncio.run(self._postgres_remembers(request_id))
        with closing(sqlite3.connect(f"file:{self.folder}/intake/intake.db?mode=ro", uri=True)) as db:
            return bool(db.execute("SELECT 1 FROM used_links WHERE request_id = ?", [request_id]).fetchall())

    async def _postgres_remembers(self, request_id: str) -> bool:
        db = await asyncpg.connect(self.database["DATABASE_URL"])
        try:
            return bool(await db.fetch("SELECT 1 FROM intake.used_links WHERE request_id = $1", request_id))
        finally:
            await db.close()

    def _is_answered(self, media: str, used: str) -> bool:
        return self.sign_in(media, used) != 503


@contextmanager
def database(kind: str) -> Iterator[dict[str, str]]:
    if kind == "sqlite":
        yield {}
        return
    with cluster("max_connections=40") as running:
        yield {"DATABASE_URL": running.create("calldock")}


async def prepare(installation: Installation) -> None:
    """Puts an account into the database before anybody runs, for making one by intake needs notify; and a link that was used long ago."""
    names = {key.lower(): value for key, value in installation.settings("intake").items()}
    db = await open_database(IntakeSettings.model_validate(names), "intake", MIGRATIONS, FUNCTIONS)
    try:
        account = await db.write(create_account, a_new_account(), token_sha256(TOKEN), None, datetime.now(UTC))
        then = datetime.now(UTC) - timedelta(hours=2)
        assert await db.write(take_link, bytes(16), account.account_id, then, LONG_AGO, then)
    finally:
        await db.stop()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def installation(request: pytest.FixtureRequest) -> Iterator[Installation]:
    with ExitStack() as stack:
        settings = stack.enter_context(database(request.param))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="calldock-")))
        found = Installation(folder, settings)
        for name in ("intake", *MEDIAS):
            (folder / name).mkdir(mode=0o700)
        asyncio.run(prepare(found))
        try:
            for name in ("intake", *MEDIAS):
                found.start(name)
            yield found
            for process in found.running.values():
                process.send_signal(signal.SIGTERM)
            assert {process.wait(60) for process in found.running.values()} == {0}
        finally:
            for process in found.running.values():
                process.kill()
                process.wait()


def test_of_all_who_use_a_link_at_two_medias_at_once_one_is_let_in(installation: Installation) -> None:
    uses = 8

    def use(code: str, number: int, together: Barrier) -> int:
        together.wait(30)
        return installation.sign_in(MEDIAS[number % 2], code)

    with ThreadPoolExecutor(uses) as pool:
        for turn in range(10):
            code, together = installation.code(MEDIAS[turn % 2]), Barrier(uses)
            told = list(pool.map(use, [code] * uses, range(uses), [together] * uses))
            assert sorted(told) == [200] + [401] * (uses - 1)


def test_a_link_outlives_a_restart_of_whoever_made_it_and_a_used_one_of_whoever_took_it(
    installation: Installation,
) -> None:
    used, kept = installation.code("one"), installation.code("one")
    assert installation.sign_in("one", used) == 200
    for name in ("one", "intake"):
        installation.kill(name)
        installation.start(name)
    installation.wait_for_intake(used)

    assert [installation.sign_in(media, used) for media in MEDIAS] == [401, 401]
    assert [installation.sign_in(media, kept) for media in MEDIAS] == [200, 401]


def test_while_intake_is_away_a_link_waits_and_what_is_no_link_is_told_so(installation: Installation) -> None:
    code, used = installation.code("one"), installation.code("two")
    assert installation.sign_in("two", used) == 200
    clock = HandClock(datetime.now(UTC) - CODE_LIFETIME - timedelta(seconds=1))
    expired = Sessions(KEY, clock).seal_code(TOKEN)
    forged = Sessions(SecretStr(base64.b64encode(b"f" * 32).decode()), SystemClock()).seal_code(TOKEN)
    altered = code[:-9] + ("A" if code[-9] != "A" else "B") + code[-8:]
    installation.kill("intake")

    assert [installation.sign_in(media, code) for media in MEDIAS] == [503, 503]
    for other in (expired, forged, altered):
        assert [installation.sign_in(media, other) for media in MEDIAS] == [401, 401]

    installation.start("intake")
    installation.wait_for_intake(used)
    assert [installation.sign_in(media, code) for media in MEDIAS] == [200, 401]
    assert [installation.sign_in(media, used) for media in MEDIAS] == [401, 401]


def test_a_running_intake_forgets_links_that_are_over(installation: Installation) -> None:
    until(lambda: not installation.remembers(LONG_AGO))
