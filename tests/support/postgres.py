"""A PostgreSQL cluster of the tests' own, from the installed binaries: on a unix socket, ended with the tests."""

import atexit
import base64
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

KIND = "CALLDOCK_TESTS_DATABASE"
IS_MEANT = os.environ.get(KIND) == "postgresql"
"""True when all tests are to run on PostgreSQL (`make postgres`)."""
VERSIONS = Path("/usr/lib/postgresql")
STARTED_WITHIN_S = 60.0
_PLAIN_USERS = ("postgres", "nobody")
_numbers = count()


@dataclass(slots=True)
class Cluster:
    """A running server."""

    binaries: Path
    folder: Path
    user: str | None
    settings: tuple[str, ...]
    server: "subprocess.Popen[bytes] | None" = None

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases."""
        return f"postgresql://calldock@/{database}?host={self.folder}"

    def create(self, database: str) -> str:
        """Makes a database; answers its address."""
        _run(self.user, self.binaries / "createdb", "-h", str(self.folder), "-U", "calldock", database)
        return self.url(database)

    def start(self) -> None:
        """Returns when it answers. Raises RuntimeError with its log when it does not."""
        with (self.folder / "log").open("ab") as log:
            self.server = subprocess.Popen(
                [
                    str(self.binaries / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder), "-c", "listen_addresses=",
                    *(part for setting in self.settings for part in ("-c", setting)),
                ],
                user=self.user, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
            )  # fmt: skip
        end = time.monotonic() + STARTED_WITHIN_S
        ready = [str(self.binaries / "pg_isready"), "-q", "-h", str(self.folder)]
        while subprocess.run(ready, check=False).returncode != 0:
            if self.server.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends it at once, whoever is connected (fast shutdown)."""
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            self.server.wait()

    def restart(self) -> None:
        """Ends it, and starts it again."""
        self.stop()
        self.start()


@contextmanager
def cluster(*settings: str) -> Iterator[Cluster]:
    """A server with these settings (`name=value`), until the end. Raises FileNotFoundError where PostgreSQL is not installed."""
    binaries = max(VERSIONS.glob("*/bin"), key=lambda path: int(path.parent.name), default=None)
    if binaries is None:
        raise FileNotFoundError(f"no PostgreSQL under {VERSIONS}")
    user = _plain_user()
    # Not below pytest's folders, which are this user's alone; and short, for the path of the socket.
    folder = Path(tempfile.mkdtemp(prefix="calldock-pg-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        data = folder / "data"
        _run(user, binaries / "initdb", "-D", str(data), "-U", "calldock", "--auth=trust", "-E", "UTF8", "--no-sync")
        found = Cluster(binaries, folder, user, settings)
        try:
            found.start()
            yield found
        finally:
            found.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def own_database() -> dict[str, str]:
    """Settings of an instance with a database of its own, where all are meant to be on PostgreSQL."""
    if not IS_MEANT:
        return {}
    return {
        "DATABASE_URL": _of_this_run().create(f"d{next(_numbers)}"),
        "SECRET_KEY": base64.b64encode(bytes(32)).decode(),
    }


@cache
def _of_this_run() -> Cluster:
    running = cluster("fsync=off", "full_page_writes=off", "max_connections=200")
    found = running.__enter__()
    atexit.register(running.__exit__, None, None, None)
    return found


def _plain_user() -> str | None:
    """Who owns the server: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in _PLAIN_USERS if name in names)


def _run(user: str | None, *command: object) -> None:
    subprocess.run([str(part) for part in command], user=user, check=True, stdout=subprocess.DEVNULL, cwd="/")
