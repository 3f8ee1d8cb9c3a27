"""What receivers are posted (event.proto): a JSON Schema of each event, and the webhook of the OpenAPI document (docs/webhooks.md)."""

import json
from collections.abc import Iterator

from tools.openapi.image import Image
from tools.openapi.operations import words
from tools.openapi.rules import Schema
from tools.openapi.schemas import Schemas, Spelling

EVENTS = "calldock/notify/v1/event.proto"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SIGNATURES = "^(v1|v1a),[A-Za-z0-9+/]+=*( (v1|v1a),[A-Za-z0-9+/]+=*)*$"


def event_schemas(image: Image) -> Iterator[tuple[str, str]]:
    """The status that each event tells, and its JSON Schema as text."""
    schemas = Schemas(image)
    for message in image.messages(EVENTS):
        described = schemas.object(message, Spelling.EVENT)
        status = described["properties"]["status"]["const"]
        title = words(image.comment(message))["summary"]
        schema = {"$schema": _DIALECT, "$id": f"urn:calldock:event:{status}", "title": title, **described}
        yield status, json.dumps(schema, ensure_ascii=False, indent=1) + "\n"


def webhooks(image: Image, schemas: Schemas) -> Schema:
    """The `webhooks` section: one POST, whose body is any of the events."""
    events = {}
    for message in image.messages(EVENTS):
        reference = schemas.message(message, Spelling.EVENT)
        events[schemas.components[message.name]["properties"]["status"]["const"]] = reference["$ref"]
    body = {
        "oneOf": [{"$ref": reference} for reference in events.values()],
        "discriminator": {"propertyName": "status", "mapping": events},
    }
    return {"call": {"post": {**_POST, "requestBody": _json(body), "responses": _ANSWERS}}}


def _json(schema: Schema) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _header(name: str, description: str, **schema: str) -> Schema:
    told = {"type": "string", **schema}
    return {"name": name, "in": "header", "required": True, "description": description, "schema": told}


_POST: Schema = {
    "operationId": "Receiver_Call",
    "tags": ["Receiver"],
    "summary": "Tells of a call",
    "description": "What the receiver gets that a call's `callback` names, for the events that it asks for. It comes at least once, and in order for each call.",
    "security": [],
    "parameters": [
        _header("webhook-id", "The notification's id; the same at every attempt.", format="uuid"),
        _header("webhook-timestamp", "When this attempt began, in whole seconds of Unix time.", pattern="^[0-9]+$"),
        _header(
            "webhook-signature",
            "Signatures over `{webhook-id}.{webhook-timestamp}.{body}`, separated by spaces: `v1,` and base64 of an HMAC-SHA256, or `v1a,` and base64 of an Ed25519 signature.",
            pattern=_SIGNATURES,
        ),
    ],
}
_ANSWERS: Schema = {
    "2XX": {"description": "It is taken."},
    "410": {"description": "It is given up at once."},
    "default": {"description": "It is tried again by the schedule. 429 and 503 may say by Retry-After when."},
}
