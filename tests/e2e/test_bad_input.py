"""Bad input: the contract's error at each door, and nothing left behind."""

import json
import socket
from typing import Any

import grpc
import pytest
from calldock.intake.v1.call_pb2 import CallDraft
from calldock.intake.v1.call_service_pb2 import ListCallsRequest, UploadCallsRequest
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub

from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock

WAV = {"employee_name": "Anna", "employee_channel": "left", "record_url": "https://records.example.com/1.wav"}
MP3 = {"record_url": "https://records.example.com/1.mp3"}


@pytest.fixture(scope="module")
def empty(calldock: Calldock) -> Account:
    """An account in which nothing may ever be stored."""
    return calldock.account("Empty")


def stored(calldock: Calldock, account: Account) -> int:
    metadata = (("authorization", f"Bearer {account.token}"),)
    return len(CallServiceStub(calldock.channel).ListCalls(ListCallsRequest(), metadata=metadata, timeout=20).calls)


WRONG_CALLS = [
    pytest.param(a_json_call(ext_id=5), "calls.0.ext_id", "data_type_error", id="a field of the wrong type"),
    pytest.param(a_json_call(mp3_record=[MP3]), "calls.0.mp3_record", "unexpected_parameters", id="an unknown field"),
    pytest.param(a_json_call(calling_phone_number="abc"), "calls.0.calling_phone_number", "invalid_parameter_value", id="no number"),
    pytest.param(a_json_call(finish_time="2026-11-02 09:00:00"), "calls.0.finish_time", "invalid_parameter_value", id="finish before start"),
    pytest.param(a_json_call(wav_records=[WAV], mp3_records=[MP3]), "calls.0.mp3_records", "invalid_parameters_combination", id="wav with mp3"),
    pytest.param(
        a_json_call(wav_records=[{**WAV, "record_url": "http://records.example.com/1.wav"}]),
        "calls.0.wav_records.0.record_url", "invalid_parameter_value", id="http in wav_records",
    ),
    pytest.param(a_json_call(start_time=...), "calls.0.start_time", "required_parameter_missed", id="a missing field"),
    pytest.param(a_json_call(campaign_id=77), "calls.0.campaign_id", "entity_not_found", id="an id of nobody"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "field", "mnemonic"), WRONG_CALLS)
@pytest.mark.contract("8 an error's members", "8 field", "8 value", "8 value of nothing")
def test_a_wrong_call_at_json_rpc(
    calldock: Calldock, empty: Account, call: dict[str, Any], field: str, mnemonic: str
) -> None:
    answer = calldock.rpc(empty, call)

    error = answer["error"]
    assert answer.keys() == {"jsonrpc", "id", "error"}
    assert error["code"] == -32602
    assert (error["data"]["field"], error["data"]["mnemonic"]) == (field, mnemonic)
    assert error["data"]["params"] == {}
    assert error["data"]["extended_helper"] is None
    value: Any = {"calls": [call]}
    try:
        for part in field.split("."):
            value = value[int(part)] if part.isdigit() else value[part]
    except KeyError:
        assert "value" not in error["data"]
    else:
        assert error["data"]["value"] == value
    assert stored(calldock, empty) == 0


@pytest.mark.parametrize(("call", "field", "mnemonic"), WRONG_CALLS)
@pytest.mark.contract("8 gRPC refused upload", "8 whole or not at all")
def test_a_wrong_call_at_rest(
    calldock: Calldock, empty: Account, call: dict[str, Any], field: str, mnemonic: str
) -> None:
    answer = calldock.upload(empty, a_json_call(ext_id="good"), call)

    assert answer.status == 400
    assert answer.json["code"] == 3
    info, bad = answer.json["details"]
    assert info["reason"] == mnemonic.upper()
    assert info["domain"] == "calldock"
    spelled = field.replace("calls.0", "calls[1]").replace("records.0", "records[0]")
    assert spelled in [violation["field"] for violation in bad["field_violations"]]
    assert stored(calldock, empty) == 0


def test_a_wrong_call_at_grpc_names_the_field_that_came(calldock: Calldock, empty: Account) -> None:
    call = CallDraft(ext_id="x", calling_phone_number="abc", start_wall_time="never", is_lost=False)

    with pytest.raises(grpc.RpcError) as caught:
        CallServiceStub(calldock.channel).UploadCalls(
            UploadCallsRequest(calls=[call]), metadata=(("authorization", f"Bearer {empty.token}"),), timeout=20
        )

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    text = str(caught.value.trailing_metadata())
    for field in ("calling_phone_number", "called_phone_number", "start_wall_time", "finish_time"):
        assert f"calls[0].{field}" in text
    assert "calls[0].start_time" not in text
    assert stored(calldock, empty) == 0


@pytest.mark.parametrize("token", ["nobody", "", "x" * 5000, "токен"])
@pytest.mark.contract("8 access_token_invalid", "8 value of a token", "8 gRPC UNAUTHENTICATED")
def test_an_unknown_token(calldock: Calldock, token: str) -> None:
    stranger = Account(0, token, "")

    rpc = calldock.rpc(stranger, a_json_call())
    rest = calldock.http(
        "POST",
        "/v1/calls:upload",
        json.dumps({"calls": [a_json_call()]}),
        authorization="Bearer " + token.encode().decode("latin-1"),
    )

    assert (rpc["error"]["code"], rpc["error"]["data"]["mnemonic"]) == (-32001, "access_token_invalid")
    assert "value" not in rpc["error"]["data"]
    assert rest.status == 401
    assert rest.json["details"][0]["reason"] == "ACCESS_TOKEN_INVALID"


def test_no_token_at_all(calldock: Calldock) -> None:
    request = {"jsonrpc": "2.0", "id": "a", "method": "upload.calls", "params": {"calls": [a_json_call()]}}

    rpc = calldock.http("POST", "/v2.0", json.dumps(request)).json
    rest = calldock.http("POST", "/v1/calls:upload", json.dumps({"calls": [a_json_call()]}))

    assert (rpc["id"], rpc["error"]["data"]["mnemonic"], rpc["error"]["data"]["field"]) == (
        "a",
        "required_parameter_missed",
        "access_token",
    )
    assert rest.status == 401


@pytest.mark.contract("8 500 calls", "8 beyond either", "8 data_limit_exceeded")
def test_501_calls(calldock: Calldock, empty: Account) -> None:
    calls = [{"ext_id": str(number)} for number in range(501)]

    rpc, rest = calldock.rpc(empty, *calls), calldock.upload(empty, *calls)

    assert (rpc["error"]["data"]["mnemonic"], rpc["error"]["data"]["field"]) == ("data_limit_exceeded", "calls")
    assert rest.status == 400
    assert rest.json["details"][0]["reason"] == "DATA_LIMIT_EXCEEDED"
    with pytest.raises(grpc.RpcError) as caught:
        CallServiceStub(calldock.channel).UploadCalls(
            UploadCallsRequest(calls=[CallDraft()] * 501),
            metadata=(("authorization", f"Bearer {empty.token}"),),
            timeout=20,
        )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert stored(calldock, empty) == 0


@pytest.mark.parametrize("body", [b"", b"not json", b'{"calls":[}', b"\xff\xfe", b'{"a":1,"a":2}', b"[" * 100_000])
@pytest.mark.contract("8 id null", "8 gRPC parse_error")
def test_a_body_that_is_not_json(calldock: Calldock, empty: Account, body: bytes) -> None:
    rpc = calldock.http("POST", "/v2.0", body)
    rest = calldock.http("POST", "/v1/calls:upload", body, empty.token)

    assert rpc.status == 200
    assert (rpc.json["id"], rpc.json["error"]["code"]) == (None, -32700)
    assert rest.status == 400
    assert rest.json["details"][0]["reason"] == "PARSE_ERROR"


@pytest.mark.parametrize(
    ("body", "code", "mnemonic"),
    [
        pytest.param([{}], -32099, "batch_operations_not_supported", id="8 batch_operations_not_supported"),
        pytest.param(
            {"jsonrpc": "2.0", "method": "upload.calls"},
            -32099,
            "notifications_not_supported",
            id="8 notifications_not_supported",
        ),
        pytest.param({"id": 1, "method": "upload.calls"}, -32600, "invalid_request", id="8 invalid_request no version"),
        pytest.param({"jsonrpc": "2.0", "id": 1}, -32600, "invalid_request", id="8 invalid_request no method"),
        pytest.param(
            {"jsonrpc": "2.0", "id": [], "method": "x"},
            -32600,
            "invalid_request",
            id="8 invalid_request an id of the wrong type",
        ),
        pytest.param(
            {"jsonrpc": "2.0", "id": 1, "method": "x", "params": []},
            -32600,
            "invalid_request",
            id="8 invalid_request params by position",
        ),
        pytest.param(
            {"jsonrpc": "2.0", "id": 1, "method": "drop.calls"}, -32601, "method_not_found", id="8 method_not_found"
        ),
        pytest.param("x", -32600, "invalid_request", id="8 invalid_request a string"),
    ],
)
def test_an_envelope_that_is_no_request(calldock: Calldock, body: Any, code: int, mnemonic: str) -> None:
    answer = calldock.http("POST", "/v2.0?anything=1", json.dumps(body))

    assert answer.status == 200
    assert (answer.json["error"]["code"], answer.json["error"]["data"]["mnemonic"]) == (code, mnemonic)


@pytest.mark.parametrize(
    "request_id",
    [
        pytest.param(0, id="8 id 0"),
        pytest.param("number", id="8 id number"),
        pytest.param("звонок", id="8 id beyond ASCII"),
        pytest.param(2**70, id="8 id beyond 2^53"),
        pytest.param(1.5, id="8 id number with a point"),
        pytest.param(-1, id="8 id number below zero"),
    ],
)
def test_an_id_comes_back_as_it_went(calldock: Calldock, request_id: Any) -> None:
    answer = calldock.http("POST", "/v2.0", json.dumps({"jsonrpc": "2.0", "id": request_id, "method": "x"}))

    assert answer.json["id"] == request_id
    assert type(answer.json["id"]) is type(request_id)


@pytest.mark.contract("8 unknown params", "8 user_id of anyone else")
def test_members_of_params_that_are_not_known(calldock: Calldock, empty: Account) -> None:
    assert calldock.rpc(empty, a_json_call(), extra=1)["error"]["data"]["field"] == "extra"
    assert calldock.rpc(empty, a_json_call(), user_id=999)["error"]["data"]["mnemonic"] == "forbidden"
    assert calldock.rpc(empty, a_json_call(), user_id="1")["error"]["data"]["mnemonic"] == "data_type_error"
    assert stored(calldock, empty) == 0


@pytest.mark.contract("8 524,288 bytes", "8 beyond either", "8 413")
def test_a_body_over_the_limit_gets_the_contracts_error_and_one_far_over_it_413(
    calldock: Calldock, empty: Account
) -> None:
    over = b" " * (524_288 + 1)

    rpc, rest = calldock.http("POST", "/v2.0", over), calldock.http("POST", "/v1/calls:upload", over, empty.token)
    far = calldock.http("POST", "/v2.0", b" " * (4 * 524_288 + 1))
    far_rest = calldock.http("POST", "/v1/calls:upload", b" " * (4 * 524_288 + 1), empty.token)

    assert rpc.status == 200
    assert rpc.json["error"]["data"]["mnemonic"] == "data_limit_exceeded"
    assert rest.status == 400
    assert rest.json["details"][0]["reason"] == "DATA_LIMIT_EXCEEDED"
    assert (far.status, far.json["error"]["data"]["mnemonic"]) == (413, "data_limit_exceeded")
    assert (far_rest.status, far_rest.json["code"]) == (413, 8)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        pytest.param("GET", "/nowhere", 404, 5, id="nothing there"),
        pytest.param("GET", "/v1/nothing", 404, 5, id="nothing in v1"),
        pytest.param("DELETE", "/v1/calls", 404, 5, id="another method"),
        pytest.param("GET", "/v1/calls?colour=red", 400, 3, id="an unknown query parameter"),
        pytest.param("GET", "/v1/calls?page_size=x", 400, 3, id="no number"),
        pytest.param("GET", "/v1/calls?page_size=-1", 400, 3, id="a negative page size"),
        pytest.param("GET", "/v1/calls?page_token=zzz", 400, 3, id="a page token of nobody"),
        pytest.param("GET", "/v1/calls/0", 400, 3, id="a call number of nobody"),
        pytest.param("GET", "/v1/calls/9223372036854775807", 404, 5, id="a call that is not there"),
        pytest.param("GET", "/v1/calls:lookup", 400, 3, id="a look-up of nothing"),
        pytest.param("GET", "/v1/recordings/1234567/audio", 404, 5, id="a recording that is not there"),
        pytest.param("GET", "/v1/notifications?call_session_id=x", 400, 3, id="notifications of no number"),
    ],
)
def test_every_refusal_at_rest_is_json(
    calldock: Calldock, empty: Account, method: str, path: str, status: int, code: int
) -> None:
    answer = calldock.http(method, path, token=empty.token)

    assert answer.status == status
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json["code"] == code
    assert answer.json["message"]


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS", "DELETE"])
def test_the_json_rpc_door_takes_posts_only(calldock: Calldock, method: str) -> None:
    answer = calldock.http(method, "/v2.0")

    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    if method != "HEAD":
        assert answer.json["error"]["data"]["mnemonic"] == "invalid_request"


def test_half_a_request_is_ended_with_json(calldock: Calldock) -> None:
    with socket.create_connection(("127.0.0.1", calldock.port), timeout=30) as connection:
        connection.sendall(b"GET /v1/calls HTTP/1.1\r\nhost: x\r\nbad_header: 1\r\n\r\n")
        answer = connection.recv(65536).decode()

    assert " 400 " in answer.splitlines()[0]
    assert json.loads(answer.split("\r\n\r\n")[1])["code"] == 3


def test_another_accounts_call_recording_and_notification_are_not_there(
    calldock: Calldock, account: Account, empty: Account
) -> None:
    number = calldock.upload(
        account, a_json_call(ext_id="ours", callback={"url": "https://x.example.com", "events": ["processed"]})
    ).json["calls"][0]["call_session_id"]

    assert calldock.http("GET", f"/v1/calls/{number}", token=empty.token).status == 404
    assert calldock.http("GET", "/v1/calls:lookup?ext_id=ours", token=empty.token).status == 404
    assert (
        calldock.http("GET", f"/v1/notifications?call_session_id={number}", token=empty.token).json["notifications"]
        == []
    )


@pytest.mark.parametrize("name", ["x-a$b", "%", "x-trace-bin"])
def test_a_header_that_grpc_would_not_take_does_no_harm(calldock: Calldock, account: Account, name: str) -> None:
    answer = calldock.http("GET", "/v1/account", token=account.token, **{name: "%"})

    assert answer.status == 200


@pytest.mark.parametrize("length", [9_000, 15_000, 25_000])
def test_a_long_query_is_judged_by_its_rules(calldock: Calldock, account: Account, length: int) -> None:
    answers = [calldock.http("GET", f"/v1/calls?page_token={'x' * length}", token=account.token) for _ in range(5)]

    assert {answer.status for answer in answers} == {400}
    assert b"page_token" in answers[0].body


def test_a_query_longer_than_the_front_door_takes_is_refused_without_a_word_of_the_inside(
    calldock: Calldock, account: Account
) -> None:
    answer = calldock.http("GET", f"/v1/calls?page_token={'x' * 40_000}", token=account.token)

    assert answer.status == 431
    assert b"x-calldock" not in answer.body
