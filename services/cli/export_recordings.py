"""The files of recordings on their way into an export: to the disk first, whole and checked, then into the text in pieces. Memory holds one piece."""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import grpc
from calldock.intake.v1.call_pb2 import Mp3Record, RecordingStatus, WavRecord
from calldock.media.v1.recording_service_pb2 import GetRecordingAudioRequest, GetRecordingSourceRequest
from calldock.media.v1.recording_service_pb2_grpc import RecordingServiceStub

from services.cli.connect import CommandFailed, Door, asked_until_there

STREAM_DEADLINE_S = 180.0
PIECE_BYTES = 3 * 16 * 1024
"""A multiple of 3: base64 of the pieces is base64 of the file."""


class RecordingFiles:
    """Fetches recordings into files that live as long as `kept`."""

    def __init__(self, door: Door, kept: ExitStack, patience: timedelta) -> None:
        self._stub = RecordingServiceStub(door.channel)
        self._metadata = door.metadata
        self._kept = kept
        self._patience = patience

    def audio(self, record: WavRecord | Mp3Record) -> IO[bytes] | None:
        """The MP3 of an accepted recording; None for another one."""
        known = record.recording
        if known.status != RecordingStatus.RECORDING_STATUS_ACCEPTED:
            return None
        return asked_until_there(
            lambda: self._fetch(known.recording_id, "audio", known.audio_size_bytes, ""), patience=self._patience
        )

    def source(self, record: WavRecord | Mp3Record) -> IO[bytes] | None:
        """The file as it came, as long as it is kept."""
        known = record.recording
        if not known.HasField("source_size_bytes"):
            return None
        fetch = lambda: self._fetch(known.recording_id, "source", known.source_size_bytes, known.source_sha512)  # noqa: E731
        return asked_until_there(fetch, patience=self._patience)

    def _fetch(self, recording_id: int, kind: str, size_bytes: int, sha512: str) -> IO[bytes] | None:
        file = self._kept.enter_context(TemporaryFile())  # noqa: SIM115 - `kept` closes it
        digest = hashlib.sha512()
        stream = (
            self._stub.GetRecordingAudio(
                GetRecordingAudioRequest(recording_id=recording_id), timeout=STREAM_DEADLINE_S, metadata=self._metadata
            )
            if kind == "audio"
            else self._stub.GetRecordingSource(
                GetRecordingSourceRequest(recording_id=recording_id), timeout=STREAM_DEADLINE_S, metadata=self._metadata
            )
        )
        try:
            for piece in stream:
                digest.update(piece.data)
                file.write(piece.data)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise
        if file.tell() != size_bytes or (sha512 and digest.hexdigest() != sha512):
            raise CommandFailed(f"recording {recording_id} came otherwise than calldock stored it: try again")
        return file


def is_same_file(path: Path, sha512: str) -> bool:
    """Whether a file is there already."""
    if not sha512 or not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha512").hexdigest() == sha512


def base64url(file: IO[bytes]) -> Iterator[str]:
    """The file in base64url without padding (RFC 7515, 2), in pieces."""
    file.seek(0)
    while piece := file.read(PIECE_BYTES):
        yield base64.urlsafe_b64encode(piece).decode().rstrip("=")
