"""Where a file lies until it is whole. What the disk does not take is Trouble, not the fault of the file: there may be room again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from services.shared.errors import Trouble


@contextmanager
def scratch_file(scratch: Path, purpose: str) -> Iterator[Path]:
    """The path of a file to be written, in a folder of its own that goes in the end. Raises Trouble."""
    try:
        folder = TemporaryDirectory(dir=scratch, prefix=f"{purpose}-")
    except OSError as error:
        raise Trouble("the scratch folder takes no folder") from error
    with folder:
        yield Path(folder.name) / "source"


@contextmanager
def writing(target: Path) -> Iterator[Callable[[bytes], None]]:
    """Writes a file, each piece whole. Raises Trouble."""
    try:
        file = target.open("wb", buffering=0)
    except OSError as error:
        raise Trouble("the scratch folder takes no file") from error

    def write(piece: bytes) -> None:
        left = memoryview(piece)
        try:
            # A disk that becomes full takes a part of a piece, and says so at the next.
            while left:
                left = left[file.write(left) :]
        except OSError as error:
            raise Trouble("the scratch folder takes no more") from error

    with file:
        yield write
