"""`calldock calls export`: an account's calls as CSV, JSON lines or vCons, a page at a time, in memory that does not grow with them (docs/export.md)."""

import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import grpc
from calldock.intake.v1.call_pb2 import Call, Mp3Record, WavRecord
from calldock.intake.v1.call_service_pb2 import GetCallRequest, ListCallsRequest
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from services.cli import vcon
from services.cli.calls import find_call
from services.cli.connect import DEADLINE_S, Door, as_dict, asked_until_there
from services.cli.export_csv import CsvRows
from services.cli.export_output import STDOUT, whole_file, write_whole
from services.cli.export_recordings import RecordingFiles, base64url, is_same_file
from services.cli.vcon import Content, Inlined, Linked, records_of, vcon_of

PAGE = 1000
RECORDINGS_ENDING = ".recordings"
"""Of the folder of files beside an export: `calls.recordings` for calls.csv."""
VCON_ENDING = ".vcon.json"
"""Of the files in a folder of vCons: its number before it."""


class ExportFormat(StrEnum):
    """What an export is written as."""

    CSV = "csv"
    JSONL = "jsonl"
    VCON = "vcon"


class RecordingsWord(StrEnum):
    """What an export has of recordings."""

    LINK = "link"
    FILES = "files"
    INLINE = "inline"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class OneCall:
    """One call to export, by our number, or by the account's id."""

    name: str
    is_ext_id: bool


@dataclass(slots=True)
class Exported:
    """What was exported: calls, their recordings, and how many of these without what was asked for: no link that may be given, or a file that is not kept."""

    calls: int = 0
    recordings: int = 0
    recordings_without_content: int = 0


class Selection:
    """The calls to export, newest first. Calls that arrive meanwhile are not among them. Waits while calldock is away, for `patience` at a time."""

    def __init__(self, door: Door, asked: ListCallsRequest | OneCall, *, is_whole: bool, patience: timedelta) -> None:
        self._door = door
        self._stub = CallServiceStub(door.channel)
        self._metadata = door.metadata
        self._asked = asked
        self._is_whole = is_whole
        self._patience = patience

    def __iter__(self) -> Iterator[Call]:
        """Raises RpcError, CommandFailed."""
        if isinstance(self._asked, OneCall):
            yield self._one(self._asked)
            return
        request = ListCallsRequest(page_size=PAGE)
        request.MergeFrom(self._asked)
        while True:
            page = asked_until_there(
                lambda: self._stub.ListCalls(request, timeout=DEADLINE_S, metadata=self._metadata),
                patience=self._patience,
            )
            for call in page.calls:
                found = self._whole(call) if self._is_whole else call
                if found is not None:
                    yield found
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _one(self, asked: OneCall) -> Call:
        return asked_until_there(
            lambda: find_call(self._door, asked.name, is_ext_id=asked.is_ext_id), patience=self._patience
        )

    def _get(self, call_session_id: int) -> Call:
        request = GetCallRequest(call_session_id=call_session_id)
        return asked_until_there(
            lambda: self._stub.GetCall(request, timeout=DEADLINE_S, metadata=self._metadata), patience=self._patience
        )

    def _whole(self, call: Call) -> Call | None:
        """The call with who talks when, which lists leave out; None when it has gone meanwhile."""
        if not any(record.recording.HasField("audio_report") for record in records_of(call)):
            return call
        try:
            return self._get(call.call_session_id)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise


def export(
    door: Door,
    path: Path,
    asked: ListCallsRequest | OneCall,
    form: ExportFormat,
    recordings: RecordingsWord,
    *,
    domain: str,
    patience: timedelta,
    console: Console,
) -> Exported:
    """Writes the calls. A file, or each file of a folder of vCons, comes to its name whole or not at all. Raises CommandFailed, RpcError."""
    done = Exported()
    selection = Selection(door, asked, is_whole=form is ExportFormat.VCON, patience=patience)
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} calls exported"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)

        def selected() -> Iterator[Call]:
            for call in selection:
                if recordings is RecordingsWord.NONE and form is not ExportFormat.VCON:
                    call.ClearField("wav_records")
                    call.ClearField("mp3_records")
                elif recordings is RecordingsWord.FILES:
                    _take_files(door, call, path, patience, done)
                yield call
                done.calls += 1
                done.recordings += len(records_of(call))
                progress.update(task, completed=done.calls)

        match form:
            case ExportFormat.CSV:
                _export_csv(path, selected())
            case ExportFormat.JSONL:
                with whole_file(path) as file:
                    for call in selected():
                        file.write(json.dumps(as_dict(call), ensure_ascii=False) + "\n")
            case ExportFormat.VCON:
                writer = _VconWriter(door, recordings, domain, patience, done)
                _export_vcons(path, selected(), writer, is_document=isinstance(asked, OneCall))
    return done


def _take_files(door: Door, call: Call, path: Path, patience: timedelta, done: Exported) -> None:
    """Puts the files of a call's recordings, as they came, into the folder beside the export, and names them instead of their links. One that is there already is not fetched again."""
    folder = path.with_name(f"{path.stem}{RECORDINGS_ENDING}")
    for record in records_of(call):
        number = record.recording.recording_id
        target = folder / f"{number}.{'wav' if isinstance(record, WavRecord) else 'mp3'}"
        if not is_same_file(target, record.recording.source_sha512):
            with ExitStack() as kept:
                file = RecordingFiles(door, kept, patience).source(record)
                if file is None:
                    done.recordings_without_content += 1
                    continue
                write_whole(target, file)
        record.record_url = f"{folder.name}/{target.name}"


def _export_csv(path: Path, calls: Iterator[Call]) -> None:
    beside = None if path == STDOUT else path.resolve().parent
    with whole_file(path) as file, TemporaryFile("w+", encoding="utf-8", newline="\n", dir=beside) as spool:
        rows = CsvRows(spool)
        for call in calls:
            rows.add(call)
        rows.write(file)


def _export_vcons(path: Path, calls: Iterator[Call], writer: "_VconWriter", *, is_document: bool) -> None:
    if path != STDOUT and path.is_dir():
        for call in calls:
            with whole_file(path / f"{call.call_session_id}{VCON_ENDING}") as file:
                writer.write(call, file, indent=2)
        return
    with whole_file(path) as file:
        for call in calls:
            writer.write(call, file, indent=2 if is_document and path.suffix != ".jsonl" else None)


class _VconWriter:
    """Writes vCons. A recording that goes inline stands in the text as a mark that nobody can guess, until its file takes the place piece by piece."""

    def __init__(
        self, door: Door, recordings: RecordingsWord, domain: str, patience: timedelta, done: Exported
    ) -> None:
        self._door = door
        self._recordings = recordings
        self._domain = domain
        self._patience = patience
        self._done = done
        self._mark = secrets.token_hex(16)
        self._marked = re.compile(rf"{self._mark}-(\d+)")

    def write(self, call: Call, file: IO[str], *, indent: int | None) -> None:
        """Writes the vCon of a call and an end of line."""
        with ExitStack() as kept:
            bodies: dict[int, IO[bytes]] = {}
            files = RecordingFiles(self._door, kept, self._patience)
            contents = {
                record.recording.recording_id: content
                for record in records_of(call)
                if (content := self._content(record, files, bodies)) is not None
            }
            text = json.dumps(vcon_of(call, contents, self._domain), ensure_ascii=False, indent=indent)
            # Every second part is the number of a recording.
            for place, part in enumerate(self._marked.split(text)):
                if place % 2:
                    file.writelines(base64url(bodies[int(part)]))
                else:
                    file.write(part)
            file.write("\n")

    def _content(
        self, record: WavRecord | Mp3Record, files: RecordingFiles, bodies: dict[int, IO[bytes]]
    ) -> Content | None:
        if self._recordings is RecordingsWord.NONE:
            return None
        content = _link(record) if self._recordings is RecordingsWord.LINK else self._inline(record, files, bodies)
        if content is None:
            self._done.recordings_without_content += 1
        return content

    def _inline(
        self, record: WavRecord | Mp3Record, files: RecordingFiles, bodies: dict[int, IO[bytes]]
    ) -> Inlined | None:
        """The MP3 for listening; for a recording that has none, the file as it came."""
        number = record.recording.recording_id
        ways: tuple[tuple[Callable[[WavRecord | Mp3Record], IO[bytes] | None], str], ...] = (
            (files.audio, vcon.MP3),
            (files.source, vcon.mediatype(record)),
        )
        for fetch, mediatype in ways:
            body = fetch(record)
            if body is not None:
                bodies[number] = body
                ending = "mp3" if mediatype == vcon.MP3 else "wav"
                return Inlined(body=f"{self._mark}-{number}", mediatype=mediatype, filename=f"{number}.{ending}")
        return None


def _link(record: WavRecord | Mp3Record) -> Linked | None:
    """The link with its SHA-512. A file that was handed over has none; one by http may not stand in a vCon (draft 2.4.1); one of before calldock took the SHA-512 lacks it."""
    known = record.recording
    if not record.record_url.lower().startswith("https://") or not known.source_sha512:
        return None
    return Linked(url=record.record_url, sha512=known.source_sha512)
