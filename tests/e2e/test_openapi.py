"""The running system keeps to the OpenAPI document that it serves: good data, bad data, and what each answer looks like.

`CALLDOCK_FUZZ_EXAMPLES` says how many tries each operation gets, of good data and of bad (`make fuzz` makes many). The tries are the same at every run.
"""

import json
import os
from collections.abc import Iterator
from copy import deepcopy
from importlib import resources
from typing import Any

import pytest
import requests
import schemathesis
from calldock.intake.v1 import call_pb2
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import CheckContext, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.hosts import Host
from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, until

EXAMPLES = int(os.environ.get("CALLDOCK_FUZZ_EXAMPLES", "50"))
tried = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
DOCUMENT: dict[str, Any] = json.loads(resources.files("calldock").joinpath("openapi.json").read_text())
JSON_RPC = "/v2.0"
UPLOAD = "/v1/calls:upload"
RAW_BODY = "/v1/recordings:checkFile"
WATCH = "/v1/calls:watch"
REFUSALS = ["400", "401", "404", "413", "431"]
"""What a request of bad data may hear."""


@schemathesis.serializer("audio/wav", "audio/mpeg")
def raw_body(_context: object, value: object) -> bytes:
    """A body that is sent as it is."""
    return value if isinstance(value, bytes) else str(value).encode()


def loaded(document: dict[str, Any]) -> Any:
    # The token is ours: else most of the bad data would be bad tokens. Those have a test of their own.
    config = schemathesis.Config.from_dict(
        {
            "generation": {"with-security-parameters": False},
            "checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}},
        }
    )
    return schemathesis.openapi.from_dict(document, config=config)


OPERATIONS = {operation.ok().label: operation.ok() for operation in loaded(DOCUMENT).get_all_operations()}


@pytest.fixture(scope="module")
def account(calldock: Calldock, host: Host) -> Account:
    """An account of its own: its settings, tokens and calls are whatever came."""
    account = calldock.account("OpenAPI")
    host.secrets.append(account.secret)
    return account


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def status_is_told(ctx: CheckContext, response: Response, case: Case[Any]) -> bool | None:
    """The document names the status itself: `default` lets everything pass, and is there for what a proxy in between may answer."""
    named = DOCUMENT["paths"][case.operation.path][case.operation.method.lower()]["responses"]
    assert str(response.status_code) in named, f"{response.status_code} is not told of"
    return None


def bad_data_is_refused(ctx: CheckContext, response: Response, case: Case[Any]) -> bool | None:
    """`negative_data_rejection`, and how two operations refuse with HTTP 200: JSON-RPC (docs/contract.md 8), and an upload that is only checked."""
    if case.operation.path == JSON_RPC:
        assert "error" in response.json()
        return None
    checked_only = isinstance(case.body, dict) and case.body.get("validate_only")
    if case.operation.path == UPLOAD and response.status_code == 200 and checked_only:
        assert response.json()["violations"]
        return None
    return negative_data_rejection(ctx, response, case)


ALWAYS = [
    not_a_server_error,
    status_code_conformance,
    status_is_told,
    content_type_conformance,
    response_schema_conformance,
]


def answer(case: Case[Any], calldock: Calldock, account: Account, session: requests.Session) -> Response:
    """What the front door answers to our token; at JSON-RPC it stands in the body, unless bad data stands there."""
    headers = {"authorization": f"Bearer {account.token}"}
    params = case.body.get("params") if case.operation.path == JSON_RPC and isinstance(case.body, dict) else None
    if isinstance(params, dict) and isinstance(params.get("access_token"), str):
        params["access_token"] = account.token
    return case.call(base_url=calldock.url, headers=headers, session=session)


def is_no_error_to_the_transcoder(case: Case[Any]) -> bool:
    """Bad data by the document that Envoy takes, as protobuf's JSON has it: null for absent, a number for the string of an int64, one object for an array
    of one, a moment or a span as an object of its fields, and a query parameter without a name is no parameter."""
    body = case.operation.definition.raw.get("requestBody")
    if body and case.operation.path not in (JSON_RPC, UPLOAD):
        (media,) = body["content"].values()
        if is_spelled_otherwise(case.body, media["schema"]):
            return True
    return "" in (case.query or {})


def is_spelled_otherwise(value: object, schema: dict[str, Any]) -> bool:
    """True when null, a number for an int64, or an object for an array, a moment or a span stands anywhere in what the schema describes."""
    if "$ref" in schema:
        return is_spelled_otherwise(value, DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    is_time = schema.get("format") == "date-time" or schema.get("pattern", "").endswith("s$")
    if isinstance(value, dict) and (is_time or schema.get("type") == "array"):
        return True
    if isinstance(value, dict):
        known = schema.get("properties", {})
        return any(inner is None or is_spelled_otherwise(inner, known.get(name, {})) for name, inner in value.items())
    if isinstance(value, list):
        return any(inner is None or is_spelled_otherwise(inner, schema.get("items", {})) for inner in value)
    return isinstance(value, int | float) and schema.get("format") == "int64"


@pytest.mark.parametrize("label", OPERATIONS)
def test_good_data_is_answered_as_described(
    calldock: Calldock, account: Account, session: requests.Session, label: str
) -> None:
    @tried
    @given(case=OPERATIONS[label].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def holds(case: Case[Any]) -> None:
        # What is watched has no end: tests/e2e/test_watch.py looks at that.
        assume(not label.endswith(WATCH) or (case.query or {}).get("cursor"))
        response = answer(case, calldock, account, session)
        case.validate_response(response, checks=ALWAYS)

    holds()


# An operation without parameters and body has no bad data, and of a raw body any bytes are good: tests/e2e/test_check.py has what is refused there.
@pytest.mark.parametrize(
    "label",
    [
        label
        for label, one in OPERATIONS.items()
        if (one.body or one.query or one.path_parameters) and not label.endswith(RAW_BODY)
    ],
)
def test_bad_data_is_refused_as_described(
    calldock: Calldock, account: Account, session: requests.Session, label: str
) -> None:
    @tried
    @given(case=OPERATIONS[label].as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def holds(case: Case[Any]) -> None:
        assume(not is_no_error_to_the_transcoder(case))
        assume(not label.endswith(WATCH) or (case.query or {}).get("cursor"))
        response = answer(case, calldock, account, session)
        case.validate_response(response, checks=[*ALWAYS, bad_data_is_refused])

    holds()


@pytest.mark.parametrize("label", [label for label, one in OPERATIONS.items() if "security" not in one.definition.raw])
def test_an_operation_that_wants_a_token_refuses_every_caller_without_one(
    calldock: Calldock, account: Account, session: requests.Session, label: str
) -> None:
    operation = OPERATIONS[label]
    numbers = {one.name: 1 for one in operation.path_parameters}
    body = {"body": {}, "media_type": "application/json"} if operation.body else {}
    case = operation.Case(path_parameters=numbers, **body)

    for headers in ({}, {"authorization": "Bearer x"}, {"authorization": account.token}):
        response = case.call(base_url=calldock.url, headers=headers, session=session)
        case.validate_response(response, checks=ALWAYS)
        assert response.status_code == 401


def closed(document: dict[str, Any]) -> dict[str, Any]:
    """The document, with answers that hold nothing but what it tells. Outside of tests they may grow."""
    copy = deepcopy(document)
    for schema in copy["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return copy


def test_answers_about_a_whole_call_hold_what_is_described_and_nothing_else(
    calldock: Calldock, account: Account, host: Host, session: requests.Session
) -> None:
    record = {"employee_name": "Anna Petrova", "employee_channel": "left", "record_url": f"{host.url}/good.wav"}
    call = a_json_call(
        ext_id="whole", wav_records=[record], callback={"url": host.hook, "events": ["processed"]}, tags=[{"tag_name": "vip"}],
        wait_duration=2.5, talk_duration=20, source_id=-1, comment="as described",
    )  # fmt: skip
    uploaded = calldock.upload(account, call)
    assert uploaded.status == 200, uploaded.body
    number = int(uploaded.json["calls"][0]["call_session_id"])
    until(lambda: calldock.lookup(account, "whole").status == call_pb2.CALL_STATUS_PROCESSED)
    recording = calldock.lookup(account, "whole").wav_records[0].recording.recording_id
    asked: dict[str, dict[str, Any]] = {
        "GET /v1/calls/{call_session_id}": {"path_parameters": {"call_session_id": number}},
        "GET /v1/calls:lookup": {"query": {"ext_id": "whole"}},
        "GET /v1/calls": {"query": {"statuses": ["CALL_STATUS_PROCESSED"], "is_lost": False, "page_size": 1}},
        "GET /v1/notifications": {"query": {"call_session_id": number}},
        "GET /v1/recordings/{recording_id}/audio": {"path_parameters": {"recording_id": recording}},
        "GET /v1/account": {},
        "GET /v1/tokens": {},
        "POST /v1/calls:upload": {"body": {"calls": [call]}, "media_type": "application/json"},
        "POST /v1/calls/{call_session_id}:reprocess": {"path_parameters": {"call_session_id": number}},
    }
    operations = {operation.ok().label: operation.ok() for operation in loaded(closed(DOCUMENT)).get_all_operations()}

    for label, parts in asked.items():
        case = operations[label].Case(**parts)
        response = answer(case, calldock, account, session)
        case.validate_response(response, checks=ALWAYS)
        assert response.status_code == 200, f"{label}: {response.text}"


def test_the_front_door_serves_the_document(calldock: Calldock) -> None:
    answers = [calldock.http(verb, "/openapi.json") for verb in ("GET", "HEAD", "POST")]

    assert [answer.status for answer in answers] == [200, 200, 404]
    assert answers[0].headers["content-type"] == "application/json"
    assert answers[0].json == DOCUMENT


def test_the_json_rpc_door_has_every_method_of_the_document(calldock: Calldock, account: Account) -> None:
    for method in DOCUMENT["components"]["schemas"]["JsonRpcRequest"]["properties"]["method"]["enum"]:
        params = {"access_token": account.token, "of nobody": 1}
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}

        told = calldock.http("POST", JSON_RPC, json.dumps(request)).json["error"]["data"]

        assert (told["mnemonic"], told["field"]) == ("unexpected_parameters", "of nobody"), method
