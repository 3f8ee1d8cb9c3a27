"""How much is downloaded at once: so many files, so many from one host, so many bytes. What does not fit is Busy, and comes again later."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from services.shared.errors import Busy


class DownloadRoom:
    """Counts what is under way, so that one slow host, or a few huge files, do not take everything."""

    def __init__(self, *, files: int, files_per_host: int, size_bytes: int) -> None:
        self._free_files = files
        self._files_per_host = files_per_host
        self._free_bytes = size_bytes
        self._by_host: Counter[str] = Counter()

    @contextmanager
    def file_of(self, host: str) -> Iterator["FileRoom"]:
        """Room for one file of a host, until the end of the block. Raises Busy."""
        if self._free_files == 0:
            raise Busy("no download slot is free")
        if self._by_host[host] >= self._files_per_host:
            raise Busy(f"{self._files_per_host} downloads from one host are under way")
        self._free_files -= 1
        self._by_host[host] += 1
        room = FileRoom(self)
        try:
            yield room
        finally:
            self._free_files += 1
            self._free_bytes += room.taken_bytes
            self._by_host[host] -= 1
            if not self._by_host[host]:
                del self._by_host[host]

    def take(self, size_bytes: int) -> None:
        """Takes bytes. Raises Busy when there are too few."""
        if size_bytes > self._free_bytes:
            raise Busy("too many bytes are being downloaded")
        self._free_bytes -= size_bytes


class FileRoom:
    """The bytes that one file may fill."""

    def __init__(self, room: DownloadRoom) -> None:
        self._room = room
        self.taken_bytes = 0

    def take(self, size_bytes: int) -> None:
        """Takes bytes for this file, given back at its end. Raises Busy."""
        self._room.take(size_bytes)
        self.taken_bytes += size_bytes
