"""CheckRecording and CheckFile: the verdict that a call would get, without a call (docs/contract.md 6, 8)."""

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import grpc
import numpy as np
import pytest
from calldock.media.v1.audio_pb2 import (
    RECORDING_ERROR_CODE_WAV_MIN_DURATION_PROCESSING_ERROR,
    RECORDING_FORMAT_WAV,
)
from calldock.media.v1.recording_service_pb2 import CheckFileRequest, CheckRecordingRequest
from calldock.media.v1.recording_service_pb2_grpc import RecordingServiceStub
from google.api.httpbody_pb2 import HttpBody

from services.media.encode import encode_mp3
from services.media.id3 import id3_tag
from tests.support.audio import good_wav
from tests.support.hosts import Host, reply
from tests.support.makers import NOON, a_json_call
from tests.support.running import Account, Calldock, Reply, until

PIECE = 65_536


@pytest.fixture(scope="module")
def owner(calldock: Calldock) -> Account:
    return calldock.account("Checks")


def check(calldock: Calldock, account: Account, url: str, format_: str = "RECORDING_FORMAT_WAV") -> Reply:
    body = json.dumps({"record_url": url, "format": format_})
    return calldock.http("POST", "/v1/recordings:check", body, account.token)


def check_file(calldock: Calldock, account: Account, data: bytes, content_type: str = "audio/wav") -> Reply:
    return calldock.http("POST", "/v1/recordings:checkFile", data, account.token, content_type=content_type)


def reason(answer: Reply) -> tuple[int, str]:
    return answer.status, answer.json["details"][0]["reason"]


def nothing_left(calldock: Calldock) -> bool:
    return not list((calldock.data_dir / "scratch").glob("check-*"))


def asked(account: Account, **more: Any) -> dict[str, Any]:
    return {"metadata": (("authorization", f"Bearer {account.token}"),), "timeout": 60, **more}


def pieces(data: bytes, **first: Any) -> Iterator[CheckFileRequest]:
    yield CheckFileRequest(file=HttpBody(data=data[:PIECE]), **first)
    for start in range(PIECE, len(data), PIECE):
        yield CheckFileRequest(file=HttpBody(data=data[start : start + PIECE]))


def test_a_good_link_is_accepted_with_its_figures_and_nothing_is_kept(calldock: Calldock, host: Host) -> None:
    account = calldock.account("Nothing kept")

    answer = check(calldock, account, f"{host.url}/good.wav")

    verdict = answer.json["verdict"]
    assert (answer.status, verdict["is_accepted"], verdict["error_message"]) == (200, True, "")
    assert verdict["audio_report"]["sample_rate_hz"] == 8000
    assert len(verdict["audio_report"]["channels"]) == 2
    assert not (calldock.data_dir / "recordings" / str(account.account_id)).exists()
    assert nothing_left(calldock)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("{host}/none.wav", "HTTP_STATUS_DOWNLOAD_ERROR"),
        ("https://10.0.0.1/x.wav", "DOWNLOAD_ERROR"),
        ("https://127.0.0.1:1/x.wav", "DOWNLOAD_ERROR"),
    ],
)
def test_a_link_that_cannot_be_had_is_a_verdict(
    calldock: Calldock, owner: Account, host: Host, url: str, code: str
) -> None:
    verdict = check(calldock, owner, url.format(host=host.url)).json["verdict"]

    assert (verdict["is_accepted"], verdict["error_code"]) == (False, f"RECORDING_ERROR_CODE_{code}")
    assert verdict["error_message"]


@pytest.mark.parametrize(
    "body",
    [
        {"record_url": "http://127.0.0.1/x.wav", "format": "RECORDING_FORMAT_WAV"},
        {"format": "RECORDING_FORMAT_WAV"},
        {"record_url": "https://127.0.0.1/x.wav"},
        {"record_url": "https://127.0.0.1/x.wav", "format": 9},
    ],
    ids=["http for a WAV", "no link", "no format", "a format that is none"],
)
def test_a_wrong_request_is_refused(calldock: Calldock, owner: Account, body: dict[str, Any]) -> None:
    assert calldock.http("POST", "/v1/recordings:check", json.dumps(body), owner.token).status == 400


@pytest.mark.parametrize(
    ("data", "content_type", "code"),
    [
        pytest.param(good_wav(), "audio/wav", "UNSPECIFIED", id="a good WAV"),
        pytest.param(good_wav(), "Audio/WAV; x=1", "UNSPECIFIED", id="a type with a parameter"),
        pytest.param(good_wav(5), "audio/wav", "WAV_MIN_DURATION_PROCESSING_ERROR", id="a short WAV"),
        pytest.param(b"", "audio/wav", "DECODE_ERROR", id="nothing"),
        pytest.param(good_wav(), "audio/mpeg", "DECODE_ERROR", id="a WAV that says MP3"),
        pytest.param(bytes(3_000_000), "audio/wav", "DECODE_ERROR", id="zeros of several pieces"),
    ],
)
def test_a_file_in_the_body_is_judged(
    calldock: Calldock, owner: Account, data: bytes, content_type: str, code: str
) -> None:
    answer = check_file(calldock, owner, data, content_type)

    assert answer.status == 200, answer.body
    assert answer.json["verdict"]["error_code"] == f"RECORDING_ERROR_CODE_{code}"
    assert nothing_left(calldock)


def test_an_mp3_is_judged_too(calldock: Calldock, owner: Account) -> None:
    sound = encode_mp3(np.zeros((2, 8000 * 3), np.int16), 8000)
    tagged = check_file(calldock, owner, id3_tag(NOON, {}) + sound, "audio/mpeg").json["verdict"]
    bare = check_file(calldock, owner, sound, "audio/mpeg").json["verdict"]

    assert (tagged["is_accepted"], bare["error_code"]) == (True, "RECORDING_ERROR_CODE_DECODE_ERROR")


def test_a_file_of_fifty_megabytes_is_read_and_a_byte_more_is_not(calldock: Calldock, owner: Account) -> None:
    header = good_wav()[:44]
    most = 50 * 1024 * 1024

    whole = check_file(calldock, owner, header + bytes(most - 44))
    # The answer comes before the file: so only its beginning is sent.
    connection = http.client.HTTPConnection("127.0.0.1", calldock.port, timeout=30)
    connection.putrequest("POST", "/v1/recordings:checkFile")
    for name, value in (
        ("authorization", f"Bearer {owner.token}"),
        ("content-type", "audio/wav"),
        ("content-length", str(most + 1)),
    ):
        connection.putheader(name, value)
    connection.endheaders(header + bytes(PIECE))
    over = json.loads(connection.getresponse().read())["verdict"]
    connection.close()

    assert whole.json["verdict"]["error_code"] != "RECORDING_ERROR_CODE_MAX_FILE_SIZE_DOWNLOAD_ERROR"
    assert over["error_code"] == "RECORDING_ERROR_CODE_MAX_FILE_SIZE_DOWNLOAD_ERROR"
    assert "at most 52,428,800" in over["error_message"]


def test_a_type_that_is_none_of_ours_is_refused(calldock: Calldock, owner: Account) -> None:
    assert reason(check_file(calldock, owner, good_wav(), "text/plain")) == (400, "REQUIRED_PARAMETER_MISSED")


def test_grpc_streams_a_file_and_says_its_size(calldock: Calldock, owner: Account) -> None:
    stub = RecordingServiceStub(calldock.channel)
    data = good_wav(5)

    verdict = stub.CheckFile(pieces(data, format=RECORDING_FORMAT_WAV, size_bytes=len(data)), **asked(owner)).verdict

    assert verdict.error_code == RECORDING_ERROR_CODE_WAV_MIN_DURATION_PROCESSING_ERROR
    for first in (
        {"format": RECORDING_FORMAT_WAV},
        {"size_bytes": len(data)},
        {"format": RECORDING_FORMAT_WAV, "size_bytes": len(data) + 1},
        {"format": RECORDING_FORMAT_WAV, "size_bytes": len(data) - 1},
    ):
        with pytest.raises(grpc.RpcError) as caught:
            stub.CheckFile(pieces(data, **first), **asked(owner))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as empty:
        stub.CheckFile(iter(()), **asked(owner))
    assert empty.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert nothing_left(calldock)


def test_the_accounts_own_rules_are_those_of_its_calls(calldock: Calldock, host: Host) -> None:
    account = calldock.account("Own rules")
    url = host.serve("/own.wav", "audio/x-wav", good_wav(5))
    audio = {
        "wav_content_types": ["audio/x-wav"],
        "policies": [{"rule": "AUDIO_RULE_DURATION", "policy": "RULE_POLICY_WARN"}],
    }
    calldock.http("PATCH", "/v1/account?update_mask=audio", json.dumps({"audio": audio}), account.token)

    verdict = check(calldock, account, url).json["verdict"]

    assert verdict["is_accepted"] is True
    assert [each["rule"] for each in verdict["audio_report"]["warnings"]][:1] == ["AUDIO_RULE_DURATION"]
    assert verdict["audio_report"]["rules_version"] == 2


def test_a_reader_may_not_check_and_a_stranger_is_not_read(calldock: Calldock, owner: Account) -> None:
    made = calldock.http("POST", "/v1/tokens", json.dumps({"role": "ROLE_READ"}), owner.token).json
    reader = Account(owner.account_id, made["access_token"], "")

    assert reason(check_file(calldock, reader, good_wav())) == (403, "FORBIDDEN")
    assert check_file(calldock, Account(0, "nobody", ""), good_wav()).status == 401


@pytest.mark.contract("8 points of checking a recording")
def test_a_check_costs_five_points_and_one_that_is_refused_none(calldock: Calldock, host: Host) -> None:
    account = calldock.account("Check points")
    calldock.cli("accounts", "update", str(account.account_id), "--day-limit", "100")

    def left() -> int:
        request = {"jsonrpc": "2.0", "id": 1, "method": "get.account", "params": {"access_token": account.token}}
        answer = calldock.http("POST", "/v2.0", json.dumps(request)).json
        remaining: int = answer["result"]["metadata"]["limits"]["day_remaining"]
        return remaining

    assert check(calldock, account, f"{host.url}/none.wav").status == 200
    assert check_file(calldock, account, good_wav(5)).status == 200
    assert check_file(calldock, account, good_wav(5), "text/plain").status == 400

    assert left() == 89


def test_a_third_check_at_once_is_told_to_come_again_and_a_cancelled_one_makes_room(
    calldock: Calldock, host: Host
) -> None:
    account = calldock.account("Three at once")
    go_on, began = threading.Event(), threading.Semaphore(0)

    def hang(request: BaseHTTPRequestHandler) -> None:
        began.release()
        go_on.wait(30)
        reply(request, 404, "text/plain", b"")

    host.pages["/checked.wav"] = hang
    stub = RecordingServiceStub(calldock.channel)
    request = CheckRecordingRequest(record_url=f"{host.url}/checked.wav", format=RECORDING_FORMAT_WAV)
    running = [stub.CheckRecording.future(request, **asked(account)) for _ in range(2)]
    assert all(began.acquire(timeout=30) for _ in running)

    third = check(calldock, account, f"{host.url}/good.wav")
    other = check(calldock, calldock.account("Another"), f"{host.url}/good.wav")
    running[0].cancel()
    until(lambda: check(calldock, account, f"{host.url}/good.wav").status == 200)
    go_on.set()

    assert reason(third) == (429, "LIMIT_EXCEEDED")
    assert other.status == 200
    assert running[1].result().verdict.error_message
    until(lambda: nothing_left(calldock))


def test_a_caller_who_hangs_up_leaves_nothing_and_calls_go_on(calldock: Calldock, owner: Account, host: Host) -> None:
    stub = RecordingServiceStub(calldock.channel)
    data = good_wav()
    half_sent, hung_up = threading.Event(), threading.Event()

    def half() -> Iterator[CheckFileRequest]:
        yield CheckFileRequest(file=HttpBody(data=data[:PIECE]), format=RECORDING_FORMAT_WAV, size_bytes=len(data))
        half_sent.set()
        hung_up.wait(30)

    call = stub.CheckFile.future(half(), **asked(owner))
    assert half_sent.wait(30)
    until(lambda: not nothing_left(calldock))
    call.cancel()
    hung_up.set()

    until(lambda: nothing_left(calldock))
    record = {"employee_name": "Anna", "employee_channel": "left", "record_url": f"{host.url}/good.wav"}
    assert calldock.upload(owner, a_json_call(ext_id="after a check", wav_records=[record])).status == 200
