"""The whole document: what the protos say, and the few addresses that Envoy answers by itself."""

import json

from tools.openapi.events import webhooks
from tools.openapi.image import Image
from tools.openapi.json_doors import JSON_RPC, UPLOAD, describe_json_rpc, describe_upload
from tools.openapi.operations import operations
from tools.openapi.rules import Schema
from tools.openapi.schemas import Schemas

_STATUS = "google.rpc.Status"
_ABOUT = """Self-hosted call intake: calls with links to their recordings in, verdicts, MP3s and signed notifications out.

Field names are snake_case. Numbers of 64 bits are strings in JSON answers, and numbers in webhooks. The same methods are served over gRPC and gRPC-Web on the same port.
Unknown query parameters are refused; unknown members of a body are refused by the two upload paths, and ignored elsewhere."""

_REFUSED = """Why a request was refused. `code` is gRPC's number, `message` is for people. `details` hold a `google.rpc.ErrorInfo`, whose `reason` is the mnemonic
that a program should look at, and for wrong fields a `google.rpc.BadRequest` with up to 20 of them. Answers of the front door itself have no details."""

_ERRORS = {
    400: "The request is wrong, or what it names does not stand where it would have to: INVALID_ARGUMENT, FAILED_PRECONDITION.",
    401: "No valid token came: UNAUTHENTICATED.",
    403: "The token may not do this: PERMISSION_DENIED.",
    404: "What the request names is not there: NOT_FOUND.",
    409: "It is there already, or somebody else was quicker: ALREADY_EXISTS, ABORTED.",
    413: "The body is larger than this address takes.",
    429: "Too many requests: RESOURCE_EXHAUSTED.",
    431: "The address and the headers are larger than 32 KiB together.",
    500: "calldock failed; the message holds the request id: INTERNAL.",
    503: "Not available at the moment, to be tried again: UNAVAILABLE.",
    504: "It took too long: DEADLINE_EXCEEDED.",
}


def document(descriptors: bytes, contract: str) -> str:
    """The OpenAPI 3.1 document as JSON text. `descriptors` is a FileDescriptorSet of the public services and the events with source info, `contract` docs/contract.md."""
    image = Image(descriptors)
    schemas = Schemas(image)
    paths: dict[str, Schema] = {}
    for operation in operations(image, schemas):
        if operation.method.full_name == UPLOAD:
            describe_upload(operation, image, schemas)
        if operation.method.full_name == JSON_RPC:
            describe_json_rpc(operation, schemas, contract)
        paths.setdefault(operation.path, {})[operation.verb] = operation.content
    told_to_receivers = webhooks(image, schemas)
    used = {tag for path in paths.values() for operation in path.values() for tag in operation["tags"]}
    status = schemas.message(image.message(_STATUS))
    schemas.components["Status"] |= {"description": _REFUSED, "required": ["code", "message"]}
    content = {
        "openapi": "3.1.0",
        "info": {"title": "calldock", "version": "v1", "description": _ABOUT, "license": _LICENCE},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [
            *({"name": one.name, "description": image.comment(one)} for one in image.services() if one.name in used),
            {"name": "FrontDoor", "description": "What the front door answers by itself."},
            {"name": "Receiver", "description": "What calldock posts to the receivers that calls name."},
        ],
        "paths": {**paths, **_FRONT_DOOR},
        "webhooks": told_to_receivers,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "An access token."}},
            "responses": {
                **{f"Error{code}": _error(told, status) for code, told in _ERRORS.items()},
                "Error": _error("Any other refusal.", status),
            },
            "schemas": dict(sorted(schemas.components.items())),
        },
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _error(description: str, status: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": status}}}


_LICENCE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
_FRONT_DOOR: dict[str, Schema] = {
    "/healthz": {
        "get": {
            "operationId": "FrontDoor_Health",
            "tags": ["FrontDoor"],
            "summary": "Tells that the front door itself lives",
            "security": [],
            "responses": {"200": {"description": "It does."}},
        }
    },
    "/readyz": {
        "get": {
            "operationId": "FrontDoor_Ready",
            "tags": ["FrontDoor"],
            "summary": "Tells whether there is somebody behind the front door",
            "security": [],
            "responses": {
                "200": {"description": "Of each service at least one process is ready, and has its database."},
                "503": {"description": "Of one service none is, or the front door is about to stop."},
            },
        }
    },
    "/openapi.json": {
        "get": {
            "operationId": "FrontDoor_OpenApi",
            "tags": ["FrontDoor"],
            "summary": "This document",
            "security": [],
            "responses": {
                "200": {
                    "description": "This document.",
                    "content": {"application/json": {"schema": {"type": "object"}}},
                }
            },
        }
    },
}
