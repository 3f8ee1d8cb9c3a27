"""The methods of the JSON-RPC door (docs/contract.md 8): who calls, what is asked, what is answered."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from services.intake.call_rules import MAX_NAME
from services.intake.directory import DirectoryEntries
from services.intake.directory_entry import TAG, Tag
from services.intake.filters import ListFields, ListQuery, last_of_second, read_moment, read_query
from services.intake.json_drafts import Spelling, read_call, whole
from services.intake.jsonrpc import (
    TOKEN,
    RpcRequest,
    id_text,
    read_number,
    read_text,
    refuse_unknown,
    token_of,
)
from services.intake.jsonrpc_rows import call_row, chosen, employee_row
from services.intake.lists import EMPLOYEES, TAGS, UPLOADED_CALLS
from services.intake.store.accounts import get_account
from services.intake.store.lists import query_calls, query_employees, query_tags
from services.intake.store.sales import NewSale, add_sale
from services.intake.upload import Uploads
from services.shared.clock import Clock
from services.shared.db.engine import SqliteDatabase
from services.shared.errors import Mnemonic, Refusal
from services.shared.identity import Authenticate, Identity, Role, token_sha256

Result: TypeAlias = Mapping[str, object]
_Method: TypeAlias = Callable[[Identity, Mapping[str, Any], str], Awaitable[Result]]

_ALWAYS_KNOWN = frozenset({TOKEN, "user_id"})
_LIST = frozenset({"limit", "offset", "filter", "sort", "fields"})
_NO_LIMITS: Mapping[str, object] = {"limits": {}}
MAX_SALE_COMMENT = 255


class JsonRpcMethods:
    """Runs a request that has a good envelope."""

    def __init__(
        self,
        db: SqliteDatabase,
        clock: Clock,
        uploads: Uploads,
        entries: DirectoryEntries,
        authenticate: Authenticate,
    ) -> None:
        self._db = db
        self._clock = clock
        self._uploads = uploads
        self._entries = entries
        self._authenticate = authenticate
        self._methods: Mapping[str, tuple[_Method, Role, frozenset[str]]] = {
            "upload.calls": (self._upload_calls, Role.UPLOAD, frozenset({"calls"})),
            "get.uploaded_calls": (
                self._get_uploaded_calls,
                Role.READ,
                _LIST | {"date_from", "date_till", "report_id"},
            ),
            "get.tags": (self._get_tags, Role.READ, _LIST),
            "create.tags": (self._create_tags, Role.UPLOAD, frozenset({"name"})),
            "set.tag_sales": (
                self._set_tag_sales,
                Role.UPLOAD,
                frozenset({"communication_id", "communication_type", "date_time", "transaction_value", "comment"}),
            ),
            "get.employees": (self._get_employees, Role.READ, _LIST),
            "get.account": (self._get_account, Role.READ, frozenset()),
        }

    async def run(self, request: RpcRequest, address: str) -> Result:
        """The result of a request, checked in the contract's order: method, token, user_id, address, account, members of params, then the method's own. Raises Refusal or Refusals."""
        found = self._methods.get(request.method)
        if found is None:
            raise Refusal(Mnemonic.METHOD_NOT_FOUND)
        method, role, known = found
        identity = await self._identify(request.params)
        identity.admit(address)
        identity.require(role)
        refuse_unknown(request.params, _ALWAYS_KNOWN | known)
        return await method(identity, request.params, id_text(request.id))

    async def _identify(self, params: Mapping[str, Any]) -> Identity:
        try:
            identity = await self._authenticate(token_sha256(token_of(params)))
        except Refusal as refusal:
            raise Refusal(refusal.mnemonic, path=(TOKEN,), why=refusal.why) from refusal
        user_id = params.get("user_id")
        if user_id is None:
            return identity
        if whole(user_id) is None:
            raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=("user_id",), value=user_id)
        if user_id != identity.account_id:
            raise Refusal(Mnemonic.FORBIDDEN, path=("user_id",), value=user_id)
        return identity

    async def _upload_calls(self, identity: Identity, params: Mapping[str, Any], request_id: str) -> Result:
        calls = params.get("calls")
        if calls is not None and not isinstance(calls, list):
            raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=("calls",), value=calls)
        self._uploads.check_count(len(calls or ()))
        drafts = [read_call(call, index, Spelling.JSON_RPC) for index, call in enumerate(calls or ())]
        await self._uploads.upload(identity, drafts, ext_request_id=request_id)
        return {"data": {"success": True}, "metadata": _NO_LIMITS}

    async def _get_uploaded_calls(self, identity: Identity, params: Mapping[str, Any], _request_id: str) -> Result:
        zone = (await self._db.read(get_account, identity.account_id)).clock.zone
        since, till = read_moment(params, "date_from", zone), read_moment(params, "date_till", zone)
        if till < since:
            raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("date_till",), why="the end lies before date_from")
        query = read_query(params, UPLOADED_CALLS, zone)
        total, calls = await self._db.read(query_calls, identity.account_id, query, since, last_of_second(till))
        return _listed(total, [call_row(call, zone) for call in calls], query)

    async def _get_tags(self, identity: Identity, params: Mapping[str, Any], _request_id: str) -> Result:
        query = await self._query(identity, params, TAGS)
        total, rows = await self._db.read(query_tags, identity.account_id, query)
        return _listed(total, rows, query)

    async def _get_employees(self, identity: Identity, params: Mapping[str, Any], _request_id: str) -> Result:
        query = await self._query(identity, params, EMPLOYEES)
        total, rows = await self._db.read(query_employees, identity.account_id, query)
        return _listed(total, [employee_row(row) for row in rows], query)

    async def _create_tags(self, identity: Identity, params: Mapping[str, Any], _request_id: str) -> Result:
        name = read_text(params, "name", MAX_NAME)
        tag = await self._entries.create(TAG, identity.account_id, Tag(name=name), ())
        return _made(tag.tag_id)

    async def _set_tag_sales(self, identity: Identity, params: Mapping[str, Any], _request_id: str) -> Result:
        zone = (await self._db.read(get_account, identity.account_id)).clock.zone
        number = read_number(params, "communication_id", is_whole=True)
        kind = read_text(params, "communication_type", MAX_NAME)
        if kind in ("chat", "goal", "offline_message"):
            raise Refusal(Mnemonic.ENTITY_NOT_FOUND, path=("communication_id",), value=number)
        if kind != "call":
            raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("communication_type",), value=kind)
        sale = NewSale(
            call_session_id=int(number),
            sale_time=read_moment(params, "date_time", zone),
            transaction_value=read_number(params, "transaction_value"),
            comment=read_text(params, "comment", MAX_SALE_COMMENT, default=""),
        )
        return _made(await self._db.write(add_sale, identity.account_id, sale))

    async def _get_account(self, identity: Identity, _params: Mapping[str, Any], _request_id: str) -> Result:
        account = await self._db.read(get_account, identity.account_id)
        told = {"app_id": account.account_id, "name": account.name, "timezone": account.time_zone}
        return {"data": [told], "metadata": _NO_LIMITS}

    async def _query(self, identity: Identity, params: Mapping[str, Any], fields: ListFields) -> ListQuery:
        account = await self._db.read(get_account, identity.account_id)
        return read_query(params, fields, account.clock.zone)


def _listed(total: int, rows: Sequence[Mapping[str, object]], query: ListQuery) -> Result:
    return {"data": chosen(rows, query.fields), "metadata": {"total_items": total, **_NO_LIMITS}}


def _made(number: int) -> Result:
    # The public documents say `id`, its clients read `data`.
    return {"id": number, "data": {"id": number}, "metadata": _NO_LIMITS}
