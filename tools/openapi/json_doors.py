"""The two doors whose bodies are read raw (JsonDoorService): strict uploads by the typed message, JSON-RPC by the contract."""

import re

from tools.openapi.image import Image
from tools.openapi.operations import WITH_BODY, Operation
from tools.openapi.rules import Schema
from tools.openapi.schemas import Schemas, Spelling

UPLOAD = "calldock.intake.v1.JsonDoorService.UploadCallsJson"
JSON_RPC = "calldock.intake.v1.JsonDoorService.CallJsonRpc"

_UPLOAD_REQUEST = "calldock.intake.v1.UploadCallsRequest"
_UPLOAD_RESPONSE = "calldock.intake.v1.UploadCallsResponse"
_DRAFT = "calldock.intake.v1.CallDraft"
_CALL = "calldock.intake.v1.Call"
_METHOD_ROW = re.compile(r"^\| ([a-z]+\.[a-z_]+) \|([^|]*)\|", re.MULTILINE)
_ERROR_ROW = re.compile(r"^\| (-32[0-9]{3}) \| ([a-z_ /]+) \|", re.MULTILINE)


def describe_upload(operation: Operation, image: Image, schemas: Schemas) -> None:
    """Gives the upload its bodies: what the strict reader takes of an UploadCallsRequest, and an UploadCallsResponse."""
    request = schemas.message(image.message(_UPLOAD_REQUEST), Spelling.STRICT)
    draft = schemas.components["CallDraft"]
    times = "\nOn this door a moment in RFC 3339 or a wall time as in `{}`."
    for name, wall in (("start_time", "start_wall_time"), ("finish_time", "finish_wall_time")):
        draft["properties"][name]["description"] += times.format(wall)
    # What GET answered may be uploaded as it is (AIP-203).
    for field in image.message(_CALL).fields:
        if field.name not in draft["properties"]:
            draft["properties"][field.name] = {"description": "Output only. Passed over in a request."}
    operation.content["requestBody"] = {"required": True, "content": {"application/json": {"schema": request}}}
    response = image.message(_UPLOAD_RESPONSE)
    operation.content["responses"]["200"] = {
        "description": image.comment(response),
        "content": {"application/json": {"schema": schemas.message(response)}},
    }


def describe_json_rpc(operation: Operation, schemas: Schemas, contract: str) -> None:
    """Gives the JSON-RPC door its envelopes. `contract` is the text of docs/contract.md, whose section 8 lists methods and errors."""
    section = contract.partition("\n## 8.")[2].partition("\n## ")[0]
    methods = _METHOD_ROW.findall(section)
    schemas.components |= {
        "JsonRpcRequest": _request(methods),
        "JsonRpcResponse": _response(),
        "JsonRpcError": _error(_ERROR_ROW.findall(section)),
    }
    envelope = {"application/json": {"schema": {"$ref": "#/components/schemas/JsonRpcResponse"}}}
    operation.content["security"] = []
    operation.content["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/JsonRpcRequest"}}},
    }
    operation.content["responses"] = {
        "200": {"description": "Every outcome, errors included.", "content": envelope},
        str(WITH_BODY): {"description": "The body is larger than the front door lets through.", "content": envelope},
        "503": {"description": "Not available at the moment, to be tried again.", "content": envelope},
        "default": {"description": "Any other answer of the front door itself.", "content": envelope},
    }


def _request(methods: list[tuple[str, str]]) -> Schema:
    params = [f"- `{name}`: {told.strip() or 'none of its own'}" for name, told in methods]
    return {
        "type": "object",
        "description": "One request. Members that are not known are ignored.",
        "required": ["jsonrpc", "id", "method", "params"],
        "properties": {
            "jsonrpc": {"const": "2.0"},
            "id": {
                "type": ["string", "number"],
                "maxLength": 255,
                "description": "Echoed as it came. Its text has up to 255 characters.",
            },
            "method": {"type": "string", "enum": [name for name, _ in methods]},
            "params": {
                "type": "object",
                "description": "\n".join(
                    ["Members that the method does not know are refused. Of each method:", *params]
                ),
                "required": ["access_token"],
                "properties": {
                    "access_token": {"type": "string", "description": "Required. The access token."},
                    "user_id": {
                        "type": ["number", "null"],
                        "description": "Optional. The client for whom an agent acts.",
                    },
                },
            },
        },
    }


def _response() -> Schema:
    either = "One of the two is there."
    return {
        "type": "object",
        "description": f"`result` of a request that went well, or `error`. {either}",
        "required": ["jsonrpc", "id"],
        "additionalProperties": False,
        "properties": {
            "jsonrpc": {"const": "2.0"},
            "id": {"type": ["string", "number", "null"], "description": "As it came; null when it could not be read."},
            "result": {
                "type": "object",
                "required": ["data", "metadata"],
                "properties": {"data": {"type": ["object", "array"]}, "metadata": {"type": "object"}},
            },
            "error": {"$ref": "#/components/schemas/JsonRpcError"},
        },
        "oneOf": [{"required": ["result"]}, {"required": ["error"]}],
    }


def _error(rows: list[tuple[str, str]]) -> Schema:
    codes = sorted({int(code) for code, _ in rows})
    mnemonics = sorted({name for _, told in rows for name in told.split(" / ")})
    return {
        "type": "object",
        "description": "Why a request was refused.",
        "required": ["code", "message", "data"],
        "additionalProperties": False,
        "properties": {
            "code": {"type": "integer", "enum": codes},
            "message": {"type": "string"},
            "data": {
                "type": "object",
                "required": ["mnemonic", "field", "params", "extended_helper", "metadata"],
                "additionalProperties": False,
                "properties": {
                    "mnemonic": {"type": "string", "enum": mnemonics},
                    "field": {"type": ["string", "null"], "description": "Where: `calls.0.start_time`."},
                    "value": {"description": "What came there, unchanged; absent where nothing came."},
                    "params": {"type": "object", "description": "What the braces of the message stand for."},
                    "extended_helper": {"type": "null"},
                    "metadata": {"type": "object"},
                },
            },
        },
    }
