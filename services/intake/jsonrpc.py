"""JSON-RPC 2.0 as the contract speaks it: reading the envelope, building answers (docs/contract.md 8)."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from services.intake.json_drafts import ExactFloat, parse_json, value_at, whole
from services.shared.errors import ERRORS, Mnemonic, Path, Refusal

RequestId: TypeAlias = str | int | float | None

TOKEN = "access_token"
MAX_ID_CHARACTERS = 255
"""An id is kept with every call of its upload: a long one would be stored many times."""


@dataclass(frozen=True, slots=True)
class RpcRequest:
    """One request: its id as it came, the method's name, the params."""

    id: RequestId
    method: str
    params: Mapping[str, Any]


def id_text(request_id: RequestId) -> str:
    """An id as plain text: a string as it is, a number as it was written."""
    return request_id if isinstance(request_id, str) else _id_json(request_id)


def _id_json(request_id: RequestId) -> str:
    return request_id.text if isinstance(request_id, ExactFloat) else json.dumps(request_id, ensure_ascii=False)


class EnvelopeRefused(Exception):
    """The body is no request; `id` is echoed as far as it could be read."""

    def __init__(self, refusal: Refusal, request_id: RequestId = None) -> None:
        self.refusal = refusal
        self.id = request_id
        super().__init__(str(refusal))


def read_request(body: bytes, most_bytes: int) -> RpcRequest:
    """Reads a body in the contract's order of checks: size, JSON, batch, envelope, notification. Raises EnvelopeRefused."""
    if len(body) > most_bytes:
        raise EnvelopeRefused(
            Refusal(Mnemonic.DATA_LIMIT_EXCEEDED, why=f"{len(body):,} bytes, a request may hold {most_bytes:,}")
        )
    try:
        envelope = parse_json(body)
    except Refusal as refusal:
        raise EnvelopeRefused(refusal) from refusal
    if isinstance(envelope, list):
        raise EnvelopeRefused(Refusal(Mnemonic.BATCH_OPERATIONS_NOT_SUPPORTED))
    if not isinstance(envelope, dict):
        raise EnvelopeRefused(Refusal(Mnemonic.INVALID_REQUEST))
    request_id = envelope.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, str | int | float | None):
        raise EnvelopeRefused(Refusal(Mnemonic.INVALID_REQUEST, path=("id",), value=request_id))
    if len(id_text(request_id)) > MAX_ID_CHARACTERS:
        raise EnvelopeRefused(Refusal(Mnemonic.INVALID_REQUEST, path=("id",)))
    if envelope.get("jsonrpc") != "2.0":
        raise EnvelopeRefused(Refusal(Mnemonic.INVALID_REQUEST, path=("jsonrpc",)), request_id)
    if not isinstance(envelope.get("method"), str):
        raise EnvelopeRefused(Refusal(Mnemonic.INVALID_REQUEST, path=("method",)), request_id)
    params = envelope.get("params", {})
    if not isinstance(params, dict):
        raise EnvelopeRefused(Refusal(Mnemonic.INVALID_REQUEST, path=("params",)), request_id)
    if request_id is None:
        raise EnvelopeRefused(Refusal(Mnemonic.NOTIFICATIONS_NOT_SUPPORTED))
    return RpcRequest(request_id, envelope["method"], params)


def success(request_id: RequestId, result: Mapping[str, object]) -> bytes:
    """The answer to a request that went well. `result` has `data` and `metadata`."""
    return _encoded(request_id, "result", result)


def failure(request_id: RequestId, refusal: Refusal, params: Mapping[str, Any] | None = None) -> bytes:
    """The answer to a request that was refused. The value is what came at the refusal's path in `params`, never a token."""
    kind = ERRORS[refusal.mnemonic]
    data: dict[str, object] = {
        "mnemonic": refusal.mnemonic,
        "field": ".".join(map(str, refusal.path)) or None,
        "params": refusal.params,
        "extended_helper": None,
        "metadata": {},
    }
    if params is not None and refusal.path and TOKEN not in refusal.path:
        with suppress(LookupError):
            value = value_at(params, refusal.path)
            # Null means absent.
            if value is not None:
                data["value"] = value
    message = kind.message
    for name, text in refusal.params.items():
        message = message.replace(f"{{{name}}}", text)
    error = {"code": kind.jsonrpc_code, "message": message, "data": data}
    return _encoded(request_id, "error", error)


def token_of(params: Mapping[str, Any]) -> str:
    """The access token of a request. Raises Refusal when there is none."""
    token = params.get(TOKEN)
    if token is None:
        raise Refusal(Mnemonic.REQUIRED_PARAMETER_MISSED, path=(TOKEN,))
    if not isinstance(token, str):
        raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=(TOKEN,))
    return token


def read_text(params: Mapping[str, Any], name: str, most: int, *, default: str | None = None) -> str:
    """A string of params, of 1 to `most` characters; the default, if there is one, when it did not come. Raises Refusal."""
    value = params.get(name)
    if value is None:
        if default is None:
            raise Refusal(Mnemonic.REQUIRED_PARAMETER_MISSED, path=(name,))
        return default
    if not isinstance(value, str):
        raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=(name,), value=value)
    if len(value) > most or (not value and default is None):
        raise Refusal(
            Mnemonic.INVALID_PARAMETER_VALUE, path=(name,), value=value, why=f"1 to {most} characters are taken"
        )
    return value


def read_number(params: Mapping[str, Any], name: str, *, is_whole: bool = False) -> float:
    """A required number of params, 0 or more. Raises Refusal."""
    value = params.get(name)
    if value is None:
        raise Refusal(Mnemonic.REQUIRED_PARAMETER_MISSED, path=(name,))
    if isinstance(value, bool) or not isinstance(value, int | float) or (is_whole and whole(value) is None):
        raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=(name,), value=value)
    if not 0 <= value < 2**63:
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=(name,), value=value)
    return value


def refuse_unknown(params: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raises Refusal for the first member that the method does not have."""
    for name in params:
        if name not in known:
            path: Path = (name,)
            raise Refusal(Mnemonic.UNEXPECTED_PARAMETERS, path=path, value=params[name])


def _encoded(request_id: RequestId, name: str, content: Mapping[str, object]) -> bytes:
    told = json.dumps(content, ensure_ascii=False)
    return f'{{"jsonrpc": "2.0", "id": {_id_json(request_id)}, "{name}": {told}}}'.encode()
