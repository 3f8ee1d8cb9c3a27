"""The methods of the JSON-RPC door (docs/contract.md 8): who calls, what is asked, what is answered."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from services.intake.json_drafts import Spelling, read_call
from services.intake.jsonrpc import TOKEN, RpcRequest, id_text, refuse_unknown, token_of
from services.intake.upload import Uploads
from services.shared.errors import Mnemonic, Refusal
from services.shared.identity import Authenticate, Identity, Role, token_sha256

Result: TypeAlias = Mapping[str, object]
_Method: TypeAlias = Callable[[Identity, RpcRequest], Awaitable[Result]]

_ALWAYS_KNOWN = frozenset({TOKEN, "user_id"})


class JsonRpcMethods:
    """Runs a request that has a good envelope."""

    def __init__(self, uploads: Uploads, authenticate: Authenticate) -> None:
        self._uploads = uploads
        self._authenticate = authenticate
        self._methods: Mapping[str, _Method] = {"upload.calls": self._upload_calls}

    async def run(self, request: RpcRequest) -> Result:
        """The result of a request, checked in the contract's order: method, token, user_id, account, members of params, then the method's own. Raises Refusal or Refusals."""
        method = self._methods.get(request.method)
        if method is None:
            raise Refusal(Mnemonic.METHOD_NOT_FOUND)
        identity = await self._identify(request.params)
        return await method(identity, request)

    async def _identify(self, params: Mapping[str, Any]) -> Identity:
        try:
            identity = await self._authenticate(token_sha256(token_of(params)))
        except Refusal as refusal:
            path = () if refusal.mnemonic is Mnemonic.ACCOUNT_INACTIVE else (TOKEN,)
            raise Refusal(refusal.mnemonic, path=path, why=refusal.why) from refusal
        user_id = params.get("user_id")
        if user_id is None:
            return identity
        if isinstance(user_id, bool) or not isinstance(user_id, int | float) or user_id != int(user_id):
            raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=("user_id",), value=user_id)
        if user_id != identity.account_id:
            raise Refusal(Mnemonic.FORBIDDEN, path=("user_id",), value=user_id)
        return identity

    async def _upload_calls(self, identity: Identity, request: RpcRequest) -> Result:
        identity.require(Role.UPLOAD)
        refuse_unknown(request.params, _ALWAYS_KNOWN | {"calls"})
        calls = request.params.get("calls")
        if calls is not None and not isinstance(calls, list):
            raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=("calls",), value=calls)
        self._uploads.check_count(len(calls or ()))
        drafts = [read_call(call, index, Spelling.JSON_RPC) for index, call in enumerate(calls or ())]
        await self._uploads.upload(identity, drafts, ext_request_id=id_text(request.id))
        return {"data": {"success": True}, "metadata": {}}
