"""An account's day over gRPC, with calldock's own stubs.

    .venv/bin/python examples/grpc_day.py 127.0.0.1:8080 TOKEN

It brings the account's directory along, checks a batch before it sends it, uploads it, follows the calls to their end, pages through the lost ones, judges a
call anew, and makes a token that may only read.
"""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import grpc
from calldock.intake.v1.account_pb2 import ROLE_READ
from calldock.intake.v1.account_service_pb2 import CreateTokenRequest, GetAccountRequest
from calldock.intake.v1.account_service_pb2_grpc import AccountServiceStub
from calldock.intake.v1.call_pb2 import CALL_STATUS_IN_PROCESS, CALL_STATUS_NEW, Call, CallDraft, CallTag
from calldock.intake.v1.call_service_pb2 import (
    ListCallsRequest,
    LookupCallRequest,
    ReprocessCallRequest,
    UploadCallsRequest,
)
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub
from calldock.intake.v1.directory_pb2 import Campaign, Site
from calldock.intake.v1.directory_service_pb2 import BatchCreateCampaignsRequest, BatchCreateSitesRequest
from calldock.intake.v1.directory_service_pb2_grpc import DirectoryServiceStub

CALLS = 7
MORNING = datetime(2026, 11, 2, 9, tzinfo=UTC)
DEADLINE_S = 30


class Day:
    """One account's services behind one channel."""

    def __init__(self, channel: grpc.Channel, token: str) -> None:
        self.accounts = AccountServiceStub(channel)
        self.calls = CallServiceStub(channel)
        self.directory = DirectoryServiceStub(channel)
        self.metadata = (("authorization", f"Bearer {token}"),)

    def upload(self, drafts: list[CallDraft], *, validate_only: bool = False) -> list[str]:
        """What became of each call; with `validate_only`, what is wrong."""
        request = UploadCallsRequest(calls=drafts, validate_only=validate_only)
        answer = self.calls.UploadCalls(request, timeout=DEADLINE_S, metadata=self.metadata)
        if validate_only:
            return [f"{each.reason} at {each.field}" for each in answer.violations]
        return [f"{each.ext_id} {each.outcome}" for each in answer.calls]

    def listed(self, request: ListCallsRequest) -> Iterator[Call]:
        """All calls of a list, page by page."""
        while True:
            page = self.calls.ListCalls(request, timeout=DEADLINE_S, metadata=self.metadata)
            yield from page.calls
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def wait_for_all(self) -> None:
        """Returns when no call of the account is waiting or in process."""
        unfinished = [CALL_STATUS_NEW, CALL_STATUS_IN_PROCESS]
        while any(self.listed(ListCallsRequest(statuses=unfinished, page_size=1))):
            time.sleep(0.2)


def a_draft(number: int) -> CallDraft:
    """A call of the morning; every third was lost."""
    draft = CallDraft(
        ext_id=f"day-{number}",
        calling_phone_number=f"+7926244439{number}",
        called_phone_number="+74955140576",
        is_lost=number % 3 == 0,
        site_id=101,
        campaign_id=201,
        tags=[CallTag(tag_name="morning")],
    )
    start = MORNING + timedelta(minutes=10 * number)
    draft.start_time.FromDatetime(start)
    draft.finish_time.FromDatetime(start + timedelta(seconds=90))
    return draft


def main(target: str, token: str) -> None:
    """Lives the day, and prints what it did."""
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        day = Day(channel, token)
        account = day.accounts.GetAccount(GetAccountRequest(), timeout=DEADLINE_S, metadata=day.metadata)
        print(f"connected to account {account.account_id}, {account.name}, in {account.time_zone}")

        sites = BatchCreateSitesRequest(sites=[Site(site_id=101, name="shop", phone_numbers=["+74955140576"])])
        campaigns = BatchCreateCampaignsRequest(campaigns=[Campaign(campaign_id=201, name="autumn")])
        for _ in range(2):
            day.directory.BatchCreateSites(sites, timeout=DEADLINE_S, metadata=day.metadata)
            day.directory.BatchCreateCampaigns(campaigns, timeout=DEADLINE_S, metadata=day.metadata)
        print("brought one site and one campaign along, twice")

        drafts = [a_draft(number) for number in range(CALLS)]
        wrong = CallDraft(ext_id="wrong", calling_phone_number="12", called_phone_number="+74955140576", is_lost=False)
        for told in day.upload([*drafts, wrong], validate_only=True):
            print(f"would be refused: {told}")
        print(f"uploaded {len(day.upload(drafts))} calls")
        day.wait_for_all()

        lost = [call.ext_id for call in day.listed(ListCallsRequest(is_lost=True, page_size=2))]
        print(f"lost, newest first: {', '.join(lost)}")
        first = day.calls.LookupCall(LookupCallRequest(ext_id="day-1"), timeout=DEADLINE_S, metadata=day.metadata)
        again = ReprocessCallRequest(call_session_id=first.call_session_id)
        judged = day.calls.ReprocessCall(again, timeout=DEADLINE_S, metadata=day.metadata)
        print(f"{judged.ext_id} came from site {judged.site_id}, campaign {judged.campaign_id}; judged anew")

        reader = CreateTokenRequest(role=ROLE_READ, name="report")
        made = day.accounts.CreateToken(reader, timeout=DEADLINE_S, metadata=day.metadata)
        try:
            Day(channel, made.access_token).upload(drafts)
        except grpc.RpcError as refused:
            print(f"the reading token may not upload: {refused.code().name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
