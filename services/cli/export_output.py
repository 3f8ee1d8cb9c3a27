"""Where an export goes. A file comes to its name whole or not at all."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from services.cli.connect import CommandFailed

STDOUT = Path("-")


class NobodyReads(Exception):
    """Whoever read standard output has gone, as `head` does."""


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A file of text that takes the place of `path` when the block ends well; until then it stands beside it as `.NAME.*.part`. For its owner alone: calls are personal data. `-` is
    standard output. Raises CommandFailed when it cannot be written, NobodyReads."""
    if path == STDOUT:
        with _stdout() as out:
            yield out
        return
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise CommandFailed(f"{path} is no regular file: name another one, or - for standard output")
    try:
        part = NamedTemporaryFile(  # noqa: SIM115 - it lives as long as the block
            "w",
            encoding="utf-8",
            newline="",
            dir=target.parent,
            prefix=f".{target.name}.",
            suffix=".part",
            delete=False,
        )
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}") from error
    try:
        with part:
            yield part
            part.flush()
            os.fsync(part.fileno())
        Path(part.name).replace(target)
    except OSError as error:
        Path(part.name).unlink(missing_ok=True)
        raise CommandFailed(f"{path} cannot be written: {error.strerror}; there is no half file") from error
    except BaseException:
        Path(part.name).unlink(missing_ok=True)
        raise


@contextmanager
def _stdout() -> Iterator[IO[str]]:
    try:
        with open(sys.stdout.fileno(), "w", encoding="utf-8", newline="", closefd=False) as out:
            yield out
    except BrokenPipeError as error:
        raise NobodyReads from error
