"""`calldock doctor`: looks at an installation, running or not, or at one recording's link, and says what to do about what is wrong."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from yarl import URL

from services.cli.connect import DEFAULT_DATA_DIR, CommandFailed
from services.cli.finding import Finding, are_well, as_json, as_text
from services.cli.options import DataDir, Json

if TYPE_CHECKING:
    from services.cli.doctor_looks import Installation


def look(
    link: Annotated[
        str | None, typer.Argument(metavar="[URL]", help="Look at this recording's link, and at nothing else.")
    ] = None,
    format_: Annotated[
        Literal["wav", "mp3"] | None,
        typer.Option("--format", help="What the link's file has to be; by the ending of its name when not given."),
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json_output: Json = False,
) -> None:
    """Looks at settings, database, storage, Envoy, clock, permissions, egress and disk, whether calldock runs or not. Exit code 1 when something is wrong.

    Run it as the user and with the environment that calldock runs with. It never prints a secret.
    """
    from services.cli.doctor_looks import look_at_settings
    from services.shared.logs import set_up_logs

    set_up_logs("doctor")
    form = _form(link, format_) if link is not None else ""
    installation, findings = look_at_settings(data_dir, os.environ)
    if installation is not None:
        if link is None:
            findings += asyncio.run(_look_around(installation, data_dir))
        else:
            from services.cli.doctor_link import look_at_link
            from services.cli.doctor_looks import DOWNLOAD_SETTING

            findings += asyncio.run(look_at_link(link, form, installation.media, DOWNLOAD_SETTING))
    secrets = installation.secrets if installation is not None else set()
    print(as_json(findings, secrets) if json_output else as_text(findings, secrets))
    raise typer.Exit(0 if are_well(findings) else 1)


async def _look_around(installation: "Installation", data_dir: Path) -> list[Finding]:
    from services.cli import doctor_looks, doctor_stores

    return [
        *doctor_looks.look_at_egress(installation),
        *doctor_looks.look_at_folder(data_dir, os.environ),
        doctor_looks.look_at_disk(data_dir, installation.media.media_download_bytes),
        await doctor_stores.look_at_storage(installation.media),
        *await doctor_stores.look_at_database(installation),
        *await doctor_stores.look_at_services(data_dir),
    ]


def _form(link: str, given: str | None) -> str:
    """What the link's file has to be. Raises BadParameter for what is no link, and where nothing says."""
    from services.cli.check import format_of

    try:
        url = URL(link)
    except ValueError as error:
        raise typer.BadParameter("not a link") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise typer.BadParameter("a link begins with http:// or https:// and names a host")
    try:
        return format_of(link, given)
    except CommandFailed as error:
        raise typer.BadParameter(str(error)) from error
