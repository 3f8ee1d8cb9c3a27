"""The OpenAPI document says what the protos, the strict reader and the contract say, of public methods only."""

import json
import re
from importlib import resources
from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.intake.call_rules import FIELDS
from services.intake.json_drafts import Spelling, read_call
from services.shared.errors import Mnemonic
from tests.support.makers import a_json_call
from tools.openapi.rules import digits, enum_numbers, list_limits, number_limits, text_limits

DOCUMENT: dict[str, Any] = json.loads(resources.files("calldock").joinpath("openapi.json").read_text())
COMPONENTS: dict[str, Any] = DOCUMENT["components"]["schemas"]
BY_HAND = {("get", "/healthz"), ("get", "/readyz"), ("get", "/openapi.json")}


def public_bindings() -> dict[tuple[str, str], str]:
    """Verb and path to operation id, as Envoy's descriptor set has them."""
    data = resources.files("calldock").joinpath("public.binpb").read_bytes()
    found = {}
    for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
        for service in file.service:
            for method in service.method:
                http: Any = method.options.Extensions[annotations_pb2.http]
                verb = http.WhichOneof("pattern")
                if verb is not None:
                    # A variable is named by its field, wherever that stands.
                    path = re.sub(r"\{(?:\w+\.)*", "{", getattr(http, verb))
                    found[verb, path] = f"{service.name}_{method.name}"
    return found


def operations() -> dict[tuple[str, str], Any]:
    return {(verb, path): one for path, verbs in DOCUMENT["paths"].items() for verb, one in verbs.items()}


def test_the_document_is_valid_openapi() -> None:
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_every_annotated_public_method_is_in_the_document_and_nothing_else() -> None:
    described = {place: one["operationId"] for place, one in operations().items() if place not in BY_HAND}

    assert described == public_bindings()
    assert len(described) >= 12


def test_nothing_internal_is_told() -> None:
    text = json.dumps(DOCUMENT)

    for word in (
        "internal.v1",
        "AdminService",
        "IdentityService",
        "DeliveryService",
        "ProcessingService",
        "webhook_secret",
    ):
        assert word not in text


def test_every_operation_parameter_field_and_status_has_words() -> None:
    silent = [
        f"{one['operationId']} {part.get('name', '')}"
        for one in operations().values()
        for part in (one, *one.get("parameters", ()))
        if not part.get("description") and not part.get("summary")
    ]
    # Words of the protos' own go with a message wherever it stands; what is Google's or by hand is not asked for all.
    silent += [
        f"{name}.{field}"
        for name, schema in COMPONENTS.items()
        if not name.startswith("JsonRpc")
        for field, told in schema.get("properties", {}).items()
        if not told.get("description")
    ]

    assert silent == []


def test_the_upload_has_the_members_that_the_strict_reader_knows() -> None:
    members = COMPONENTS["CallDraft"]["properties"]
    # Of a wrong type everywhere, so that whatever is known is refused for its type and the rest for its name.
    read = read_call({name: object() for name in members}, 0, Spelling.REST)
    unknown = {refusal.path[-1] for refusal in read.refusals if refusal.mnemonic is Mnemonic.UNEXPECTED_PARAMETERS}

    assert unknown == set()
    assert set(FIELDS) <= set(members)
    assert COMPONENTS["CallDraft"]["additionalProperties"] is False


@pytest.mark.parametrize("part", ["Callback", "CallTag", "WavRecord", "Mp3Record"])
def test_the_parts_of_an_upload_have_the_members_that_the_strict_reader_knows(part: str) -> None:
    member = {"Callback": "callback", "CallTag": "tags", "WavRecord": "wav_records", "Mp3Record": "mp3_records"}[part]
    value: Any = dict.fromkeys([*COMPONENTS[f"{part}Draft"]["properties"], "another"])

    read = read_call(a_json_call(**{member: value if part == "Callback" else [value]}), 0, Spelling.REST)

    assert [refusal.path[-1] for refusal in read.refusals] == ["another"]


def test_the_errors_of_the_json_rpc_door_have_every_mnemonic() -> None:
    told = COMPONENTS["JsonRpcError"]["properties"]["data"]["properties"]["mnemonic"]["enum"]

    assert set(Mnemonic) <= set(told)


@pytest.mark.parametrize(
    ("place", "keywords"),
    [
        pytest.param("Call.call_session_id", {"type": "string", "format": "int64", "readOnly": True}, id="int64"),
        pytest.param("Call.start_time", {"type": "string", "format": "date-time"}, id="moment"),
        pytest.param("Call.status", {"$ref": "#/components/schemas/CallStatus"}, id="enum"),
        pytest.param("Callback.events", {"type": "array", "maxItems": 3, "uniqueItems": True}, id="list"),
        pytest.param("CreateTokenRequest.role", {"enum": ["ROLE_ADMIN", "ROLE_UPLOAD", "ROLE_READ"]}, id="values of an enum"),
        pytest.param("CreateTokenRequest.name", {"maxLength": 255}, id="length"),
        pytest.param("CallDraft.campaign_id", {"type": ["integer", "string", "null"], "minimum": 1}, id="id, strict"),
        pytest.param("CallDraft.wait_duration", {"type": ["number", "string", "null"], "minimum": 0}, id="span, strict"),
        pytest.param("CallDraft.direction", {"enum": ["in", "out", "DIRECTION_IN", "DIRECTION_OUT", None]}, id="word, strict"),
    ],
)  # fmt: skip
def test_a_field_is_described_by_its_type_and_its_rules(place: str, keywords: dict[str, Any]) -> None:
    message, name = place.split(".")
    told = COMPONENTS[message]["properties"][name]

    assert told | keywords == told


def test_a_patch_takes_its_mask_in_the_query_and_the_resource_as_body() -> None:
    patch = DOCUMENT["paths"]["/v1/account"]["patch"]

    assert [(one["name"], one["in"]) for one in patch["parameters"]] == [("update_mask", "query")]
    body = patch["requestBody"]["content"]["application/json"]["schema"]
    assert body["$ref"] == "#/components/schemas/Account"


@pytest.mark.parametrize(
    ("came", "told"),
    [
        (text_limits({"string": {"len": "3"}}, is_required=False), {"minLength": 3, "maxLength": 3}),
        (text_limits({"string": {"prefix": "a.", "suffix": "z"}}, is_required=False), {"allOf": [{"pattern": r"^a\."}, {"pattern": "z$"}]}),
        (text_limits({"string": {"uuid": True}}, is_required=True), {"minLength": 1, "format": "uuid"}),
        (text_limits({"string": {"in": ["a", "b"]}}, is_required=False), {"enum": ["a", "b"]}),
        (number_limits({"int32": {"gt": 1, "lt": 9}}), {"exclusiveMinimum": 1, "exclusiveMaximum": 9}),
        (number_limits({"double": {"gte": 0.5, "not_in": [1.0]}}), {"minimum": 0.5, "not": {"enum": [1.0]}}),
        (digits({"int64": {"gte": "1"}}), {"pattern": "^[1-9][0-9]{0,18}$"}),
        (digits({"int64": {"gte": "0"}}), {"pattern": "^[0-9]{1,19}$"}),
        (digits({"int64": {"in": ["5", "6"]}}), {"enum": ["5", "6"]}),
        (digits({}), {"pattern": "^-?[0-9]{1,19}$"}),
        (list_limits({"repeated": {"min_items": "2", "unique": True}}, is_required=True), {"minItems": 2, "uniqueItems": True}),
        (enum_numbers({"enum": {"not_in": [2]}}, [0, 1, 2], is_required=True), [1]),
        (enum_numbers({"enum": {"const": 1}}, [0, 1, 2], is_required=False), [1]),
    ],
)  # fmt: skip
def test_a_rule_of_the_protos_in_json_schema(came: Any, told: Any) -> None:
    assert came == told
