"""intake's gRPC edge: messages in, domain values through, messages out."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from calldock.intake.internal.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    identity_service_pb2,
    identity_service_pb2_grpc,
    one_time_link_service_pb2,
    one_time_link_service_pb2_grpc,
    points_service_pb2,
    points_service_pb2_grpc,
    recording_index_service_pb2,
    recording_index_service_pb2_grpc,
)
from calldock.intake.v1 import (
    account_pb2,
    account_service_pb2,
    account_service_pb2_grpc,
    call_pb2,
    call_service_pb2,
    call_service_pb2_grpc,
)
from calldock.media.internal.v1 import processing_service_pb2
from calldock.media.v1 import audio_pb2

from services.intake.account import check_new_account
from services.intake.account_messages import (
    account_message,
    host_message,
    read_change,
    read_credential,
    read_new_agent_token,
    read_new_token,
    read_operator_change,
    token_message,
)
from services.intake.accounts import Accounts
from services.intake.call_order import read_order
from services.intake.changing import Changes
from services.intake.draft import RecordingFormat
from services.intake.erasing import Erasing
from services.intake.handing_over import HandingOver
from services.intake.hosts import RecordingHosts
from services.intake.messages import (
    TypedCalls,
    call_message,
    call_row_message,
    change_message,
    name_as_typed,
    overview_message,
    read_filter,
    read_priority,
    violations_response,
)
from services.intake.peers import audio_rules, credential_message
from services.intake.quota import Quota
from services.intake.readback import Readback
from services.intake.signing_in import OneTimeLinks
from services.intake.upload import Uploads
from services.intake.watching import Watching, cursor_of
from services.shared.errors import Mnemonic, Refusal, Refusals
from services.shared.identity import AccountId
from services.shared.paging import Page, fitting
from services.shared.rpc.identity import client_address, current_identity
from services.shared.rpc.status import Context, Guard
from services.shared.rpc.values import read_moment, timestamp, value_of, word_of

_WATCH = "/calldock.intake.v1.CallService/WatchCalls"


class CallServicer(call_service_pb2_grpc.CallServiceServicer):
    """CallService."""

    def __init__(
        self,
        uploads: Uploads,
        readback: Readback,
        changes: Changes,
        erasing: Erasing,
        watching: Watching,
        admit: Guard,
    ) -> None:
        """`admit` is asked again while a stream goes on."""
        self._uploads = uploads
        self._changes = changes
        self._erasing = erasing
        self._readback = readback
        self._watching = watching
        self._admit = admit

    async def UploadCalls(  # type: ignore[override] # the edge takes an answer as it travels too
        self, request: call_service_pb2.UploadCallsRequest, context: Context
    ) -> call_service_pb2.UploadCallsResponse | bytes:
        identity = current_identity()
        sent = TypedCalls(request.SerializeToString(), len(request.calls))
        priority = read_priority(request.priority)
        try:
            if request.validate_only:
                refusals = await self._uploads.validate(identity, sent)
                return violations_response(name_as_typed(Refusals(refusals), request).refusals if refusals else ())
            return await self._uploads.upload(identity, sent, priority=priority)
        except (Refusal, Refusals) as refused:
            raise name_as_typed(refused, request) from refused

    async def GetCall(self, request: call_service_pb2.GetCallRequest, context: Context) -> call_pb2.Call:
        return call_message(await self._readback.get(current_identity().account_id, request.call_session_id))

    async def LookupCall(self, request: call_service_pb2.LookupCallRequest, context: Context) -> call_pb2.Call:
        return call_message(await self._readback.lookup(current_identity().account_id, request.ext_id))

    async def ListCalls(
        self, request: call_service_pb2.ListCallsRequest, context: Context
    ) -> call_service_pb2.ListCallsResponse:
        account_id = current_identity().account_id
        page = await self._readback.page(
            account_id, read_filter(request), read_order(request.order_by), request.page_size, request.page_token
        )
        messages = [call_row_message(call) for call in page.calls]
        tokens = {message.call_session_id: token for message, token in zip(messages, page.tokens, strict=True)}
        shown = fitting(Page(messages, page.next_page_token), lambda call: tokens[call.call_session_id])
        return call_service_pb2.ListCallsResponse(
            calls=shown.items,
            next_page_token=shown.next_page_token,
            watch_cursor="" if request.page_token else cursor_of(account_id, page.last_change),
        )

    async def GetOverview(
        self, request: call_service_pb2.GetOverviewRequest, context: Context
    ) -> call_service_pb2.Overview:
        begin, end = (read_moment(getattr(request, name), name) for name in ("start_time_from", "start_time_before"))
        return overview_message(await self._readback.overview(current_identity().account_id, begin, end))

    async def WatchCalls(
        self, request: call_service_pb2.WatchCallsRequest, context: Context
    ) -> AsyncIterator[call_service_pb2.WatchCallsResponse]:
        async def admit() -> None:
            await self._admit(_WATCH, context)

        async with aclosing(self._watching.watch(current_identity().account_id, request.cursor, admit)) as watched:
            async for told in watched:
                yield change_message(told.cursor, told.change)

    async def CancelCall(self, request: call_service_pb2.CancelCallRequest, context: Context) -> call_pb2.Call:
        return call_message(await self._changes.cancel(current_identity().account_id, request.call_session_id))

    async def ReprocessCall(self, request: call_service_pb2.ReprocessCallRequest, context: Context) -> call_pb2.Call:
        return call_message(await self._changes.reprocess(current_identity().account_id, request.call_session_id))

    async def DeleteCall(
        self, request: call_service_pb2.DeleteCallRequest, context: Context
    ) -> call_service_pb2.DeleteCallResponse:
        await self._erasing.delete(current_identity().account_id, request.call_session_id)
        return call_service_pb2.DeleteCallResponse()

    async def DeleteCalls(
        self, request: call_service_pb2.DeleteCallsRequest, context: Context
    ) -> call_service_pb2.DeleteCallsResponse:
        account_id = current_identity().account_id
        wanted = read_filter(request)
        if request.validate_only:
            return call_service_pb2.DeleteCallsResponse(matching_count=await self._erasing.count(account_id, wanted))
        expected = request.expected_count if request.HasField("expected_count") else None
        erased = await self._erasing.delete_matching(account_id, wanted, expected)
        return call_service_pb2.DeleteCallsResponse(matching_count=erased.matching, deleted_count=erased.deleted)


class AdminServicer(admin_service_pb2_grpc.AdminServiceServicer):
    """AdminService."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def CreateAccount(
        self, request: admin_service_pb2.CreateAccountRequest, context: Context
    ) -> admin_service_pb2.CreateAccountResponse:
        has_voice_analysis = request.has_voice_analysis if request.HasField("has_voice_analysis") else None
        new = check_new_account(request.name, request.time_zone, request.region, has_voice_analysis)
        account, token, secret = await self._accounts.create(new, request.request_id or None)
        return admin_service_pb2.CreateAccountResponse(
            account=account_message(account), access_token=token, webhook_secret=secret
        )

    async def ListAccounts(
        self, request: admin_service_pb2.ListAccountsRequest, context: Context
    ) -> admin_service_pb2.ListAccountsResponse:
        return admin_service_pb2.ListAccountsResponse(accounts=map(account_message, await self._accounts.list_all()))

    async def SetAccount(self, request: admin_service_pb2.SetAccountRequest, context: Context) -> account_pb2.Account:
        return account_message(await self._accounts.set(AccountId(request.account_id), read_operator_change(request)))

    async def CreateAgentToken(
        self, request: admin_service_pb2.CreateAgentTokenRequest, context: Context
    ) -> admin_service_pb2.CreateAgentTokenResponse:
        token, text = await self._accounts.create_agent_token(
            AccountId(request.account_id), read_new_agent_token(request)
        )
        return admin_service_pb2.CreateAgentTokenResponse(token=token_message(token), access_token=text)


class AccountServicer(account_service_pb2_grpc.AccountServiceServicer):
    """AccountService."""

    def __init__(self, accounts: Accounts, hosts: RecordingHosts) -> None:
        self._accounts = accounts
        self._hosts = hosts

    async def GetAccount(self, request: account_service_pb2.GetAccountRequest, context: Context) -> account_pb2.Account:
        return account_message(await self._accounts.get(current_identity().account_id))

    async def UpdateAccount(
        self, request: account_service_pb2.UpdateAccountRequest, context: Context
    ) -> account_pb2.Account:
        change = read_change(request)
        return account_message(
            await self._accounts.update(current_identity().account_id, change, client_address(context))
        )

    async def SetRecordingHost(
        self, request: account_service_pb2.SetRecordingHostRequest, context: Context
    ) -> account_service_pb2.RecordingHost:
        header = read_credential(request)
        return host_message(await self._hosts.set(current_identity().account_id, request.host, header))

    async def ListRecordingHosts(
        self, request: account_service_pb2.ListRecordingHostsRequest, context: Context
    ) -> account_service_pb2.ListRecordingHostsResponse:
        hosts = await self._hosts.list_all(current_identity().account_id)
        return account_service_pb2.ListRecordingHostsResponse(recording_hosts=map(host_message, hosts))

    async def RemoveRecordingHost(
        self, request: account_service_pb2.RemoveRecordingHostRequest, context: Context
    ) -> account_service_pb2.RemoveRecordingHostResponse:
        await self._hosts.remove(current_identity().account_id, request.host)
        return account_service_pb2.RemoveRecordingHostResponse()

    async def CreateToken(
        self, request: account_service_pb2.CreateTokenRequest, context: Context
    ) -> account_service_pb2.CreateTokenResponse:
        token, text = await self._accounts.create_token(current_identity().account_id, read_new_token(request))
        return account_service_pb2.CreateTokenResponse(token=token_message(token), access_token=text)

    async def ListTokens(
        self, request: account_service_pb2.ListTokensRequest, context: Context
    ) -> account_service_pb2.ListTokensResponse:
        tokens = await self._accounts.list_tokens(current_identity().account_id)
        return account_service_pb2.ListTokensResponse(tokens=map(token_message, tokens))

    async def BlockToken(
        self, request: account_service_pb2.BlockTokenRequest, context: Context
    ) -> account_service_pb2.Token:
        return token_message(await self._accounts.block_token(current_identity(), request.token_id))


class IdentityServicer(identity_service_pb2_grpc.IdentityServiceServicer):
    """IdentityService."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def Authenticate(
        self, request: identity_service_pb2.AuthenticateRequest, context: Context
    ) -> identity_service_pb2.AuthenticateResponse:
        acting_for = AccountId(request.acting_for) if request.acting_for else None
        identity = await self._accounts.authenticate(request.token_sha256, acting_for)
        if not identity.is_active:
            raise Refusal(Mnemonic.ACCOUNT_INACTIVE)
        return identity_service_pb2.AuthenticateResponse(
            account_id=identity.account_id,
            role=value_of(account_pb2.Role, identity.role),
            allowed_networks=identity.allowed_networks,
            has_limits=identity.has_limits,
        )


class OneTimeLinkServicer(one_time_link_service_pb2_grpc.OneTimeLinkServiceServicer):
    """OneTimeLinkService."""

    def __init__(self, links: OneTimeLinks) -> None:
        self._links = links

    async def TakeLink(
        self, request: one_time_link_service_pb2.TakeLinkRequest, context: Context
    ) -> one_time_link_service_pb2.TakeLinkResponse:
        expire_time = read_moment(request.expire_time, "expire_time")
        is_first = await self._links.take(
            request.link_id, AccountId(request.account_id), expire_time, request.request_id
        )
        return one_time_link_service_pb2.TakeLinkResponse(is_first=is_first)


class PointsServicer(points_service_pb2_grpc.PointsServiceServicer):
    """PointsService."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota

    async def SpendPoints(
        self, request: points_service_pb2.SpendPointsRequest, context: Context
    ) -> points_service_pb2.SpendPointsResponse:
        taken = await self._quota.spend(AccountId(request.account_id), request.points)
        return points_service_pb2.SpendPointsResponse(
            spend_time=None if taken.left is None else timestamp(taken.spend_time)
        )

    async def RefundPoints(
        self, request: points_service_pb2.RefundPointsRequest, context: Context
    ) -> points_service_pb2.RefundPointsResponse:
        spend_time = read_moment(request.spend_time, "spend_time")
        await self._quota.give_back(AccountId(request.account_id), request.points, spend_time)
        return points_service_pb2.RefundPointsResponse()


class RecordingIndexServicer(recording_index_service_pb2_grpc.RecordingIndexServiceServicer):
    """RecordingIndexService."""

    def __init__(
        self, readback: Readback, accounts: Accounts, handing_over: HandingOver, hosts: RecordingHosts
    ) -> None:
        self._readback = readback
        self._accounts = accounts
        self._handing_over = handing_over
        self._hosts = hosts

    async def GetAudioObject(
        self, request: recording_index_service_pb2.GetAudioObjectRequest, context: Context
    ) -> recording_index_service_pb2.AudioObject:
        key = await self._readback.audio_key(AccountId(request.account_id), request.recording_id)
        return recording_index_service_pb2.AudioObject(key=key)

    async def GetSourceObject(
        self, request: recording_index_service_pb2.GetSourceObjectRequest, context: Context
    ) -> recording_index_service_pb2.SourceObject:
        key, kind = await self._readback.source_object(AccountId(request.account_id), request.recording_id)
        return recording_index_service_pb2.SourceObject(key=key, format=value_of(audio_pb2.RecordingFormat, kind))

    async def RegisterUpload(
        self, request: recording_index_service_pb2.RegisterUploadRequest, context: Context
    ) -> recording_index_service_pb2.RegisteredUpload:
        kind = RecordingFormat(word_of(audio_pb2.RecordingFormat, request.format))
        file = await self._handing_over.register(
            AccountId(request.account_id), kind, request.size_bytes, request.sha256, request.sha512
        )
        return recording_index_service_pb2.RegisteredUpload(
            upload_id=file.upload_id, key=file.key, expire_time=timestamp(file.expire_time)
        )

    async def DropUpload(
        self, request: recording_index_service_pb2.DropUploadRequest, context: Context
    ) -> recording_index_service_pb2.DropUploadResponse:
        await self._handing_over.drop(AccountId(request.account_id), request.upload_id)
        return recording_index_service_pb2.DropUploadResponse()

    async def GetHostCredential(
        self, request: recording_index_service_pb2.GetHostCredentialRequest, context: Context
    ) -> recording_index_service_pb2.GetHostCredentialResponse:
        found = await self._hosts.credential_for(AccountId(request.account_id), request.url)
        return recording_index_service_pb2.GetHostCredentialResponse(
            credential=None if found is None else credential_message(found)
        )

    async def GetAudioRules(
        self, request: recording_index_service_pb2.GetAudioRulesRequest, context: Context
    ) -> processing_service_pb2.AudioRules:
        account = await self._accounts.get(AccountId(request.account_id))
        return audio_rules(account.audio)
