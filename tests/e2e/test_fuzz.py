"""Anything at all at every door: always the contract's error or success, never an internal error, never half a request stored.

`CALLDOCK_FUZZ_EXAMPLES` says how many tries each test makes (`make fuzz` makes many).
"""

import json
import os
from typing import Any

import grpc
import pytest
from calldock.intake.v1.call_pb2 import CallDraft
from calldock.intake.v1.call_service_pb2 import UploadCallsRequest
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.shared.errors import ERRORS
from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock

EXAMPLES = int(os.environ.get("CALLDOCK_FUZZ_EXAMPLES", "100"))
fuzzed = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

JSONRPC_CODES = {kind.jsonrpc_code for kind in ERRORS.values()} - {-32603}

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40)
    | st.sampled_from(
        [
            "2026-11-02 10:00:00",
            "+74955140576",
            "https://x/y",
            "left",
            "in",
            "",
            "\u0000",
            "%'; DROP TABLE calls; --",
            "\U0001f600",
        ]
    )
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=12) | st.sampled_from(["url", "tag_id", "events"]), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = [
    "ext_id", "direction", "calling_phone_number", "called_phone_number", "start_time", "finish_time", "is_lost", "is_transfer", "wait_duration",
    "talk_duration", "visitor_session_id", "campaign_id", "source_id", "site_id", "comment", "callback", "tags", "wav_records", "mp3_records",
]  # fmt: skip
mutated_calls = st.builds(
    lambda changes, extra: a_json_call(ext_id="fuzz", **changes, **extra),
    st.dictionaries(st.sampled_from(FIELDS[1:]), anything, max_size=3),
    st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda name: name not in FIELDS), anything, max_size=1),
)


@pytest.fixture(scope="module")
def account(calldock: Calldock) -> Account:
    """An account of its own, in which only whole requests may appear."""
    return calldock.account("Fuzz")


def stored(calldock: Calldock, account: Account, ext_id: str) -> bool:
    return calldock.http("GET", f"/v1/calls:lookup?ext_id={ext_id}", token=account.token).status == 200


@fuzzed
@given(call=mutated_calls)
def test_a_mutated_call_at_the_json_doors(calldock: Calldock, account: Account, call: dict[str, Any]) -> None:
    body = json.dumps({"calls": [a_json_call(ext_id="companion"), call], "validate_only": True})

    rest = calldock.http("POST", "/v1/calls:upload", body, account.token)
    rpc = calldock.rpc(account, a_json_call(ext_id="rpc companion", campaign_id=999), call)

    assert rest.status in (200, 400), rest.body
    if rest.status == 400:
        assert rest.json["details"][0]["domain"] == "calldock"
    # The companion names a campaign of nobody: the request is refused whole.
    assert rpc["error"]["code"] in JSONRPC_CODES
    assert rpc["error"]["code"] == -32700 or rpc["error"]["data"]["field"].startswith("calls.")
    assert not stored(calldock, account, "companion")
    assert not stored(calldock, account, "fuzz")


@fuzzed
@given(
    body=st.binary(max_size=300)
    | st.text(max_size=200).map(str.encode)
    | anything.map(lambda value: json.dumps(value).encode())
)
def test_any_body_at_the_json_doors(calldock: Calldock, account: Account, body: bytes) -> None:
    rpc = calldock.http("POST", "/v2.0", body)
    rest = calldock.http("POST", "/v1/calls:upload", body, account.token)

    assert rpc.status == 200
    assert rpc.json["error"]["code"] in JSONRPC_CODES
    assert rest.status == 400
    assert rest.json["code"] == 3


@fuzzed
@given(
    params=st.dictionaries(
        st.sampled_from(["limit", "offset", "filter", "sort", "fields", "date_from", "date_till", "report_id", "name"]),
        anything,
        max_size=4,
    )
)
@pytest.mark.parametrize("method", ["get.uploaded_calls", "get.tags", "get.employees", "set.tag_sales"])
def test_any_params_at_json_rpc(calldock: Calldock, account: Account, method: str, params: dict[str, Any]) -> None:
    asked = {"access_token": account.token, "date_from": "2026-01-01 00:00:00", "date_till": "2027-01-01 00:00:00"}
    if method != "get.uploaded_calls":
        asked = {"access_token": account.token}
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**asked, **params}}

    answer = calldock.http("POST", "/v2.0", json.dumps(request))

    assert answer.status == 200
    assert "result" in answer.json or answer.json["error"]["code"] in JSONRPC_CODES, answer.body


@fuzzed
@given(data=st.binary(max_size=400), names=st.data())
def test_any_message_at_grpc(calldock: Calldock, account: Account, data: bytes, names: st.DataObject) -> None:
    metadata = (("authorization", f"Bearer {account.token}"),)
    methods = ["UploadCalls", "GetCall", "LookupCall", "ListCalls", "CancelCall", "ReprocessCall"]
    path = f"/calldock.intake.v1.CallService/{names.draw(st.sampled_from(methods))}"
    call = calldock.channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
    try:
        call(data, metadata=metadata, timeout=20)
    except grpc.RpcError as error:
        assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND), error.details()  # noqa: PT017


@fuzzed
@given(
    start=st.integers(-(2**62), 2**62),
    nanos=st.integers(-(2**31), 2**31 - 1),
    number=st.integers(-(2**63), 2**63 - 1),
    word=st.integers(-5, 2**31 - 1),
)
def test_odd_numbers_in_typed_messages(
    calldock: Calldock, account: Account, start: int, nanos: int, number: int, word: int
) -> None:
    draft = CallDraft(
        ext_id="typed",
        calling_phone_number="",
        called_phone_number="+74955140576",
        is_lost=False,
        campaign_id=number,
        direction=word,  # type: ignore[arg-type]
    )
    draft.start_time.seconds, draft.start_time.nanos = start, nanos
    draft.finish_time.seconds = start
    draft.wait_duration.seconds, draft.wait_duration.nanos = start, nanos

    with pytest.raises(grpc.RpcError) as caught:
        CallServiceStub(calldock.channel).UploadCalls(
            UploadCallsRequest(calls=[draft]), metadata=(("authorization", f"Bearer {account.token}"),), timeout=20
        )

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
