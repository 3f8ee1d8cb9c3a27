"""intake's two JSON doors on a database of their own, without processes and network between: requests in, answers out."""

import json
from dataclasses import replace
from typing import Any

from google.api.httpbody_pb2 import HttpBody
from sqlalchemy import Connection, text

from services.intake.account import AccountChange, NewToken, OperatorChange
from services.intake.call_rules import ONLY_PUBLIC
from services.intake.directory import DirectoryEntries
from services.intake.json_door import JsonDoorServicer
from services.intake.jsonrpc_methods import JsonRpcMethods
from services.intake.points import UPLOAD_POINTS
from services.intake.quota import Quota
from services.intake.server import COMPONENTS, COSTS, ROLES
from services.intake.store.accounts import (
    add_token,
    block_token,
    create_account,
    identify,
    set_account,
    update_account,
)
from services.intake.upload import Uploads
from services.shared.db.database import Database
from services.shared.errors import Refusal, Refusals
from services.shared.identity import AccountId, Identity, Role, token_sha256
from services.shared.quota import metered
from services.shared.rpc.identity import current_identity, identity_guard
from tests.support.makers import NOON, HandClock, a_new_account

UPLOAD = "/calldock.intake.v1.JsonDoorService/UploadCallsJson"
MAX_BYTES = 200_000
INACTIVE_CAMPAIGN = 5
DEAF = AccountId(2)


class Caller:
    """As much of a call's context as the doors look at."""

    def __init__(self, address: str, token: str = "") -> None:
        self._address = address
        self._token = token

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("x-request-id", "r-1"), ("authorization", f"Bearer {self._token}"))

    def auth_context(self) -> dict[str, list[bytes]]:
        return {}

    def peer(self) -> str:
        return f"ipv4:{self._address}:1"


class JsonDoor:
    """Both doors, and accounts of every kind; a token's text says what is the matter with it or its account.

    `good` (account 1) has an inactive campaign. `reader`, `blocked` and `expired` are other tokens of it. `disabled`, `elsewhere` (callers from 10.0.0.0/8
    alone), `nowhere` (both), `deaf` (no voice analysis), `closed` (no uploads, and `spent` too) and `spent` (fewer points than an upload costs) are admins of
    their own accounts; `disabled` is closed too. `agent` is an agent's token of `good` that acts for `deaf`.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        clock = HandClock()
        uploads = Uploads(
            db,
            clock,
            max_calls=500,
            webhooks=ONLY_PUBLIC,
            stored=lambda _may_be_work: None,
            uploaded=lambda _counts: None,
        )
        quota = Quota(db, clock)
        self._guard = identity_guard(self._identify, ROLES, COMPONENTS)
        self._meter = metered(quota, COSTS, current_identity)
        methods = JsonRpcMethods(db, uploads, DirectoryEntries(db), quota, self._identify)
        self._servicer = JsonDoorServicer(methods, uploads, MAX_BYTES)

    async def fill(self) -> None:
        """Makes the accounts and tokens."""
        await self._db.write(_fill)

    async def rpc(self, body: bytes | str | object, address: str = "127.0.0.1") -> Any:
        """The envelope that JSON-RPC answers. A body that is not text is sent as JSON."""
        context: Any = Caller(address)
        answer = await self._servicer.CallJsonRpc(HttpBody(data=_bytes(body)), context)
        return json.loads(answer.data)

    async def rest(self, token: str, body: bytes | str | object, address: str = "127.0.0.1") -> Refusal | Refusals:
        """What the REST upload is refused by."""
        context: Any = Caller(address, token)
        try:
            await self._guard(UPLOAD, context)
            async with self._meter(UPLOAD):
                await self._servicer.UploadCallsJson(HttpBody(data=_bytes(body)), context)
        except (Refusal, Refusals) as refused:
            return refused
        raise AssertionError("the upload was taken")

    async def _identify(self, sha256: bytes, acting_for: AccountId | None) -> Identity:
        if sha256 == token_sha256("bug"):
            raise LookupError("secret inside")
        return await self._db.read(identify, sha256, acting_for, NOON)


def a_request(method: str = "upload.calls", token: str = "good", **params: Any) -> dict[str, Any]:
    """A good envelope round the params."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"access_token": token, **params}}


def _fill(connection: Connection) -> None:
    good = _account(connection, "good")
    assert _account(connection, "deaf", has_voice_analysis=False) == DEAF
    few = OperatorChange(day_limit=UPLOAD_POINTS - 1)
    gone = OperatorChange(is_active=False, has_call_upload=False)
    networks = AccountChange(allowed_networks=("10.0.0.0/8",))
    update_account(connection, _account(connection, "elsewhere"), networks)
    nowhere = _account(connection, "nowhere")
    update_account(connection, nowhere, networks)
    set_account(connection, nowhere, gone)
    set_account(connection, _account(connection, "disabled"), gone)
    set_account(connection, _account(connection, "closed"), replace(few, has_call_upload=False))
    set_account(connection, _account(connection, "spent"), few)
    _token(connection, good, "agent", NewToken(role=Role.AGENT, agent_account_ids=(DEAF,)))
    _token(connection, good, "reader", NewToken(role=Role.READ))
    _token(connection, good, "expired", NewToken(role=Role.ADMIN, expire_time=NOON))
    block_token(connection, good, _token(connection, good, "blocked", NewToken(role=Role.ADMIN)))
    connection.execute(text(f"INSERT INTO campaigns VALUES ({good}, {INACTIVE_CAMPAIGN}, 'autumn', FALSE)"))


def _account(connection: Connection, token: str, **fields: Any) -> AccountId:
    return create_account(connection, a_new_account(**fields), token_sha256(token), None, NOON).account_id


def _token(connection: Connection, account_id: AccountId, text: str, new: NewToken) -> int:
    return add_token(connection, account_id, token_sha256(text), new, NOON).token_id


def _bytes(body: bytes | str | object) -> bytes:
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode()
