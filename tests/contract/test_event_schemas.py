"""The schemas of events take what receivers are told, and nothing else (docs/contract.md 7)."""

import json
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pytest
from calldock.media.v1.audio_pb2 import RecordingErrorCode
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from services.intake.status import CallEvent
from services.notify.payload import Event, payload
from services.shared.rpc.values import word_of

FOLDER = resources.files("calldock").joinpath("events")
SCHEMAS: dict[str, dict[str, Any]] = {
    event.value: json.loads(FOLDER.joinpath(f"{event}.schema.json").read_text()) for event in CallEvent
}
CODES = {word_of(RecordingErrorCode, number) for number in RecordingErrorCode.values()} - {"unspecified"}

events = st.builds(
    Event,
    name=st.sampled_from(sorted(SCHEMAS)),
    ext_id=st.text(min_size=1, max_size=255),
    call_session_id=st.integers(0, 2**63 - 1),
    event_time=st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are without a zone
    error_code=st.none() | st.sampled_from(sorted(CODES)),
    error_message=st.text(max_size=300),
)


def told(name: str) -> dict[str, Any]:
    """What a receiver is told of an event, as it reads it."""
    event = Event(
        name=name,
        ext_id="crm-1",
        call_session_id=7,
        event_time=datetime(2026, 11, 2, 7, tzinfo=UTC),
        error_code="decode_error",
        error_message="recording 1: first bytes are not RIFF",
    )
    read: dict[str, Any] = json.loads(payload(event))
    return read


def takes(name: str, body: object) -> bool:
    return Draft202012Validator(SCHEMAS[name]).is_valid(body)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_valid_and_says_what_it_is(name: str) -> None:
    schema = SCHEMAS[name]

    Draft202012Validator.check_schema(schema)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:calldock:event:{name}"
    assert all(part["description"] for part in (schema, *schema["properties"].values()))
    assert schema["title"]


def test_every_event_has_a_schema_and_nothing_else_has() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{event}.schema.json" for event in CallEvent}


@given(event=events)
@pytest.mark.contract("7 body exactly")
def test_whatever_a_receiver_is_told_its_schema_takes_and_the_others_refuse(event: Event) -> None:
    body = json.loads(payload(event))

    assert [name for name in SCHEMAS if takes(name, body)] == [event.name]


@pytest.mark.parametrize(
    ("name", "member"), [(name, member) for name, schema in SCHEMAS.items() for member in schema["properties"]]
)
def test_a_missing_member_is_refused(name: str, member: str) -> None:
    body = told(name)
    del body[member]

    assert not takes(name, body)


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_additional_member_is_refused(name: str) -> None:
    assert takes(name, told(name))
    assert not takes(name, told(name) | {"another": 1})


@pytest.mark.parametrize("name", SCHEMAS)
def test_another_status_is_refused(name: str) -> None:
    assert not takes(name, told(name) | {"status": "new"})


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_number_that_is_written_as_a_string_is_refused(name: str) -> None:
    assert not takes(name, told(name) | {"timestamp": "1793602800"})


def test_an_unknown_error_code_is_refused() -> None:
    assert not takes("error", told("error") | {"error_code": "another_error"})


@pytest.mark.contract("7 error_code")
def test_the_error_codes_are_those_of_recordings() -> None:
    codes = SCHEMAS["error"]["properties"]["error_code"]["enum"]

    assert len(codes) == len(CODES)
    assert set(codes) == CODES


def test_the_openapi_document_describes_the_same_bodies() -> None:
    document = json.loads(resources.files("calldock").joinpath("openapi.json").read_text())
    body = document["webhooks"]["call"]["post"]["requestBody"]["content"]["application/json"]["schema"]

    described = [document["components"]["schemas"][one["$ref"].rpartition("/")[2]] for one in body["oneOf"]]

    only_files = ("$schema", "$id", "title")
    for schema in SCHEMAS.values():
        assert {name: value for name, value in schema.items() if name not in only_files} in described
    assert len(described) == len(SCHEMAS)
