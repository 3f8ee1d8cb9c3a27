"""Files without a link: handed over, named by a call, judged, listened to, read back as they came."""

import base64
import hashlib
import http.client
import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from calldock.media.v1.audio_pb2 import RECORDING_FORMAT_MP3, RECORDING_FORMAT_WAV
from calldock.media.v1.recording_service_pb2 import GetRecordingSourceRequest, PutRecordingRequest
from calldock.media.v1.recording_service_pb2_grpc import RecordingServiceStub
from google.api.httpbody_pb2 import HttpBody

from services.cli.demo.speech import conversation
from services.media.encode import encode_mp3
from services.media.id3 import id3_tag
from tests.support.audio import good_wav
from tests.support.hosts import Host
from tests.support.makers import NOON, a_json_call
from tests.support.running import Account, Calldock, Reply, until

PIECE = 65_536
WAV = good_wav(17)
MP3 = id3_tag(NOON, {}) + encode_mp3(conversation(5), 8000)


@pytest.fixture(scope="module")
def owner(calldock: Calldock) -> Account:
    return calldock.account("Hands over")


def put(calldock: Calldock, account: Account, data: bytes, content_type: str = "audio/wav") -> Reply:
    return calldock.http("POST", "/v1/recordings:put", data, account.token, content_type=content_type)


def pieces(data: bytes, **first: Any) -> Iterator[PutRecordingRequest]:
    yield PutRecordingRequest(file=HttpBody(data=data[:PIECE]), **first)
    for start in range(PIECE, len(data), PIECE):
        yield PutRecordingRequest(file=HttpBody(data=data[start : start + PIECE]))


def asked(account: Account) -> dict[str, Any]:
    return {"metadata": (("authorization", f"Bearer {account.token}"),), "timeout": 60}


def wav_record(url: str) -> dict[str, str]:
    return {"employee_name": "Anna", "employee_channel": "left", "record_url": url}


def ended(calldock: Calldock, account: Account, ext_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        answer = calldock.http("GET", f"/v1/calls:lookup?ext_id={ext_id}", token=account.token)
        call: dict[str, Any] = answer.json
        return call

    until(lambda: look()["status"] in ("CALL_STATUS_PROCESSED", "CALL_STATUS_ERROR"))
    return look()


@pytest.mark.parametrize("kind", ["wav", "mp3"])
def test_a_file_is_handed_over_named_judged_and_read_back(calldock: Calldock, owner: Account, kind: str) -> None:
    data, content_type = (WAV, "audio/wav") if kind == "wav" else (MP3, "audio/mpeg")
    taken = put(calldock, owner, data, content_type)
    assert taken.status == 200, taken.body
    url = taken.json["record_url"]

    records = {"wav_records": [wav_record(url)]} if kind == "wav" else {"mp3_records": [{"record_url": url}]}
    assert calldock.upload(owner, a_json_call(ext_id=f"handed-{kind}", **records)).status == 200

    call = ended(calldock, owner, f"handed-{kind}")
    assert call["status"] == "CALL_STATUS_PROCESSED", call["error_message"]
    shown = call[f"{kind}_records"][0]
    assert shown["record_url"] == url
    assert shown["recording"]["source_sha256"] == taken.json["sha256"] == hashlib.sha256(data).hexdigest()
    assert shown["recording"]["source_sha512"] == hashlib.sha512(data).hexdigest()
    source = calldock.http("GET", f"/v1/recordings/{shown['recording']['recording_id']}/source", token=owner.token)
    assert (source.status, source.headers["content-type"], source.body) == (200, content_type, data)
    assert source.headers["content-length"] == str(len(data))
    audio = calldock.http("GET", f"/v1/recordings/{shown['recording']['recording_id']}/audio", token=owner.token)
    assert audio.body == data if kind == "mp3" else audio.body[:3] == b"ID3"


def test_a_file_streams_in_over_grpc_and_its_source_streams_out(calldock: Calldock, owner: Account) -> None:
    recordings = RecordingServiceStub(calldock.channel)
    taken = recordings.PutRecording(pieces(WAV, format=RECORDING_FORMAT_WAV, size_bytes=len(WAV)), **asked(owner))
    assert (
        calldock.upload(owner, a_json_call(ext_id="by-grpc", wav_records=[wav_record(taken.record_url)])).status == 200
    )
    call = ended(calldock, owner, "by-grpc")
    number = int(call["wav_records"][0]["recording"]["recording_id"])

    streamed = recordings.GetRecordingSource(GetRecordingSourceRequest(recording_id=number), **asked(owner))

    assert b"".join(piece.data for piece in streamed) == WAV
    other = calldock.account("Stranger")
    with pytest.raises(grpc.RpcError) as caught:
        list(recordings.GetRecordingSource(GetRecordingSourceRequest(recording_id=number), **asked(other)))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_bad_file_is_taken_and_its_call_ends_in_error_with_the_customers_channel(
    calldock: Calldock, owner: Account
) -> None:
    from services.cli.demo.speech import wav_bytes, with_noise

    noisy = conversation(20)
    noisy[1] = with_noise(noisy[1], -24)
    url = put(calldock, owner, wav_bytes(noisy)).json["record_url"]
    good = put(calldock, owner, WAV).json["record_url"]
    calldock.upload(owner, a_json_call(ext_id="noisy", wav_records=[wav_record(good), wav_record(url)]))

    call = ended(calldock, owner, "noisy")

    assert call["error_code"] == "RECORDING_ERROR_CODE_WAV_PROCESSING_ERROR"
    assert call["error_message"].startswith("recording 2, customer's channel (right): signal-to-noise ratio ")
    assert call["error_message"].endswith(" dB in 330-3400 Hz, at least 15 dB needed")


def test_the_jsonrpc_door_knows_links_alone(calldock: Calldock, owner: Account) -> None:
    url = put(calldock, owner, WAV).json["record_url"]

    answer = calldock.rpc(owner, a_json_call(ext_id="by-rpc", wav_records=[wav_record(url)]))

    data = answer["error"]["data"]
    assert (data["mnemonic"], data["field"]) == ("invalid_parameter_value", "calls.0.wav_records.0.record_url")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("calldock-upload:none", "ENTITY_NOT_FOUND", id="unknown"),
        pytest.param("calldock-upload:", "INVALID_PARAMETER_VALUE", id="no id"),
        pytest.param("calldock-upload:../../1", "INVALID_PARAMETER_VALUE", id="a path"),
        pytest.param("Calldock-Upload:none", "INVALID_PARAMETER_VALUE", id="another spelling"),
    ],
)
def test_a_name_of_no_file_is_refused(calldock: Calldock, owner: Account, url: str, reason: str) -> None:
    answer = calldock.upload(owner, a_json_call(ext_id="x", wav_records=[wav_record(url)]))

    assert (answer.status, answer.json["details"][0]["reason"]) == (400, reason)


def refused(calldock: Calldock, account: Account, requests: Iterator[PutRecordingRequest]) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        RecordingServiceStub(calldock.channel).PutRecording(requests, **asked(account))
    code: grpc.StatusCode = caught.value.code()
    return code


@pytest.mark.parametrize(
    ("first", "data"),
    [
        pytest.param({"format": RECORDING_FORMAT_WAV}, WAV, id="no size"),
        pytest.param({"size_bytes": len(WAV)}, WAV, id="no format"),
        pytest.param({"format": RECORDING_FORMAT_MP3, "size_bytes": len(WAV) + 1}, WAV, id="shorter"),
        pytest.param({"format": RECORDING_FORMAT_MP3, "size_bytes": len(WAV) - 1}, WAV, id="longer"),
        pytest.param({"format": RECORDING_FORMAT_WAV, "size_bytes": 52_428_801}, b"", id="too large"),
    ],
)
def test_a_file_that_is_not_as_it_says_is_refused_and_nothing_is_left(
    calldock: Calldock, owner: Account, first: dict[str, Any], data: bytes
) -> None:
    before = stored_files(calldock, owner)

    assert refused(calldock, owner, pieces(data, **first)) is grpc.StatusCode.INVALID_ARGUMENT
    until(lambda: not list((calldock.data_dir / "scratch").glob("put-*")))
    assert stored_files(calldock, owner) == before


def stored_files(calldock: Calldock, account: Account) -> set[str]:
    folder = calldock.data_dir / "recordings" / str(account.account_id) / "uploads"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_a_caller_who_hangs_up_leaves_nothing(calldock: Calldock, owner: Account) -> None:
    before = stored_files(calldock, owner)
    connection = http.client.HTTPConnection("127.0.0.1", calldock.port, timeout=30)
    connection.putrequest("POST", "/v1/recordings:put")
    for name, value in {
        "authorization": f"Bearer {owner.token}",
        "content-type": "audio/wav",
        "content-length": str(len(WAV)),
    }.items():
        connection.putheader(name, value)
    connection.endheaders(WAV[:100_000])
    until(lambda: any((calldock.data_dir / "scratch").glob("put-*")))

    connection.close()

    until(lambda: not list((calldock.data_dir / "scratch").glob("put-*")))
    assert stored_files(calldock, owner) == before


def test_a_reader_hands_nothing_over_and_no_stranger_does(calldock: Calldock, owner: Account) -> None:
    made = calldock.http("POST", "/v1/tokens", json.dumps({"role": "ROLE_READ"}), owner.token)
    reader = Account(owner.account_id, made.json["access_token"], "")

    assert put(calldock, reader, WAV).status == 403
    assert put(calldock, Account(0, "nobody", ""), WAV).status == 401


def test_a_download_has_its_source_too(calldock: Calldock, owner: Account, host: Host) -> None:
    host.serve("/source.wav", "audio/wav", WAV)
    calldock.upload(owner, a_json_call(ext_id="downloaded", wav_records=[wav_record(f"{host.url}/source.wav")]))
    number = ended(calldock, owner, "downloaded")["wav_records"][0]["recording"]["recording_id"]

    source = calldock.http("GET", f"/v1/recordings/{number}/source", token=owner.token)

    assert source.body == WAV


def test_a_call_shows_who_talks_when_and_a_list_leaves_it_out(calldock: Calldock, owner: Account) -> None:
    url = put(calldock, owner, WAV).json["record_url"]
    calldock.upload(owner, a_json_call(ext_id="talks", wav_records=[wav_record(url)]))
    alone = ended(calldock, owner, "talks")["wav_records"][0]["recording"]["audio_report"]
    page = calldock.http("GET", "/v1/calls?page_size=100", token=owner.token).json["calls"]
    (listed,) = [call for call in page if call["ext_id"] == "talks"]

    left, right = alone["channels"]
    assert len(base64.b64decode(left["peaks"])) == 400
    assert left["segments"][0]["start_offset"].endswith("s")
    assert 0 <= alone["overlap_share"] < 0.1 < alone["silence_share"] + right["speech_share"] + left["speech_share"]
    shown = listed["wav_records"][0]["recording"]["audio_report"]["channels"][0]
    assert (shown["segments"], shown["peaks"]) == ([], "")
    assert shown["snr_db"] == left["snr_db"]
