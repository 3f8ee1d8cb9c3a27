"""Fetching a recording: a guarded download, whole, into the object store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from services.media.download import Downloaded, Downloader, DownloadRefused
from services.media.verdict import AudioRules, Fault, RecordingFormat
from services.shared.errors import Busy
from services.shared.objects import ObjectStore


class Fetching:
    """Downloads, so many at once. A file comes to a folder of its own first, so that the object store only ever sees whole ones."""

    def __init__(self, downloader: Downloader, objects: ObjectStore, scratch: Path, most: int) -> None:
        self._downloader = downloader
        self._objects = objects
        self._scratch = scratch
        self._free = most

    async def fetch(self, url: str, kind: RecordingFormat, target_key: str, rules: AudioRules) -> Downloaded | Fault:
        """Stores the recording under the key, or says why it is not to be had. Raises Busy when no more downloads fit, Trouble when the store is away."""
        async with self._place():
            with TemporaryDirectory(dir=self._scratch, prefix="fetch-") as folder:
                file = Path(folder) / "source"
                try:
                    downloaded = await self._downloader.download(url, kind, rules, file)
                except DownloadRefused as refused:
                    return refused.fault
                await self._objects.put_file(target_key, file)
                return downloaded

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._free == 0:
            raise Busy("no download slot is free")
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
