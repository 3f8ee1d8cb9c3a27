"""The methods of the JSON-RPC door (docs/contract.md 8): who calls, what is asked, what is answered."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from services.intake.account import CALL_UPLOAD
from services.intake.call_rules import MAX_ID, MAX_NAME
from services.intake.directory import DirectoryEntries
from services.intake.directory_entry import TAG, Tag
from services.intake.filters import ListFields, ListQuery, last_of_second, read_moment, read_query
from services.intake.json_drafts import JsonCalls, Spelling, whole
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
from services.intake.points import METHOD_POINTS, UPLOAD_POINTS
from services.intake.quota import Quota
from services.intake.store.accounts import get_account
from services.intake.store.lists import query_calls, query_employees, query_tags
from services.intake.store.sales import NewSale, add_sale
from services.intake.upload import Uploads
from services.shared.db.database import Database
from services.shared.errors import Mnemonic, Refusal
from services.shared.identity import AccountId, Authenticate, Identity, Role, token_sha256
from services.shared.quota import spending

Result: TypeAlias = Mapping[str, Any]
"""Members of `result`; `metadata.limits` is added to it."""
_Run: TypeAlias = Callable[[Identity, Mapping[str, Any], str], Awaitable[Result]]

_ALWAYS_KNOWN = frozenset({TOKEN, "user_id"})
_LIST = frozenset({"limit", "offset", "filter", "sort", "fields"})
MAX_SALE_COMMENT = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class _Method:
    """A method, and what it takes: a role, members of params, points, and of some the account's component."""

    run: _Run
    role: Role
    params: frozenset[str] = frozenset()
    points: int = METHOD_POINTS
    component: str | None = None


class JsonRpcMethods:
    """Runs a request that has a good envelope."""

    def __init__(
        self,
        db: Database,
        uploads: Uploads,
        entries: DirectoryEntries,
        quota: Quota,
        authenticate: Authenticate,
    ) -> None:
        self._db = db
        self._uploads = uploads
        self._entries = entries
        self._quota = quota
        self._authenticate = authenticate
        sale = {"communication_id", "communication_type", "date_time", "transaction_value", "comment"}
        self._methods: Mapping[str, _Method] = {
            "upload.calls": _Method(
                run=self._upload_calls,
                role=Role.UPLOAD,
                params=frozenset({"calls"}),
                points=UPLOAD_POINTS,
                component=CALL_UPLOAD,
            ),
            "get.uploaded_calls": _Method(
                run=self._get_uploaded_calls, role=Role.READ, params=_LIST | {"date_from", "date_till", "report_id"}
            ),
            "get.tags": _Method(run=self._get_tags, role=Role.READ, params=_LIST),
            "create.tags": _Method(run=self._create_tags, role=Role.UPLOAD, params=frozenset({"name"})),
            "set.tag_sales": _Method(run=self._set_tag_sales, role=Role.UPLOAD, params=frozenset(sale)),
            "get.employees": _Method(run=self._get_employees, role=Role.READ, params=_LIST),
            "get.account": _Method(run=self._get_account, role=Role.READ),
        }

    async def run(self, request: RpcRequest, address: str) -> Result:
        """The result of a request, checked in the contract's order: method, token, user_id, address, account, component of the method, points, members of params, then the method's own.

        Raises Refusal or Refusals.
        """
        method = self._methods.get(request.method)
        if method is None:
            raise Refusal(Mnemonic.METHOD_NOT_FOUND)
        identity = await self._identify(request.params)
        identity.admit(address)
        identity.require(method.role)
        if method.component is not None:
            identity.require_component(method.component)
        async with spending(self._quota, identity, method.points) as taken:
            refuse_unknown(request.params, _ALWAYS_KNOWN | method.params)
            result = await method.run(identity, request.params, id_text(request.id))
        limits = asdict(taken.left) if taken and taken.left else {}
        return {**result, "metadata": {**result.get("metadata", {}), "limits": limits}}

    async def _identify(self, params: Mapping[str, Any]) -> Identity:
        try:
            sha256 = token_sha256(token_of(params))
            identity = await self._authenticate(sha256, None)
        except Refusal as refusal:
            raise Refusal(refusal.mnemonic, path=(TOKEN,), why=refusal.why) from refusal
        came = params.get("user_id")
        if came is None:
            return identity
        user_id = whole(came)
        if user_id is None:
            raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=("user_id",), value=came)
        if not 1 <= user_id <= MAX_ID:
            raise Refusal(Mnemonic.FORBIDDEN, path=("user_id",), value=came)
        try:
            return await self._authenticate(sha256, AccountId(user_id))
        except Refusal as refusal:
            raise Refusal(refusal.mnemonic, path=("user_id",), value=came, why=refusal.why) from refusal

    async def _upload_calls(self, identity: Identity, params: Mapping[str, Any], request_id: str) -> Result:
        calls = params.get("calls")
        if calls is not None and not isinstance(calls, list):
            raise Refusal(Mnemonic.DATA_TYPE_ERROR, path=("calls",), value=calls)
        self._uploads.check_count(len(calls or ()))
        self._uploads.check_room(identity.account_id, len(calls or ()))
        sent = JsonCalls(calls or (), Spelling.JSON_RPC)
        # The public contract knows links alone.
        await self._uploads.upload(identity, sent, ext_request_id=request_id, takes_handed_over=False)
        return {"data": {"success": True}}

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
        return {"data": [told]}

    async def _query(self, identity: Identity, params: Mapping[str, Any], fields: ListFields) -> ListQuery:
        account = await self._db.read(get_account, identity.account_id)
        return read_query(params, fields, account.clock.zone)


def _listed(total: int, rows: Sequence[Mapping[str, object]], query: ListQuery) -> Result:
    return {"data": chosen(rows, query.fields), "metadata": {"total_items": total}}


def _made(number: int) -> Result:
    # The public documents say `id`, its clients read `data`.
    return {"id": number, "data": {"id": number}}
