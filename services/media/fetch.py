"""Fetching a recording: a guarded download, whole, into the object store."""

from pathlib import Path

from services.media.credential import HostCredential
from services.media.download import Downloaded, Downloader, DownloadRefused, host_of
from services.media.metrics import MediaMetrics
from services.media.room import DownloadRoom
from services.media.scratch import scratch_file
from services.media.verdict import AudioRules, Fault, RecordingFormat
from services.shared.objects import ObjectStore


class Fetching:
    """Downloads within a room. A file comes to a folder of its own first, so that the object store only ever sees whole ones."""

    def __init__(
        self, downloader: Downloader, objects: ObjectStore, scratch: Path, room: DownloadRoom, metrics: MediaMetrics
    ) -> None:
        self._metrics = metrics
        self._downloader = downloader
        self._objects = objects
        self._scratch = scratch
        self._room = room

    async def fetch(
        self,
        url: str,
        kind: RecordingFormat,
        target_key: str,
        rules: AudioRules,
        credential: HostCredential | None = None,
    ) -> Downloaded | Fault:
        """Stores the recording under the key, or says why it is not to be had. Raises Busy when no more downloads fit, Trouble when the store is away or the disk is full."""
        with (
            self._room.file_of(host_of(url)) as room,
            scratch_file(self._scratch, "fetch") as file,
        ):
            try:
                downloaded = await self._downloader.download(url, kind, rules, file, room.take, credential)
            except DownloadRefused as refused:
                self._metrics.downloaded(refused.fault.code.value, 0)
                return refused.fault
            self._metrics.downloaded(None, downloaded.size_bytes)
            await self._objects.put_file(target_key, file)
            return downloaded
