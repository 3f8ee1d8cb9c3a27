"""The words and options of `calldock tags`, `employees`, `sites`, `campaigns` and `sources`."""

from collections.abc import Mapping
from typing import Annotated

import typer

from services.cli import directory
from services.cli.connect import DEFAULT_DATA_DIR, front_door
from services.cli.options import DataDir, Json, Token, Url

tags_app = typer.Typer(help="Labels of an account's calls.", no_args_is_help=True)
employees_app = typer.Typer(help="An account's people.", no_args_is_help=True)
sites_app = typer.Typer(help="An account's web sites and their telephone numbers.", no_args_is_help=True)
campaigns_app = typer.Typer(help="An account's advertising campaigns.", no_args_is_help=True)
sources_app = typer.Typer(help="Where an account's visitors come from.", no_args_is_help=True)

DIRECTORY: Mapping[str, typer.Typer] = {
    "tags": tags_app,
    "employees": employees_app,
    "sites": sites_app,
    "campaigns": campaigns_app,
    "sources": sources_app,
}

Name = Annotated[str, typer.Argument(help="The name, unique in the account.")]
Number = Annotated[int, typer.Argument(min=1, help="Number of the entry, as `list` shows it.")]
OwnNumber = Annotated[
    int, typer.Option("--id", min=0, help="The number that calls name it by; chosen by calldock when not given.")
]
NewName = Annotated[str | None, typer.Option("--name", help="A new name.")]
PhoneNumbers = Annotated[list[str] | None, typer.Option("--number", help="A telephone number; repeatable.")]


@tags_app.command("list")
def list_tags(
    data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, token: Token = None, json_output: Json = False
) -> None:
    """Lists the account's tags."""
    directory.print_tags(front_door(data_dir, url, token), as_json=json_output)


@tags_app.command("create")
def create_tag(
    name: Name, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, token: Token = None, json_output: Json = False
) -> None:
    """Creates a tag."""
    directory.create_tag(front_door(data_dir, url, token), name, as_json=json_output)


@tags_app.command("rename")
def rename_tag(
    tag_id: Number,
    name: Name,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    json_output: Json = False,
) -> None:
    """Renames a tag."""
    directory.rename_tag(front_door(data_dir, url, token), tag_id, name, as_json=json_output)


@employees_app.command("list")
def list_employees(
    data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, token: Token = None, json_output: Json = False
) -> None:
    """Lists the account's employees."""
    directory.print_employees(front_door(data_dir, url, token), as_json=json_output)


@employees_app.command("create")
def create_employee(
    name: Name, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, token: Token = None, json_output: Json = False
) -> None:
    """Creates an employee."""
    directory.create_employee(front_door(data_dir, url, token), name, as_json=json_output)


@employees_app.command("rename")
def rename_employee(
    employee_id: Number,
    name: Name,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    json_output: Json = False,
) -> None:
    """Renames an employee."""
    directory.rename_employee(front_door(data_dir, url, token), employee_id, name, as_json=json_output)


@sites_app.command("list")
def list_sites(
    data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, token: Token = None, json_output: Json = False
) -> None:
    """Lists the account's sites with their telephone numbers."""
    directory.print_sites(front_door(data_dir, url, token), as_json=json_output)


@sites_app.command("create")
def create_site(
    name: Name,
    site_id: OwnNumber = 0,
    numbers: PhoneNumbers = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    json_output: Json = False,
) -> None:
    """Creates a site."""
    directory.create_site(front_door(data_dir, url, token), name, site_id, numbers or (), as_json=json_output)


@sites_app.command("update")
def update_site(
    site_id: Number,
    name: NewName = None,
    numbers: PhoneNumbers = None,
    no_numbers: Annotated[bool, typer.Option("--no-numbers", help="Take all its telephone numbers away.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    json_output: Json = False,
) -> None:
    """Changes a site; telephone numbers that are given take the place of those that it has."""
    if name is None and numbers is None and not no_numbers:
        raise typer.BadParameter("say what to change: --name, --number or --no-numbers")
    if numbers and no_numbers:
        raise typer.BadParameter("--number and --no-numbers exclude each other")
    given = [] if no_numbers else numbers
    directory.update_site(front_door(data_dir, url, token), site_id, name, given, as_json=json_output)


@campaigns_app.command("list")
def list_campaigns(
    data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, token: Token = None, json_output: Json = False
) -> None:
    """Lists the account's campaigns."""
    directory.print_campaigns(front_door(data_dir, url, token), as_json=json_output)


@campaigns_app.command("create")
def create_campaign(
    name: Name,
    campaign_id: OwnNumber = 0,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    json_output: Json = False,
) -> None:
    """Creates a campaign, active."""
    directory.create_campaign(front_door(data_dir, url, token), name, campaign_id, as_json=json_output)


@campaigns_app.command("update")
def update_campaign(
    campaign_id: Number,
    name: NewName = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Whether calls may name it.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    json_output: Json = False,
) -> None:
    """Changes a campaign."""
    if name is None and active is None:
        raise typer.BadParameter("say what to change: --name, --active or --inactive")
    directory.update_campaign(front_door(data_dir, url, token), campaign_id, name, active, as_json=json_output)


@sources_app.command("list")
def list_sources(
    data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, token: Token = None, json_output: Json = False
) -> None:
    """Lists the account's sources."""
    directory.print_sources(front_door(data_dir, url, token), as_json=json_output)


@sources_app.command("create")
def create_source(
    name: Name,
    source_id: OwnNumber = 0,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    json_output: Json = False,
) -> None:
    """Creates a source."""
    directory.create_source(front_door(data_dir, url, token), name, source_id, as_json=json_output)


@sources_app.command("rename")
def rename_source(
    source_id: Number,
    name: Name,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    json_output: Json = False,
) -> None:
    """Renames a source."""
    directory.rename_source(front_door(data_dir, url, token), source_id, name, as_json=json_output)
