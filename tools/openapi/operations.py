"""Public methods as paths and operations, by their `google.api.http` annotations."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from tools.openapi.image import Image, Options
from tools.openapi.rules import Schema
from tools.openapi.schemas import DURATION, WELL_KNOWN, Schemas, Spelling

HTTP_BODY = "google.api.HttpBody"
MEDIA_TYPES = {"calldock.media.v1.RecordingService.GetRecordingAudio": "audio/mpeg"}
"""What a method that answers an HttpBody puts into it."""
RAW_BODIES = {"calldock.media.v1.RecordingService.CheckFile": ("audio/wav", "audio/mpeg")}
"""What a method takes whose body is an HttpBody within its request."""

_VERBS = ("get", "put", "post", "delete", "patch")
_VARIABLE = re.compile(r"\{([A-Za-z0-9_.]+)(?:=[^}]*)?\}")

STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""How the transcoder turns the codes that comments name into HTTP."""
ALWAYS = (400, 401, 403, 429, 431, 500, 503, 504)
WITH_BODY = 413


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the document, and where it stands."""

    path: str
    verb: str
    method: MethodDescriptor
    content: Schema


def operations(image: Image, schemas: Schemas) -> Iterator[Operation]:
    """Every operation of the annotated methods, in the order of the files. A method without an annotation has none."""
    for service in image.services():
        for method in service.methods:
            http = image.annotation(method, "google.api.http")
            bindings = [http, *http.get("additional_bindings", ())] if http else []
            for place, binding in enumerate(bindings):
                for verb in _VERBS:
                    if verb in binding:
                        yield _operation(image, schemas, method, binding, verb, place)


def errors(statuses: set[int]) -> Schema:
    """References to the answers of these statuses, and to the one of any other."""
    told = {str(status): {"$ref": f"#/components/responses/Error{status}"} for status in sorted(statuses)}
    return {**told, "default": {"$ref": "#/components/responses/Error"}}


def words(comment: str) -> Schema:
    """A comment as summary and description: its first sentence, and all of it."""
    if not comment:
        return {}
    summary = re.split(r"(?<=[.:;])\s", comment, maxsplit=1)[0].rstrip(".:;")
    return {"summary": summary, "description": comment}


def _operation(
    image: Image, schemas: Schemas, method: MethodDescriptor, binding: Options, verb: str, place: int
) -> Operation:
    path = _VARIABLE.sub(lambda match: f"{{{_last(match[1])}}}", binding[verb])
    in_path = _VARIABLE.findall(binding[verb])
    body = binding.get("body", "")
    statuses = {*ALWAYS, *_named_statuses(image.comment(method))}
    content: Schema = {
        "operationId": f"{method.containing_service.name}_{method.name}{f'_{place + 1}' if place else ''}",
        "tags": [method.containing_service.name],
        **words(image.comment(method)),
    }
    parameters = [_path_parameter(schemas, method.input_type, name) for name in in_path]
    if body != "*":
        parameters += _query_parameters(image, schemas, method.input_type, {*in_path, body})
    if parameters:
        content["parameters"] = parameters
    if body:
        content["requestBody"] = _request_body(schemas, method, body, in_path)
        statuses.add(WITH_BODY)
    content["responses"] = {"200": _answer(image, schemas, method), **errors(statuses)}
    if method.GetOptions().deprecated:
        content["deprecated"] = True
    return Operation(path=path, verb=verb, method=method, content=content)


def _named_statuses(comment: str) -> set[int]:
    """The statuses of the canonical codes that a comment names under Errors."""
    _, _, told = comment.partition("\nErrors")
    return {STATUSES[code] for code in re.findall(r"[A-Z_]{5,}", re.sub(r"\([^)]*\)", "", told)) if code in STATUSES}


def _path_parameter(schemas: Schemas, message: Descriptor, name: str) -> Schema:
    field = _field_at(message, name)
    return {"name": _last(name), "in": "path", "required": True, **_apart(schemas.field(field, Spelling.PARAMETER))}


def _last(path: str) -> str:
    """The name of an inner field without where it stands: clients' templates read a dot as something of their own."""
    return path.rpartition(".")[2]


def _field_at(message: Descriptor, path: str) -> FieldDescriptor:
    first, _, rest = path.partition(".")
    field = message.fields_by_name[first]
    return _field_at(field.message_type, rest) if rest and field.message_type else field


def _query_parameters(image: Image, schemas: Schemas, message: Descriptor, taken: set[str]) -> list[Schema]:
    found = []
    for name, field in _flat(message):
        if name in taken or name.partition(".")[0] in taken:
            continue
        parameter: Schema = {"name": name, "in": "query", **_apart(schemas.field(field, Spelling.PARAMETER))}
        if "." not in name and "REQUIRED" in image.behaviors(field):
            parameter["required"] = True
        found.append(parameter)
    return found


def _flat(message: Descriptor, before: str = "") -> Iterator[tuple[str, FieldDescriptor]]:
    """The fields that a query can carry: inner ones by dotted names, lists of messages not at all."""
    for field in message.fields:
        inner = field.message_type
        if inner is None or inner.full_name in WELL_KNOWN or inner.full_name == DURATION:
            yield f"{before}{field.name}", field
        elif not field.is_repeated:
            yield from _flat(inner, f"{before}{field.name}.")


def _apart(schema: Schema) -> Schema:
    """A parameter's schema, with the words about it beside."""
    told: Schema = {name: schema.pop(name) for name in ("description", "deprecated") if name in schema}
    return {**told, "schema": schema}


def _request_body(schemas: Schemas, method: MethodDescriptor, body: str, in_path: list[str]) -> Schema:
    message = method.input_type
    if message.full_name == HTTP_BODY:
        return {"required": True, "content": {"application/octet-stream": {"schema": schemas.message(message)}}}
    if body != "*":
        field = message.fields_by_name[body]
        told = schemas.field(field, Spelling.BODY)
        description = told.pop("description", "")
        if field.message_type is not None and field.message_type.full_name == HTTP_BODY:
            kinds = RAW_BODIES.get(method.full_name, ("application/octet-stream",))
            content = {kind: {"schema": schemas.message(field.message_type)} for kind in kinds}
            return {"description": description, "required": True, "content": content}
        return {"description": description, "required": True, "content": {"application/json": {"schema": told}}}
    if not in_path:
        schema = schemas.message(message)
        return {"required": True, "content": {"application/json": {"schema": schema}}}
    schema = schemas.object(message, without=in_path)
    is_required = bool(schema.get("required"))
    return {"required": is_required, "content": {"application/json": {"schema": schema}}}


def _answer(image: Image, schemas: Schemas, method: MethodDescriptor) -> Schema:
    output = method.output_type
    media_type = "application/json"
    if output.full_name == HTTP_BODY:
        media_type = MEDIA_TYPES.get(method.full_name, "*/*")
    description = image.comment(output) if output.full_name != HTTP_BODY else "The body, as it is."
    if method.server_streaming and output.full_name != HTTP_BODY:
        # So the front door names what it makes of a stream.
        description = f"One a line, for as long as the stream goes on. {description}"
    return {"description": description or "Done.", "content": {media_type: {"schema": schemas.message(output)}}}
