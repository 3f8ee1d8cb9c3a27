"""`calldock tags`, `employees`, `sites`, `campaigns`, `sources`: what calls may name, by a token of the account."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from calldock.intake.v1.directory_pb2 import Campaign, Employee, Site, Source, Tag
from calldock.intake.v1.directory_service_pb2 import (
    CreateCampaignRequest,
    CreateEmployeeRequest,
    CreateSiteRequest,
    CreateSourceRequest,
    CreateTagRequest,
    ListCampaignsRequest,
    ListEmployeesRequest,
    ListSitesRequest,
    ListSourcesRequest,
    ListTagsRequest,
    UpdateCampaignRequest,
    UpdateEmployeeRequest,
    UpdateSiteRequest,
    UpdateSourceRequest,
    UpdateTagRequest,
)
from calldock.intake.v1.directory_service_pb2_grpc import DirectoryServiceStub
from google.protobuf.field_mask_pb2 import FieldMask
from rich.table import Table

from services.cli.connect import DEADLINE_S, Door, as_dict
from services.cli.terminal_text import cell, json_of, wide_console

Entry: TypeAlias = Tag | Employee | Site | Campaign | Source

PAGE = 1000


def print_tags(door: Door, *, as_json: bool) -> None:
    """Prints the account's tags."""
    stub = DirectoryServiceStub(door.channel)
    tags = _all(door, stub.ListTags, ListTagsRequest, "tags")
    _print(tags, ("tag", "name", "kind"), lambda tag: (str(tag.tag_id), tag.name, "system" if tag.is_system else ""), as_json=as_json)  # fmt: skip


def create_tag(door: Door, name: str, *, as_json: bool) -> None:
    """Creates a tag and prints it."""
    _told(_asked(door, DirectoryServiceStub(door.channel).CreateTag, CreateTagRequest(tag=Tag(name=name))), as_json)


def rename_tag(door: Door, tag_id: int, name: str, *, as_json: bool) -> None:
    """Renames a tag and prints it."""
    request = UpdateTagRequest(tag=Tag(tag_id=tag_id, name=name))
    _told(_asked(door, DirectoryServiceStub(door.channel).UpdateTag, request), as_json)


def print_employees(door: Door, *, as_json: bool) -> None:
    """Prints the account's employees."""
    stub = DirectoryServiceStub(door.channel)
    employees = _all(door, stub.ListEmployees, ListEmployeesRequest, "employees")
    _print(employees, ("employee", "full name"), lambda one: (str(one.employee_id), one.full_name), as_json=as_json)


def create_employee(door: Door, full_name: str, *, as_json: bool) -> None:
    """Creates an employee and prints them."""
    request = CreateEmployeeRequest(employee=Employee(full_name=full_name))
    _told(_asked(door, DirectoryServiceStub(door.channel).CreateEmployee, request), as_json)


def rename_employee(door: Door, employee_id: int, full_name: str, *, as_json: bool) -> None:
    """Renames an employee and prints them."""
    request = UpdateEmployeeRequest(employee=Employee(employee_id=employee_id, full_name=full_name))
    _told(_asked(door, DirectoryServiceStub(door.channel).UpdateEmployee, request), as_json)


def print_sites(door: Door, *, as_json: bool) -> None:
    """Prints the account's sites with their telephone numbers."""
    stub = DirectoryServiceStub(door.channel)
    sites = _all(door, stub.ListSites, ListSitesRequest, "sites")
    _print(sites, ("site", "name", "telephone numbers"), lambda site: (str(site.site_id), site.name, ", ".join(site.phone_numbers)), as_json=as_json)  # fmt: skip


def create_site(door: Door, name: str, site_id: int, numbers: Sequence[str], *, as_json: bool) -> None:
    """Creates a site and prints it; with 0, calldock chooses its number."""
    request = CreateSiteRequest(site=Site(site_id=site_id, name=name, phone_numbers=numbers))
    _told(_asked(door, DirectoryServiceStub(door.channel).CreateSite, request), as_json)


def update_site(door: Door, site_id: int, name: str | None, numbers: Sequence[str] | None, *, as_json: bool) -> None:
    """Changes what is given of a site and prints it."""
    paths = [*(["name"] if name is not None else []), *(["phone_numbers"] if numbers is not None else [])]
    site = Site(site_id=site_id, name=name or "", phone_numbers=numbers or ())
    request = UpdateSiteRequest(site=site, update_mask=FieldMask(paths=paths))
    _told(_asked(door, DirectoryServiceStub(door.channel).UpdateSite, request), as_json)


def print_campaigns(door: Door, *, as_json: bool) -> None:
    """Prints the account's campaigns."""
    stub = DirectoryServiceStub(door.channel)
    campaigns = _all(door, stub.ListCampaigns, ListCampaignsRequest, "campaigns")
    _print(campaigns, ("campaign", "name", "state"), lambda one: (str(one.campaign_id), one.name, "active" if one.is_active else "inactive"), as_json=as_json)  # fmt: skip


def create_campaign(door: Door, name: str, campaign_id: int, *, as_json: bool) -> None:
    """Creates a campaign and prints it; with 0, calldock chooses its number."""
    request = CreateCampaignRequest(campaign=Campaign(campaign_id=campaign_id, name=name))
    _told(_asked(door, DirectoryServiceStub(door.channel).CreateCampaign, request), as_json)


def update_campaign(door: Door, campaign_id: int, name: str | None, is_active: bool | None, *, as_json: bool) -> None:
    """Changes what is given of a campaign and prints it."""
    campaign = Campaign(campaign_id=campaign_id, name=name or "", is_active=is_active)
    _told(_asked(door, DirectoryServiceStub(door.channel).UpdateCampaign, UpdateCampaignRequest(campaign=campaign)), as_json)  # fmt: skip


def print_sources(door: Door, *, as_json: bool) -> None:
    """Prints the account's sources."""
    stub = DirectoryServiceStub(door.channel)
    sources = _all(door, stub.ListSources, ListSourcesRequest, "sources")
    _print(sources, ("source", "name"), lambda source: (str(source.source_id), source.name), as_json=as_json)


def create_source(door: Door, name: str, source_id: int, *, as_json: bool) -> None:
    """Creates a source and prints it; with 0, calldock chooses its number."""
    request = CreateSourceRequest(source=Source(source_id=source_id, name=name))
    _told(_asked(door, DirectoryServiceStub(door.channel).CreateSource, request), as_json)


def rename_source(door: Door, source_id: int, name: str, *, as_json: bool) -> None:
    """Renames a source and prints it."""
    request = UpdateSourceRequest(source=Source(source_id=source_id, name=name))
    _told(_asked(door, DirectoryServiceStub(door.channel).UpdateSource, request), as_json)


def _asked(door: Door, method: Callable[..., Any], request: Any) -> Any:
    return method(request, timeout=DEADLINE_S, metadata=door.metadata)


def _all(door: Door, method: Callable[..., Any], request: Callable[..., Any], name: str) -> Iterator[Any]:
    """Every entry of a list, page by page."""
    token = ""
    while True:
        page = _asked(door, method, request(page_size=PAGE, page_token=token))
        yield from getattr(page, name)
        token = page.next_page_token
        if not token:
            return


def _print(
    entries: Iterator[Any], columns: Sequence[str], row: Callable[[Any], tuple[str, ...]], *, as_json: bool
) -> None:
    table = Table(*columns)
    for entry in entries:
        if as_json:
            print(json_of(entry))
        else:
            table.add_row(*map(cell, row(entry)))
    if not as_json:
        wide_console().print(table)


def _told(entry: Entry, as_json: bool) -> None:
    if as_json:
        print(json_of(entry))
        return
    facts = Table(show_header=False, box=None)
    for name, value in as_dict(entry).items():
        facts.add_row(name, cell(", ".join(value) if isinstance(value, list) else str(value)))
    wide_console().print(facts)
