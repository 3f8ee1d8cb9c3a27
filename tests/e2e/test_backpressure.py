"""media when it is full, and when whoever asked has gone (design: what is not wanted any more costs nothing)."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import grpc
import pytest
from calldock.media.internal.v1.processing_service_pb2 import (
    AudioRules,
    AudioTags,
    FetchRecordingRequest,
    ProcessRecordingRequest,
)
from calldock.media.internal.v1.processing_service_pb2_grpc import ProcessingServiceStub
from calldock.media.v1.audio_pb2 import RECORDING_FORMAT_WAV
from google.protobuf.duration_pb2 import Duration

from services.cli.demo.speech import conversation, wav_bytes, with_noise
from tests.support.hosts import Host
from tests.support.running import Calldock, until

RULES = AudioRules(version=1, max_size_bytes=52_428_800, min_duration=Duration(seconds=16), min_snr_db=15.0)
FIVE_MINUTES = wav_bytes(with_noise(conversation(300), -62))


@pytest.fixture(scope="module")
def media(calldock: Calldock) -> Iterator[ProcessingServiceStub]:
    with grpc.insecure_channel(f"unix:{Path(calldock.runtime()['sockets'])}/media-internal.sock") as channel:
        yield ProcessingServiceStub(channel)


def scratch(calldock: Calldock) -> list[Path]:
    return list((calldock.data_dir / "scratch").glob("fetch-*"))


def to_process(source_key: str, number: int) -> ProcessRecordingRequest:
    return ProcessRecordingRequest(
        source_key=source_key, format=RECORDING_FORMAT_WAV, target_key=f"test/pressure/{number}.mp3", rules=RULES,
        tags=AudioTags(ext_id="x", call_session_id=1),
    )  # fmt: skip


def test_an_rpc_whose_time_is_over_stops_its_download_at_once(
    calldock: Calldock, host: Host, media: ProcessingServiceStub
) -> None:
    go_on = threading.Event()

    def stall(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("content-type", "audio/wav")
        request.end_headers()
        request.wfile.write(b"RIFF")
        go_on.wait(25)

    host.pages["/stalls.wav"] = stall
    request = FetchRecordingRequest(
        url=f"{host.url}/stalls.wav", format=RECORDING_FORMAT_WAV, target_key="test/pressure/none.wav", rules=RULES
    )
    try:
        with pytest.raises(grpc.RpcError) as caught:
            media.FetchRecording(request, timeout=1)

        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        # The download itself would take its 30 seconds.
        until(lambda: not scratch(calldock), limit_s=5)
    finally:
        go_on.set()


def test_a_full_media_says_so_and_goes_on(calldock: Calldock, host: Host, media: ProcessingServiceStub) -> None:
    url, key = host.serve("/long.wav", "audio/wav", FIVE_MINUTES), "test/pressure/long.wav"
    fetched = media.FetchRecording(
        FetchRecordingRequest(url=url, format=RECORDING_FORMAT_WAV, target_key=key, rules=RULES), timeout=60
    )
    assert fetched.source.size_bytes == len(FIVE_MINUTES)

    def ask(number: int) -> grpc.StatusCode:
        try:
            media.ProcessRecording(to_process(key, number), timeout=100)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
        return grpc.StatusCode.OK

    with ThreadPoolExecutor(24) as pool:
        codes = list(pool.map(ask, range(24)))

    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert ask(99) is grpc.StatusCode.OK
