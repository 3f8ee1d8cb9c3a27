"""Recordings that lie beside a file of calls: handed over to calldock before the calls that name them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import grpc
from calldock.intake.v1.call_pb2 import CALL_STATUS_CANCELLED, CALL_STATUS_ERROR, Call, CallDraft, Mp3Record, WavRecord
from calldock.intake.v1.call_service_pb2 import LookupCallRequest
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub
from calldock.media.v1.audio_pb2 import RecordingFormat
from calldock.media.v1.recording_service_pb2 import PutRecordingRequest
from calldock.media.v1.recording_service_pb2_grpc import RecordingServiceStub
from google.api.httpbody_pb2 import HttpBody

from services.cli.connect import DEADLINE_S, CommandFailed, Door, asked_until_there, explain

BATCH_SENT_BYTES = 1024**3
"""Files are named by their calls before more than so much waits."""
HANDED_OVER = "calldock-upload:"
PIECE_BYTES = 64 * 1024
PUT_DEADLINE_S = 180.0
CALL_FILES = (".csv", ".json", ".jsonl", ".ndjson")


class WrongFile(Exception):
    """A call names a file that cannot be handed over; the text says which and why."""


def file_of_calls(path: Path) -> tuple[Path, Path]:
    """The file of calls, and the folder in which the recordings that it names lie: `day.csv` and its folder; or, for a folder, the one file of calls in it or
    beside it (`day/` and `day.csv`). Raises CommandFailed when there is none, or more than one."""
    if not path.is_dir():
        return path, path.parent
    beside = [path.with_name(path.name + ending) for ending in CALL_FILES]
    inside = [
        each for each in sorted(path.iterdir()) if each.suffix.lower() in CALL_FILES and ".refused" not in each.name
    ]
    found = [each for each in (*inside, *beside) if each.is_file()]
    if len(found) != 1:
        told = ", ".join(each.name for each in found) or "none"
        raise CommandFailed(f"{path}: one file of calls is due in the folder or beside it ({told}): name it instead")
    return found[0], path


class LocalFiles:
    """Hands over what calls name that is no link. A dry run only looks whether it is there."""

    def __init__(self, door: Door, folder: Path, *, dry_run: bool) -> None:
        self._calls = CallServiceStub(door.channel)
        self._recordings = RecordingServiceStub(door.channel)
        self._metadata = door.metadata
        self._folder = folder.resolve()
        self._dry_run = dry_run
        self._urls: dict[tuple[str, str, RecordingFormat.ValueType], str] = {}
        self.sent_bytes = 0

    def hand_over(self, draft: CallDraft) -> CallDraft:
        """The call with links alone. A call that is stored already keeps the names of its files when they are the same. Raises WrongFile; CommandFailed, RpcError when calldock stays away."""
        if not any(_is_local(record.record_url) for record in _records(draft)):
            return draft
        linked = CallDraft()
        linked.CopyFrom(draft)
        kept = None if self._dry_run else self._stored(draft.ext_id)
        for place, record in enumerate(_records(linked)):
            if not _is_local(record.record_url):
                continue
            kind = (
                RecordingFormat.RECORDING_FORMAT_WAV
                if place < len(linked.wav_records)
                else RecordingFormat.RECORDING_FORMAT_MP3
            )
            named = (draft.ext_id, record.record_url, kind)
            if named not in self._urls:
                self._urls[named] = self._url(self._path(record.record_url), kind, kept, place)
            record.record_url = self._urls[named]
        return linked

    def _url(self, path: Path, kind: RecordingFormat.ValueType, kept: Call | None, place: int) -> str:
        if self._dry_run:
            return f"https://not.yet/{place}"
        stored = list(_records(kept)) if kept is not None else []
        try:
            path.open("rb").close()
        except OSError as error:
            raise WrongFile(f"{path.name} cannot be read: {error.strerror}") from error
        if place < len(stored) and stored[place].recording.source_sha256 == _sha256(path):
            return stored[place].record_url
        return self._put(path, kind)

    def _path(self, name: str) -> Path:
        try:
            path = (self._folder / name).resolve()
            is_there = path.is_file()
        except (OSError, ValueError) as error:
            raise WrongFile(f"{name[:100]}: no name of a file") from error
        # What a file of calls names is somebody's word: nothing outside the folder is sent away on it.
        if not path.is_relative_to(self._folder):
            raise WrongFile(f"{name} lies outside {self._folder.name}: recordings are taken from that folder alone")
        if not is_there:
            raise WrongFile(f"{name}: there is no such file in {self._folder.name}, and it is no link")
        return path

    def _stored(self, ext_id: str) -> Call | None:
        """The call when it is stored, and an upload would leave it as it is."""
        try:
            call = self._calls.LookupCall(
                LookupCallRequest(ext_id=ext_id), timeout=DEADLINE_S, metadata=self._metadata, wait_for_ready=True
            )
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT):
                return None
            raise
        return None if call.status in (CALL_STATUS_ERROR, CALL_STATUS_CANCELLED) else call

    def _put(self, path: Path, kind: RecordingFormat.ValueType) -> str:
        self.sent_bytes += path.stat().st_size
        try:
            answer = asked_until_there(
                lambda: self._recordings.PutRecording(
                    _pieces(path, kind), timeout=PUT_DEADLINE_S, metadata=self._metadata, wait_for_ready=True
                )
            )
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
                raise
            raise WrongFile(f"{path.name}: {explain(error)}") from error
        return answer.record_url


def _records(call: CallDraft | Call) -> Iterator[WavRecord | Mp3Record]:
    yield from call.wav_records
    yield from call.mp3_records


def _is_local(url: str) -> bool:
    return bool(url) and "://" not in url and not url.startswith(HANDED_OVER)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pieces(path: Path, kind: RecordingFormat.ValueType) -> Iterator[PutRecordingRequest]:
    with path.open("rb") as file:
        first = PutRecordingRequest(format=kind, size_bytes=path.stat().st_size)
        first.file.CopyFrom(HttpBody(data=file.read(PIECE_BYTES)))
        yield first
        while piece := file.read(PIECE_BYTES):
            yield PutRecordingRequest(file=HttpBody(data=piece))
