"""Calls that change or go while they are exported, from a server that says so at the right moment."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from calldock.intake.v1.call_pb2 import Call
from calldock.intake.v1.call_service_pb2 import GetCallRequest, ListCallsRequest, ListCallsResponse
from calldock.intake.v1.call_service_pb2_grpc import CallServiceServicer, add_CallServiceServicer_to_server
from calldock.media.v1.recording_service_pb2 import GetRecordingAudioRequest
from calldock.media.v1.recording_service_pb2_grpc import (
    RecordingServiceServicer,
    add_RecordingServiceServicer_to_server,
)
from google.api.httpbody_pb2 import HttpBody
from rich.console import Console

from services.cli.connect import PATIENCE, CommandFailed, Door
from services.cli.export import ExportFormat, RecordingsWord, export
from services.cli.vcon import NO_DOMAIN
from tests.support.calls import a_call


def recorded(number: int, size_bytes: int = 6) -> Call:
    known = {"recording_id": str(number), "status": "RECORDING_STATUS_ACCEPTED", "audio_report": {"duration": "21s"}, "audio_size_bytes": str(size_bytes)}  # fmt: skip
    return a_call(call_session_id=str(number), mp3_records=[{"record_url": "https://r/1.mp3", "recording": known}])


class Calls(CallServiceServicer):
    """Two pages of a recorded call each; those of `gone` are erased between a list and the look at one of its calls."""

    def __init__(self, gone: set[int]) -> None:
        self.gone = gone

    def ListCalls(self, request: ListCallsRequest, context: grpc.ServicerContext) -> ListCallsResponse:  # noqa: N802
        if request.page_token:
            return ListCallsResponse(calls=[recorded(1)])
        return ListCallsResponse(calls=[recorded(2)], next_page_token="more")

    def GetCall(self, request: GetCallRequest, context: grpc.ServicerContext) -> Call:  # noqa: N802
        if request.call_session_id in self.gone:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such call")
        return recorded(request.call_session_id)


class Recordings(RecordingServiceServicer):
    """Breaks off once in the middle of each recording."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def GetRecordingAudio(  # noqa: N802
        self, request: GetRecordingAudioRequest, context: grpc.ServicerContext
    ) -> Iterator[HttpBody]:
        yield HttpBody(data=b"abc")
        self.asked.append(request.recording_id)
        if self.asked.count(request.recording_id) == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        yield HttpBody(data=b"def" if request.recording_id == 1 else b"d")


@pytest.fixture
def served() -> Iterator[tuple[Door, Calls]]:
    server = grpc.server(ThreadPoolExecutor(2))
    calls = Calls(set())  # type: ignore[abstract]
    add_CallServiceServicer_to_server(calls, server)
    add_RecordingServiceServicer_to_server(Recordings(), server)  # type: ignore[abstract]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        yield Door(channel, ()), calls
    server.stop(None).wait()


def run(door: Door, path: Path) -> None:
    with path.with_suffix(".log").open("w") as log:
        console = Console(file=log)
        export(door, path, ListCallsRequest(), ExportFormat.VCON, RecordingsWord.INLINE, domain=NO_DOMAIN, patience=PATIENCE, console=console)  # fmt: skip


def test_a_call_that_was_erased_meanwhile_is_not_there_and_a_broken_recording_is_whole(
    served: tuple[Door, Calls], tmp_path: Path
) -> None:
    door, calls = served
    calls.gone = {2}

    run(door, tmp_path / "a.jsonl")

    (vcon,) = map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines())
    assert vcon["attachments"][0]["body"]["call_session_id"] == "1"
    assert vcon["dialog"][0]["body"] == "YWJjZGVm"


def test_a_recording_of_another_size_than_was_stored_is_no_recording(
    served: tuple[Door, Calls], tmp_path: Path
) -> None:
    door, _ = served

    with pytest.raises(CommandFailed, match="recording 2 came otherwise"):
        run(door, tmp_path / "a.jsonl")

    assert not (tmp_path / "a.jsonl").exists()
