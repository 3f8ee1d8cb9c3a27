"""Where an export goes. A file comes to its name whole or not at all."""

import os
import shutil
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
    with _beside(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        yield file
        _flush(file)


def write_whole(path: Path, content: IO[bytes]) -> None:
    """Writes a file, its folder too, under the same promises. Raises CommandFailed."""
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise CommandFailed(f"{path.parent} cannot be made: {error.strerror}") from error
    with _beside(path) as part, part.open("wb") as file:
        content.seek(0)
        shutil.copyfileobj(content, file)
        _flush(file)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """The name of a file beside `path` that takes its place when the block ends well, and else is gone."""
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise CommandFailed(f"{path} is no regular file: name another one, or - for standard output")
    part = None
    try:
        with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", suffix=".part", delete=False) as made:
            part = Path(made.name)
        yield part
        part.replace(target)
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}; there is no half file") from error
    finally:
        if part is not None:
            # Gone already when it has taken its place.
            part.unlink(missing_ok=True)


def _flush(file: IO[str] | IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _stdout() -> Iterator[IO[str]]:
    try:
        with open(sys.stdout.fileno(), "w", encoding="utf-8", newline="", closefd=False) as out:
            yield out
    except BrokenPipeError as error:
        raise NobodyReads from error
