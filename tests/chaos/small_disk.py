"""A disk that is small enough to be filled, and an instance that has all it keeps on it, its log included.

The disk is a tmpfs in a mount namespace of its own: nothing of the machine changes, and it goes with the last process that sees it.
"""

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.audio import good_wav
from tests.support.hosts import Host, a_host
from tests.support.running import Account, Calldock, a_calldock_within

SIZE_BYTES = 96 * 1024 * 1024
FILES = 4000
PAGE_BYTES = 4096
LEASE_S = 1.0
AGAIN_S = 0.01
"""Between two looks for room that became free."""
SETTINGS = {
    "NOTIFY_RETRY_SCHEDULE_S": ",".join(["0.3"] * 40),
    "NOTIFY_BREAKER_PAUSE_S": "0.5",
    "MEDIA_DOWNLOAD_PAUSES_S": "0.2,0.2,0.2",
    "MEDIA_WORKERS": "1",
    "LEASE_S": str(LEASE_S),
    "SOURCE_KEEP_S": "0",
}
_MOUNTED = "mounted\n"
_MOUNT = f'mount -t tmpfs -o "$1" none "$2" && printf "{_MOUNTED[:-1]}\\n" && exec cat'
_ROWS = """
import json, sqlite3, sys
database = sqlite3.connect(":memory:", isolation_level=None, timeout=20)
for name in ("intake", "notify"):
    database.execute(f"ATTACH ? AS {name}", (f"{sys.argv[1]}/{name}.db",))
for line in sys.stdin:
    print(json.dumps(database.execute(json.loads(line)).fetchall()), flush=True)
"""


@dataclass
class SmallDisk:
    """A mounted disk. `folder` is where processes on it see it."""

    folder: Path
    holder: "subprocess.Popen[str]"

    @property
    def seen(self) -> Path:
        """Where everybody else sees it."""
        return Path(f"/proc/{self.holder.pid}/root{self.folder}")

    @property
    def within(self) -> tuple[str, ...]:
        """What runs a command where the disk is."""
        user = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
        return ("nsenter", "--target", str(self.holder.pid), "--mount", *user, "--")


@contextmanager
def a_small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Mounts a disk. Skips the test where no namespace of mounts is to be had."""
    folder.mkdir()
    namespace = ("--mount",) if os.geteuid() == 0 else ("--mount", "--map-root-user")
    command = ["unshare", *namespace, "--", "sh", "-c", _MOUNT, "sh", f"size={SIZE_BYTES},nr_inodes={FILES}", str(folder)]  # fmt: skip
    try:
        # It ends when its input does: with the tests, however those end.
        holder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    except FileNotFoundError:
        pytest.skip("a small disk needs unshare (util-linux)")
    with holder:
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline() != _MOUNTED:
            pytest.skip(f"a small disk needs a namespace of mounts: {holder.stderr.read().strip()}")
        yield SmallDisk(folder, holder)


@dataclass
class Ballast:
    """What takes the rest of a disk: its bytes, or its files."""

    disk: SmallDisk

    def take(self) -> None:
        """Takes all the bytes that are left now."""
        with self._folder().joinpath("bytes").open("ab", buffering=0) as file:
            _until_full(lambda: file.write(bytes(PAGE_BYTES)))

    def leave(self, size_bytes: int) -> None:
        """Gives back a part of what it took."""
        bytes_taken = self._folder() / "bytes"
        os.truncate(bytes_taken, max(0, bytes_taken.stat().st_size - size_bytes))

    def take_files(self) -> None:
        """Takes all the names that are left now."""
        folder = self._folder()
        names = count(sum(1 for _ in folder.iterdir()))
        _until_full(lambda: folder.joinpath(str(next(names))).touch())

    def give_back(self) -> None:
        """There is room again."""
        for path in self._folder().iterdir():
            path.unlink()

    @contextmanager
    def kept(self, take: Callable[[], None]) -> Iterator[None]:
        """Takes again, all the time, whatever others let go of."""
        over = threading.Event()

        def keep() -> None:
            while not over.wait(AGAIN_S):
                take()

        thread = threading.Thread(target=keep)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _folder(self) -> Path:
        folder = self.disk.seen / "ballast"
        folder.mkdir(exist_ok=True)
        return folder


def _until_full(take: Callable[[], object]) -> None:
    try:
        while True:
            take()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


@dataclass
class Instance:
    """A calldock on a small disk, with a host of recordings that is also the receiver."""

    disk: SmallDisk
    calldock: Calldock
    host: Host
    accounts: tuple[Account, ...]
    rows: "subprocess.Popen[str]"

    def url(self, path: str) -> str:
        """An address at the front door."""
        return f"{self.calldock.url}{path}"

    def run(self, statement: str) -> list[Any]:
        """The rows of a statement on both databases."""
        rows: list[Any] = json.loads(_told(self.rows, json.dumps(statement)))
        return rows

    def stored(self) -> set[str]:
        """What lies in the folder of recordings, and of what is under way."""
        data = self.calldock.data_dir
        found = {path.relative_to(data / "recordings") for path in (data / "recordings").rglob("*") if path.is_file()}
        return {*map(str, found), *map(str, (data / "scratch").rglob("*"))}

    def processes(self) -> dict[str, int | None]:
        """Which processes run."""
        names = ("services.intake", "services.media", "services.notify", "envoy")
        return {name: self.calldock.child_pid(name) for name in names}


@contextmanager
def an_instance(folder: Path) -> Iterator[Instance]:
    """Starts all on a disk of its own."""
    with ExitStack() as stack:
        disk = stack.enter_context(a_small_disk(folder / "disk"))
        host = stack.enter_context(a_host(folder))
        host.serve("/good.wav", "audio/wav", good_wav(17))
        settings = {**SETTINGS, "EGRESS_ALLOW": f"127.0.0.1:{host.port}", "EGRESS_CA_FILE": str(host.ca_file)}
        calldock = stack.enter_context(a_calldock_within(disk.within, disk.folder, disk.seen, settings))
        accounts = tuple(calldock.account(name) for name in ("Acme", "Best"))
        host.secrets += [account.secret for account in accounts]
        rows = stack.enter_context(
            subprocess.Popen(
                [*disk.within, sys.executable, "-I", "-c", _ROWS, str(disk.folder / "data")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        yield Instance(disk, calldock, host, accounts, rows)


def _told(process: "subprocess.Popen[str]", line: str) -> str:
    asked, told = process.stdin, process.stdout
    assert asked is not None
    assert told is not None
    print(line, file=asked, flush=True)
    return told.readline()
