"""The edge of the two JSON upload paths: raw bodies in, raw bodies out."""

import structlog
from calldock.intake.v1 import json_door_service_pb2_grpc
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.json_format import MessageToJson

from services.intake.json_drafts import JsonCalls, Spelling, parse_json
from services.intake.jsonrpc import EnvelopeRefused, RpcRequest, failure, read_request, success
from services.intake.jsonrpc_methods import JsonRpcMethods
from services.intake.messages import upload_response, violations_response
from services.intake.store.uploads import Priority
from services.intake.upload import Uploads
from services.shared.errors import Busy, Mnemonic, Refusal, Refusals, Trouble
from services.shared.rpc.identity import client_address, current_identity
from services.shared.rpc.status import Context, header

log = structlog.get_logger()


class JsonDoorServicer(json_door_service_pb2_grpc.JsonDoorServiceServicer):
    """JsonDoorService."""

    def __init__(self, methods: JsonRpcMethods, uploads: Uploads, max_request_bytes: int) -> None:
        self._methods = methods
        self._uploads = uploads
        self._max_request_bytes = max_request_bytes

    async def CallJsonRpc(self, request: HttpBody, context: Context) -> HttpBody:
        request_id = header(context, "x-request-id")
        try:
            envelope = read_request(request.data, self._max_request_bytes)
            return _json(await self._answer(envelope, client_address(context), request_id))
        except EnvelopeRefused as refused:
            return _json(failure(refused.id, refused.refusal))
        except Exception:
            log.exception("jsonrpc.failed", request_id=request_id)
            return _json(failure(None, Refusal(Mnemonic.INTERNAL_ERROR)))

    async def UploadCallsJson(self, request: HttpBody, context: Context) -> HttpBody:
        size = len(request.data)
        if size > self._max_request_bytes:
            raise Refusal(
                Mnemonic.DATA_LIMIT_EXCEEDED,
                why=f"the body has {size:,} bytes, a request may hold {self._max_request_bytes:,}",
            )
        self._uploads.check_room(current_identity().account_id)
        body = parse_json(request.data)
        if not isinstance(body, dict):
            raise Refusal(Mnemonic.DATA_TYPE_ERROR, why="the body must be an object with the member calls")
        for name in body:
            if name not in ("calls", "validate_only", "priority"):
                raise Refusal(
                    Mnemonic.UNEXPECTED_PARAMETERS, path=(name,), value=body[name], why="there is no such member"
                )
        calls = body.get("calls")
        if calls is not None and not isinstance(calls, list):
            raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=("calls",), value=calls, why="an array is due")
        self._uploads.check_count(len(calls or ()))
        validate_only = body.get("validate_only")
        if validate_only is not None and not isinstance(validate_only, bool):
            path = ("validate_only",)
            raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=path, value=validate_only, why="true or false is due")
        priority = _priority(body.get("priority"))
        sent = JsonCalls(calls or (), Spelling.REST)
        if validate_only:
            answer = violations_response(await self._uploads.validate(current_identity(), sent))
        else:
            answer = upload_response(await self._uploads.upload(current_identity(), sent, priority=priority))
        return _json(
            MessageToJson(
                answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True, indent=None
            ).encode()
        )

    async def _answer(self, request: RpcRequest, address: str, request_id: str) -> bytes:
        try:
            return success(request.id, await self._methods.run(request, address))
        except Refusal as refusal:
            return failure(request.id, refusal, request.params)
        except Refusals as refusals:
            return failure(request.id, refusals.first, request.params)
        except Busy as busy:
            log.info("jsonrpc.busy", method=request.method[:64], reason=str(busy))
            return failure(
                request.id, Refusal(Mnemonic.LIMIT_EXCEEDED, why="no room at the moment, try again"), request.params
            )
        except Trouble as trouble:
            log.warning("jsonrpc.trouble", method=request.method[:64], reason=str(trouble))
        except Exception:
            log.exception("jsonrpc.failed", method=request.method[:64], request_id=request_id)
        return failure(request.id, Refusal(Mnemonic.INTERNAL_ERROR))


def _priority(value: object) -> Priority:
    if value is None:
        return Priority.LIVE
    if not isinstance(value, str):
        raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=("priority",), value=value, why="a string is due")
    try:
        return Priority[value.removeprefix("UPLOAD_PRIORITY_").upper()]
    except KeyError:
        why = "live or backfill is due"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("priority",), value=value, why=why) from None


def _json(data: bytes) -> HttpBody:
    return HttpBody(content_type="application/json; charset=utf-8", data=data)
