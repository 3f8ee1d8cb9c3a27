"""docs/contract.md 1, 2, 3, 5, 7, 8: what only whole doors can show: headers, sizes, races of many connections, clocks that change, a service that is away."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from calldock.intake.v1.call_pb2 import EMPLOYEE_CHANNEL_LEFT, CallDraft, CallTag, WavRecord
from calldock.intake.v1.call_service_pb2 import GetCallRequest, LookupCallRequest, UploadCallsRequest, UploadedCall
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub

from tests.support.hosts import Host
from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, until

LIMIT_BYTES = 524_288


def rpc(calldock: Calldock, body: bytes | str, **headers: str) -> Any:
    answer = calldock.http("POST", "/v2.0", body, **headers)
    assert answer.status == 200
    return answer.json


def a_request(account: Account, method: str, request_id: object = 1, **params: Any) -> str:
    params = {"access_token": account.token, **params}
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


def metadata(account: Account) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {account.token}"),)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"content_type": "text/plain"}, id="8 Content-Type text"),
        pytest.param({"content_type": "application/x-www-form-urlencoded"}, id="8 Content-Type form"),
        pytest.param({"content_type": "application/grpc-web+proto"}, id="8 Content-Type gRPC-Web"),
        pytest.param({"content_type": "application/grpc-web-text"}, id="8 Content-Type gRPC-Web text"),
        pytest.param({"content_type": "application/grpc"}, id="8 Content-Type gRPC"),
        pytest.param({"content_type": "application/grpc+json"}, id="8 Content-Type gRPC JSON"),
        pytest.param({"content_type": "nonsense;;"}, id="8 Content-Type nonsense"),
        pytest.param({"content_type": ""}, id="8 Content-Type empty"),
        pytest.param({"accept": "image/png"}, id="8 Accept image"),
        pytest.param({"accept": "application/xml;q=0.9"}, id="8 Accept XML"),
        pytest.param({"accept_encoding": "br"}, id="8 Accept encoding"),
    ],
)
def test_the_json_rpc_door_looks_at_no_type(calldock: Calldock, account: Account, headers: dict[str, str]) -> None:
    answer = calldock.http("POST", "/v2.0", a_request(account, "get.account"), **headers)

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json["result"]["data"][0]["app_id"] == account.account_id


@pytest.mark.contract("8 id repeated")
def test_an_id_may_be_used_again(calldock: Calldock, account: Account) -> None:
    answers = [rpc(calldock, a_request(account, "get.account", "same")) for _ in range(3)]

    assert [answer["id"] for answer in answers] == ["same"] * 3
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.contract("8 HTTP 200", "8 top level")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="8 id null, nothing"),
        pytest.param("[]", id="8 id null, a batch"),
        pytest.param(" " * (LIMIT_BYTES + 1), id="8 id null, too large"),
        pytest.param('{"jsonrpc":"2.0","id":1,"method":"x"}', id="no such method"),
        pytest.param('{"jsonrpc":"2.0","id":1,"method":"get.account","params":{"access_token":"nobody"}}', id="a stranger"),
    ],
)  # fmt: skip
def test_an_error_comes_with_http_200_and_three_members(calldock: Calldock, body: str) -> None:
    answer = rpc(calldock, body)

    assert answer.keys() == {"jsonrpc", "id", "error"}
    assert answer["jsonrpc"] == "2.0"
    assert answer["id"] == (1 if body.startswith("{") else None)


@pytest.mark.contract("8 524,288 bytes")
@pytest.mark.parametrize(("more", "is_taken"), [(0, True), (1, False)])
def test_the_limit_of_a_body_is_exact(calldock: Calldock, account: Account, more: int, is_taken: bool) -> None:
    body = a_request(account, "get.account")

    answer = rpc(calldock, body + " " * (LIMIT_BYTES - len(body) + more))

    assert ("result" in answer) == is_taken
    assert is_taken or answer["error"]["data"]["mnemonic"] == "data_limit_exceeded"


@pytest.mark.contract("8 500 calls")
def test_500_calls_are_taken(calldock: Calldock) -> None:
    account = calldock.account("Five hundred")

    answer = calldock.rpc(account, *(a_json_call(ext_id=str(number)) for number in range(500)))

    assert answer["result"]["data"] == {"success": True}


@pytest.mark.contract("8 503")
def test_a_json_rpc_caller_hears_503_while_intake_is_away(calldock: Calldock, account: Account) -> None:
    # Nobody starts intake again while its supervisor sleeps.
    supervisor, intake = calldock.process.pid, calldock.service_pid("intake")
    assert intake is not None
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(intake, signal.SIGKILL)
        until(lambda: calldock.http("POST", "/v2.0", a_request(account, "get.account")).status != 200)
        answer = calldock.http("POST", "/v2.0", a_request(account, "get.account"))
    finally:
        os.kill(supervisor, signal.SIGCONT)
    until(lambda: calldock.service_pid("intake") not in (None, intake) and calldock.is_healthy())
    # The others have found it again, too.
    until(lambda: calldock.http("GET", "/v1/notifications", token=account.token).status != 503)
    until(lambda: calldock.http("GET", "/v1/recordings/1/audio", token=account.token).status != 503)

    assert answer.status == 503
    assert (answer.json["id"], answer.json["error"]["code"]) == (None, -32603)
    assert answer.json["error"]["data"]["mnemonic"] == "internal_error"


@pytest.mark.contract("2 racing", "2 gRPC says so", "2 JSON-RPC answers success", "5 racing")
def test_many_connections_racing_at_every_door_make_one_call_tag_and_employee(calldock: Calldock) -> None:
    account = calldock.account("Race")
    spellings = ["Anna Petrova", "ANNA PETROVA", " anna  petrova "]

    def by_rpc(turn: int) -> str:
        return "answered" if "result" in calldock.rpc(account, a_call(turn)) else "refused"

    def by_rest(turn: int) -> str:
        outcome: str = calldock.upload(account, a_call(turn)).json["calls"][0]["outcome"]
        return outcome

    def by_grpc(turn: int) -> str:
        with grpc.insecure_channel(
            f"127.0.0.1:{calldock.port}",
            options=[("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)],
        ) as channel:
            draft = CallDraft(
                ext_id="one", calling_phone_number="89262444397", called_phone_number="74955140576", is_lost=False,
                start_wall_time="2026-11-02 10:00:00", finish_wall_time="2026-11-02 10:01:00", tags=[CallTag(tag_name="vip")],
                wav_records=[WavRecord(employee_name=spellings[turn % 3], employee_channel=EMPLOYEE_CHANNEL_LEFT, record_url="https://10.0.0.1/1.wav")],
            )  # fmt: skip
            asked = UploadCallsRequest(calls=[draft])
            answer = CallServiceStub(channel).UploadCalls(asked, metadata=metadata(account), timeout=30)
            return UploadedCall.Outcome.Name(answer.calls[0].outcome)

    def a_call(turn: int) -> dict[str, Any]:
        record = {
            "employee_name": spellings[turn % 3],
            "employee_channel": "left",
            "record_url": "https://10.0.0.1/1.wav",
        }
        return a_json_call(ext_id="one", tags=[{"tag_name": "vip"}], wav_records=[record])

    doors = [by_rpc, by_rest, by_grpc]
    with ThreadPoolExecutor(max_workers=24) as pool:
        heard = list(pool.map(lambda turn: doors[turn % 3](turn), range(48)))

    assert set(heard) <= {
        "answered",
        "OUTCOME_CREATED",
        "OUTCOME_DUPLICATE",
        "OUTCOME_UPLOADED_AGAIN",
        "OUTCOME_IGNORED_AFTER_FAILURES",
    }
    assert heard.count("OUTCOME_CREATED") <= 1
    tags = rpc(calldock, a_request(account, "get.tags", fields=["name"], sort=[{"field": "id"}]))["result"]["data"]
    employees = rpc(calldock, a_request(account, "get.employees", fields=["id"]))["result"]["data"]
    assert [tag["name"] for tag in tags] == ["Sale", "vip"]
    assert len(employees) == 1
    assert len(calldock.http("GET", "/v1/calls", token=account.token).json["calls"]) == 1


@pytest.fixture(scope="module")
def berlin(calldock: Calldock) -> Account:
    account = calldock.account("Berlin")
    patched = calldock.http("PATCH", "/v1/account", json.dumps({"time_zone": "Europe/Berlin"}), account.token)
    assert patched.status == 200
    return account


@pytest.mark.contract("3 occurs twice", "3 read back", "3 account's zone", "3 Timestamp")
def test_a_time_that_occurs_twice_is_the_earlier_one_at_every_door(calldock: Calldock, berlin: Account) -> None:
    times = {"start_time": "2026-10-25 02:30:00", "finish_time": "2026-10-25 03:00:00"}
    calldock.rpc(berlin, a_json_call(ext_id="twice rpc", **times))
    calldock.upload(berlin, a_json_call(ext_id="twice rest", **times))

    for ext_id in ("twice rpc", "twice rest"):
        typed = calldock.lookup(berlin, ext_id)
        filter_ = {"field": "ext_id", "operator": "=", "value": ext_id}
        asked = {"date_from": "2020-01-01 00:00:00", "date_till": "2100-01-01 00:00:00", "filter": filter_}
        (row,) = rpc(calldock, a_request(berlin, "get.uploaded_calls", **asked))["result"]["data"]
        assert typed.start_time.ToJsonString() == "2026-10-25T00:30:00Z"
        assert typed.finish_time.ToJsonString() == "2026-10-25T02:00:00Z"
        assert {name: row[name] for name in times} == times


@pytest.mark.contract("3 does not exist", "8 invalid_date_time")
def test_a_time_that_does_not_exist_is_refused_at_every_door(calldock: Calldock, berlin: Account) -> None:
    call = a_json_call(ext_id="gap", start_time="2026-03-29 02:30:00", finish_time="2026-03-29 04:00:00")

    error = calldock.rpc(berlin, call)["error"]["data"]
    rest = calldock.upload(berlin, call).json["details"]
    draft = CallDraft(
        ext_id="gap", calling_phone_number="89262444397", called_phone_number="74955140576", is_lost=False,
        start_wall_time="2026-03-29 02:30:00", finish_wall_time="2026-03-29 04:00:00",
    )  # fmt: skip
    with pytest.raises(grpc.RpcError) as caught:
        CallServiceStub(calldock.channel).UploadCalls(
            UploadCallsRequest(calls=[draft]), metadata=metadata(berlin), timeout=20
        )

    assert (error["mnemonic"], error["field"], error["value"]) == (
        "invalid_date_time",
        "calls.0.start_time",
        "2026-03-29 02:30:00",
    )
    assert (rest[0]["reason"], rest[1]["field_violations"][0]["field"]) == ("INVALID_DATE_TIME", "calls[0].start_time")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "calls[0].start_wall_time" in (caught.value.details() or "")


@pytest.mark.contract("7 JSON numbers", "7 body exactly", "7 call_session_id", "7 timestamp")
def test_numbers_of_a_notification_are_json_numbers(calldock: Calldock, account: Account, host: Host) -> None:
    call = a_json_call(ext_id="numbers", callback={"url": host.hook, "events": ["processed"]})
    number = int(calldock.upload(account, call).json["calls"][0]["call_session_id"])

    host.wait(lambda: bool(host.heard["numbers"]))

    (told,) = host.heard["numbers"]
    assert told.keys() == {"status", "ext_id", "call_session_id", "timestamp"}
    assert (type(told["call_session_id"]), told["call_session_id"]) == (int, number)
    assert type(told["timestamp"]) is int


@pytest.mark.contract("7 events asked for", "7 in_process once", "7 without recordings", "7 in order")
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["processed"], ["processed"]),
        (["in_process"], ["in_process"]),
        (["processed", "in_process"], ["in_process", "processed"]),
        (["error", "in_process"], ["in_process"]),
    ],
)
def test_a_receiver_hears_what_it_asked_for(
    calldock: Calldock, account: Account, host: Host, asked: list[str], told: list[str]
) -> None:
    ext_id = f"asked {asked}"
    call = a_json_call(ext_id=ext_id, callback={"url": host.hook, "events": asked})
    number = calldock.upload(account, call).json["calls"][0]["call_session_id"]

    host.wait(lambda: len(host.heard[ext_id]) == len(told))

    assert [each["status"] for each in host.heard[ext_id]] == told
    listed = calldock.http("GET", f"/v1/notifications?call_session_id={number}", token=account.token)
    assert listed.status == 200, listed.body
    assert len(listed.json["notifications"]) == len(told)


@pytest.mark.contract("8 gRPC NOT_FOUND", "8 entity_not_found")
@pytest.mark.parametrize(
    ("method", "request_"),
    [("GetCall", GetCallRequest(call_session_id=2**40)), ("LookupCall", LookupCallRequest(ext_id="nobody's"))],
)
def test_what_a_request_itself_names_is_not_found(
    calldock: Calldock, account: Account, method: str, request_: Any
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        getattr(CallServiceStub(calldock.channel), method)(request_, metadata=metadata(account), timeout=20)

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "ENTITY_NOT_FOUND" in str(caught.value.trailing_metadata())


@pytest.mark.contract("8 up to 20", "8 gRPC first reason", "8 validate_only")
def test_rest_names_twenty_wrong_fields_and_counts_all_and_a_dry_run_names_all(
    calldock: Calldock, account: Account
) -> None:
    calls = [a_json_call(ext_id=str(number), start_time="never") for number in range(40)]

    info, bad = calldock.upload(account, *calls).json["details"]
    dry = calldock.http("POST", "/v1/calls:upload", json.dumps({"calls": calls, "validate_only": True}), account.token)

    assert (info["reason"], info["metadata"]["total_violations"]) == ("INVALID_DATE_TIME", "40")
    assert len(bad["field_violations"]) == 20
    assert len(dry.json["violations"]) == 40


@pytest.mark.contract(
    "1 national form by region", "1 stored in E.164", "1 number in national form", "8 digits without the plus"
)
def test_a_national_number_is_read_by_the_accounts_region(calldock: Calldock) -> None:
    account = calldock.account("Region", region="US")
    calldock.upload(account, a_json_call(ext_id="local", calling_phone_number="2025550123"))

    filter_ = {"field": "ext_id", "operator": "=", "value": "local"}
    asked = {"date_from": "2020-01-01 00:00:00", "date_till": "2100-01-01 00:00:00", "filter": filter_}
    (row,) = rpc(calldock, a_request(account, "get.uploaded_calls", **asked))["result"]["data"]

    assert calldock.lookup(account, "local").calling_phone_number == "+12025550123"
    assert row["calling_phone_number"] == "12025550123"


@pytest.mark.contract("8 field rules before account rules", "8 validate_only")
def test_a_dry_run_names_first_what_an_upload_would_be_refused_for(calldock: Calldock, account: Account) -> None:
    calls = [a_json_call(ext_id="account rule", campaign_id=77), a_json_call(ext_id="field rule", is_lost=None)]

    refused = calldock.upload(account, *calls).json["details"][1]["field_violations"]
    dry = calldock.http("POST", "/v1/calls:upload", json.dumps({"calls": calls, "validate_only": True}), account.token)

    fields = [violation["field"] for violation in dry.json["violations"]]
    assert fields == ["calls[1].is_lost", "calls[0].campaign_id"]
    assert fields[0] == refused[0]["field"]
