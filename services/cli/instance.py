"""A running instance: its folder, its lock, and how the command line finds its sockets."""

import base64
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

RUNTIME_FILE = "runtime.json"
SECRET_KEY_FILE = "secret.key"
MAX_SOCKET_PATH = 107
"""The longest path of a unix socket that Linux takes, in bytes."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


class InstanceRunning(Exception):
    """Another `calldock up` has the data directory."""


class CannotStart(Exception):
    """The instance did not come up; the message says why and what to do."""


class KeyMissing(Exception):
    """The key that sealed what is stored is not there."""


class NotRunning(Exception):
    """No instance runs on the data directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Where a running instance is reached: its front door, and the sockets behind it."""

    pid: int
    url: str
    sockets: str

    def internal(self, service: str) -> str:
        """The address of a service's internal listener."""
        return f"unix:{self.sockets}/{service}-internal.sock"


@contextmanager
def keeping_in(data_dir: Path) -> Iterator[None]:
    """Turns what the data directory does not take into CannotStart, which says what to do."""
    try:
        yield
    except OSError as error:
        why = "its disk is full, make room there" if error.errno in _FULL else error.strerror
        raise CannotStart(f"{data_dir} takes no files: {why}, or name another --data-dir") from error


def lock_data_dir(data_dir: Path) -> TextIO:
    """Takes the data directory for this process, for as long as the file stays open. Raises InstanceRunning, naming who has it."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = (data_dir / "calldock.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise InstanceRunning(
            f"{data_dir} is in use by another calldock (process {owner}); stop it, or name another --data-dir"
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def write_runtime(data_dir: Path, runtime: Runtime) -> None:
    """Tells the command line where the instance is, whole or not at all."""
    fresh = data_dir / f"{RUNTIME_FILE}.new"
    fresh.write_text(json.dumps(asdict(runtime)))
    fresh.replace(data_dir / RUNTIME_FILE)


def read_runtime(data_dir: Path) -> Runtime:
    """Where the instance on this data directory is. Raises NotRunning."""
    try:
        runtime = Runtime(**json.loads((data_dir / RUNTIME_FILE).read_text()))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotRunning(
            f"no calldock runs on {data_dir}: start it with `calldock up --data-dir {data_dir}`"
        ) from error
    if not Path(runtime.sockets).exists():
        raise NotRunning(f"calldock on {data_dir} was stopped: start it with `calldock up --data-dir {data_dir}`")
    return runtime


def secret_key(data_dir: Path) -> str:
    """The key that seals secrets at rest, made at the first start and readable by its owner only. It belongs into the backup.

    Raises KeyMissing when there are secrets already that another key has sealed.
    """
    path = data_dir / SECRET_KEY_FILE
    if not path.exists():
        if (data_dir / "notify.db").exists():
            raise KeyMissing(
                f"{path} is missing, and the secrets in {data_dir / 'notify.db'} were sealed with it: "
                "put it back from the backup, or set CALLDOCK_SECRET_KEY"
            )
        fresh = data_dir / f"{SECRET_KEY_FILE}.new"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(base64.b64encode(os.urandom(32)).decode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    return path.read_text().strip()
