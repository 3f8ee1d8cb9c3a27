"""intake's gRPC edge for the directory: four methods for each kind of entry, which differ in nothing but the kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from calldock.intake.v1 import directory_pb2, directory_service_pb2, directory_service_pb2_grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from services.intake import directory_messages as messages
from services.intake.directory import DirectoryEntries
from services.intake.directory_entry import (
    CAMPAIGN,
    EMPLOYEE,
    SITE,
    SOURCE,
    TAG,
    VISITOR_SESSION,
    Entry,
    EntryKind,
)
from services.shared.paging import Page, fitting, page_token_below
from services.shared.rpc.identity import current_identity
from services.shared.rpc.status import Context
from services.shared.rpc.values import named_fields

E = TypeVar("E", bound=Entry)
M = TypeVar("M", bound=Message)


class _ListRequest(Protocol):
    """What all requests for a page have."""

    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True)
class _Door(Generic[E, M]):
    """One kind of entry as messages."""

    entries: DirectoryEntries
    kind: EntryKind[E]
    read: Callable[[M], E]
    told: Callable[[E], M]

    async def page(self, request: _ListRequest) -> Page[M]:
        found = await self.entries.page(self.kind, current_identity().account_id, request.page_size, request.page_token)
        shown = Page([self.told(entry) for entry in found.items], found.next_page_token)
        return fitting(shown, lambda message: page_token_below(self.kind.noun, getattr(message, self.kind.id_name)))

    async def create(self, message: M) -> M:
        account_id, path = current_identity().account_id, (self.kind.noun,)
        return self.told(await self.entries.create(self.kind, account_id, self.read(message), path))

    async def create_all(self, came: Sequence[M]) -> list[M]:
        account_id, path = current_identity().account_id, (f"{self.kind.noun}s",)
        made = await self.entries.create_all(self.kind, account_id, [self.read(message) for message in came], path)
        return [self.told(entry) for entry in made]

    async def update(self, message: M, mask: FieldMask) -> M:
        names = named_fields(message, mask, self.kind.changeable)
        account_id = current_identity().account_id
        return self.told(await self.entries.update(self.kind, account_id, self.read(message), names))


class DirectoryServicer(directory_service_pb2_grpc.DirectoryServiceServicer):
    """DirectoryService."""

    def __init__(self, entries: DirectoryEntries) -> None:
        self._tags = _Door(entries, TAG, messages.read_tag, messages.tag_message)
        self._employees = _Door(entries, EMPLOYEE, messages.read_employee, messages.employee_message)
        self._sites = _Door(entries, SITE, messages.read_site, messages.site_message)
        self._campaigns = _Door(entries, CAMPAIGN, messages.read_campaign, messages.campaign_message)
        self._sources = _Door(entries, SOURCE, messages.read_source, messages.source_message)
        self._visitor_sessions = _Door(entries, VISITOR_SESSION, messages.read_session, messages.session_message)

    async def ListTags(
        self, request: directory_service_pb2.ListTagsRequest, context: Context
    ) -> directory_service_pb2.ListTagsResponse:
        page = await self._tags.page(request)
        return directory_service_pb2.ListTagsResponse(tags=page.items, next_page_token=page.next_page_token)

    async def CreateTag(self, request: directory_service_pb2.CreateTagRequest, context: Context) -> directory_pb2.Tag:
        return await self._tags.create(request.tag)

    async def BatchCreateTags(
        self, request: directory_service_pb2.BatchCreateTagsRequest, context: Context
    ) -> directory_service_pb2.BatchCreateTagsResponse:
        made = await self._tags.create_all(request.tags)
        return directory_service_pb2.BatchCreateTagsResponse(tags=made)

    async def UpdateTag(self, request: directory_service_pb2.UpdateTagRequest, context: Context) -> directory_pb2.Tag:
        return await self._tags.update(request.tag, request.update_mask)

    async def ListEmployees(
        self, request: directory_service_pb2.ListEmployeesRequest, context: Context
    ) -> directory_service_pb2.ListEmployeesResponse:
        page = await self._employees.page(request)
        return directory_service_pb2.ListEmployeesResponse(employees=page.items, next_page_token=page.next_page_token)

    async def CreateEmployee(
        self, request: directory_service_pb2.CreateEmployeeRequest, context: Context
    ) -> directory_pb2.Employee:
        return await self._employees.create(request.employee)

    async def BatchCreateEmployees(
        self, request: directory_service_pb2.BatchCreateEmployeesRequest, context: Context
    ) -> directory_service_pb2.BatchCreateEmployeesResponse:
        made = await self._employees.create_all(request.employees)
        return directory_service_pb2.BatchCreateEmployeesResponse(employees=made)

    async def UpdateEmployee(
        self, request: directory_service_pb2.UpdateEmployeeRequest, context: Context
    ) -> directory_pb2.Employee:
        return await self._employees.update(request.employee, request.update_mask)

    async def ListSites(
        self, request: directory_service_pb2.ListSitesRequest, context: Context
    ) -> directory_service_pb2.ListSitesResponse:
        page = await self._sites.page(request)
        return directory_service_pb2.ListSitesResponse(sites=page.items, next_page_token=page.next_page_token)

    async def CreateSite(
        self, request: directory_service_pb2.CreateSiteRequest, context: Context
    ) -> directory_pb2.Site:
        return await self._sites.create(request.site)

    async def BatchCreateSites(
        self, request: directory_service_pb2.BatchCreateSitesRequest, context: Context
    ) -> directory_service_pb2.BatchCreateSitesResponse:
        made = await self._sites.create_all(request.sites)
        return directory_service_pb2.BatchCreateSitesResponse(sites=made)

    async def UpdateSite(
        self, request: directory_service_pb2.UpdateSiteRequest, context: Context
    ) -> directory_pb2.Site:
        return await self._sites.update(request.site, request.update_mask)

    async def ListCampaigns(
        self, request: directory_service_pb2.ListCampaignsRequest, context: Context
    ) -> directory_service_pb2.ListCampaignsResponse:
        page = await self._campaigns.page(request)
        return directory_service_pb2.ListCampaignsResponse(campaigns=page.items, next_page_token=page.next_page_token)

    async def CreateCampaign(
        self, request: directory_service_pb2.CreateCampaignRequest, context: Context
    ) -> directory_pb2.Campaign:
        return await self._campaigns.create(request.campaign)

    async def BatchCreateCampaigns(
        self, request: directory_service_pb2.BatchCreateCampaignsRequest, context: Context
    ) -> directory_service_pb2.BatchCreateCampaignsResponse:
        made = await self._campaigns.create_all(request.campaigns)
        return directory_service_pb2.BatchCreateCampaignsResponse(campaigns=made)

    async def UpdateCampaign(
        self, request: directory_service_pb2.UpdateCampaignRequest, context: Context
    ) -> directory_pb2.Campaign:
        return await self._campaigns.update(request.campaign, request.update_mask)

    async def ListSources(
        self, request: directory_service_pb2.ListSourcesRequest, context: Context
    ) -> directory_service_pb2.ListSourcesResponse:
        page = await self._sources.page(request)
        return directory_service_pb2.ListSourcesResponse(sources=page.items, next_page_token=page.next_page_token)

    async def CreateSource(
        self, request: directory_service_pb2.CreateSourceRequest, context: Context
    ) -> directory_pb2.Source:
        return await self._sources.create(request.source)

    async def BatchCreateSources(
        self, request: directory_service_pb2.BatchCreateSourcesRequest, context: Context
    ) -> directory_service_pb2.BatchCreateSourcesResponse:
        made = await self._sources.create_all(request.sources)
        return directory_service_pb2.BatchCreateSourcesResponse(sources=made)

    async def UpdateSource(
        self, request: directory_service_pb2.UpdateSourceRequest, context: Context
    ) -> directory_pb2.Source:
        return await self._sources.update(request.source, request.update_mask)

    async def ListVisitorSessions(
        self, request: directory_service_pb2.ListVisitorSessionsRequest, context: Context
    ) -> directory_service_pb2.ListVisitorSessionsResponse:
        page = await self._visitor_sessions.page(request)
        return directory_service_pb2.ListVisitorSessionsResponse(
            visitor_sessions=page.items, next_page_token=page.next_page_token
        )

    async def CreateVisitorSession(
        self, request: directory_service_pb2.CreateVisitorSessionRequest, context: Context
    ) -> directory_pb2.VisitorSession:
        return await self._visitor_sessions.create(request.visitor_session)

    async def BatchCreateVisitorSessions(
        self, request: directory_service_pb2.BatchCreateVisitorSessionsRequest, context: Context
    ) -> directory_service_pb2.BatchCreateVisitorSessionsResponse:
        made = await self._visitor_sessions.create_all(request.visitor_sessions)
        return directory_service_pb2.BatchCreateVisitorSessionsResponse(visitor_sessions=made)

    async def UpdateVisitorSession(
        self, request: directory_service_pb2.UpdateVisitorSessionRequest, context: Context
    ) -> directory_pb2.VisitorSession:
        return await self._visitor_sessions.update(request.visitor_session, request.update_mask)
