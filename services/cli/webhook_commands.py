"""The words and options of `calldock notifications`, `secrets` and `headers`."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer
from calldock.notify.v1.webhook_service_pb2 import CustomHeader

from services.cli import notifications, webhooks
from services.cli.connect import DEFAULT_DATA_DIR, front_door
from services.cli.moments import moment_of, span_of
from services.cli.notifications import EventWord, StatusWord
from services.cli.options import DataDir, Json, Token, Url
from services.cli.webhooks import SchemeWord
from services.shared.clock import SystemClock

notifications_app = typer.Typer(help="What receivers were told, and what they answered.", no_args_is_help=True)
secrets_app = typer.Typer(help="What an account's notifications are signed with.", no_args_is_help=True)
headers_app = typer.Typer(help="What an account's notifications carry beside.", no_args_is_help=True)

WEBHOOKS: Mapping[str, typer.Typer] = {
    "notifications": notifications_app,
    "secrets": secrets_app,
    "headers": headers_app,
}


def _moment(text: str) -> datetime:
    try:
        return moment_of(text, SystemClock().now())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _span(text: str, option: str) -> timedelta:
    try:
        return span_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _header(text: str) -> CustomHeader:
    try:
        return webhooks.header_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Receiver = Annotated[
    str | None, typer.Option("--receiver", metavar="HOST", help="Only those for this host, as `receivers` shows it.")
]


@notifications_app.command("list")
def list_notifications(
    status: Annotated[StatusWord | None, typer.Option(help="Only those that stand there.")] = None,
    event: Annotated[EventWord | None, typer.Option(help="Only those that tell of it.")] = None,
    call: Annotated[int | None, typer.Option("--call", min=1, help="Only those of this call_session_id.")] = None,
    receiver: Receiver = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=_moment,
            metavar="WHEN",
            help="Only events from then on: an ISO 8601 moment (UTC without a zone), or back from now: 30m, 2h, 3d.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Notifications to show at most.")] = 50,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    json_output: Json = False,
) -> None:
    """Lists the account's notifications, newest first."""
    notifications.print_list(
        front_door(data_dir, url, token),
        limit,
        status=status,
        event=event,
        call_session_id=call,
        receiver=receiver,
        since=since,
        as_json=json_output,
    )


@notifications_app.command("show")
def show_notification(
    notification: Annotated[UUID, typer.Argument(help="Id of the notification, as `list` shows it.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    json_output: Json = False,
) -> None:
    """Shows a notification with its body, its attempts, and what was answered."""
    notifications.print_notification(front_door(data_dir, url, token), str(notification), as_json=json_output)


@notifications_app.command("redeliver")
def redeliver(
    ids: Annotated[list[UUID] | None, typer.Argument(metavar="ID", help="Ids of notifications.")] = None,
    buried_since: Annotated[
        datetime | None,
        typer.Option(parser=_moment, metavar="WHEN", help="All that were buried then or later, such as 2h or 3d."),
    ] = None,
    receiver: Receiver = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    json_output: Json = False,
) -> None:
    """Sends notifications once more, at once and with the whole schedule before them. Safe to repeat."""
    if (not ids) == (buried_since is None):
        raise typer.BadParameter("say which: ids of notifications, or --buried-since")
    if receiver is not None and buried_since is None:
        raise typer.BadParameter("--receiver goes with --buried-since")
    door = front_door(data_dir, url, token)
    if buried_since is not None:
        notifications.redeliver_buried(door, buried_since, receiver, as_json=json_output)
    elif not notifications.redeliver(door, [str(each) for each in ids or ()], as_json=json_output):
        raise typer.Exit(1)


@notifications_app.command("test")
def send_test(
    link: Annotated[str, typer.Argument(metavar="LINK", help="Where to post, http or https.")],
    event: Annotated[EventWord, typer.Option(help="What it tells.")] = EventWord.PROCESSED,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    json_output: Json = False,
) -> None:
    """Posts a signed notification that tells of no call to a link, once; exit code 0 only when it was delivered."""
    is_delivered = notifications.send_test(front_door(data_dir, url, token), link, event, as_json=json_output)
    raise typer.Exit(0 if is_delivered else 1)


@notifications_app.command("receivers")
def list_receivers(
    data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, token: Token = None, json_output: Json = False
) -> None:
    """Lists the hosts that the account's notifications go to, those that fail first."""
    notifications.print_receivers(front_door(data_dir, url, token), as_json=json_output)


@secrets_app.command("list")
def list_secrets(
    data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, token: Token = None, json_output: Json = False
) -> None:
    """Lists the signing secrets that are in use, newest first, without their text."""
    webhooks.print_secrets(front_door(data_dir, url, token), as_json=json_output)


@secrets_app.command("rotate")
def rotate_secret(
    scheme: Annotated[SchemeWord, typer.Option(help="How the new one signs.")] = SchemeWord.HMAC_SHA256,
    overlap: Annotated[
        str,
        typer.Option(metavar="SPAN", help="How long the others go on signing, at most 30d; 0 ends them at once."),
    ] = "24h",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    json_output: Json = False,
) -> None:
    """Makes a signing secret, shown this once, and lets the others run out."""
    lasting = _span(overlap, "--overlap")
    webhooks.rotate_secret(front_door(data_dir, url, token), scheme, lasting, as_json=json_output)


@headers_app.command("list")
def list_headers(
    data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, token: Token = None, json_output: Json = False
) -> None:
    """Lists the names of the headers and the hosts that get them; values are shown to receivers alone."""
    webhooks.print_headers(front_door(data_dir, url, token), as_json=json_output)


@headers_app.command("set")
def set_headers(
    headers: Annotated[
        list[CustomHeader],
        typer.Argument(
            parser=_header,
            metavar="NAME=VALUE",
            help="A header; NAME=@FILE reads its value from a file, so that it stands in no shell history.",
        ),
    ],
    hosts: Annotated[
        list[str] | None,
        typer.Option(
            "--host",
            metavar="HOST",
            help="A host that gets them, as `receivers` shows it, over plain http too; once for each. All get them over https when none is named.",
        ),
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    json_output: Json = False,
) -> None:
    """Sets the headers that the account's notifications carry, in place of those that were set."""
    webhooks.set_headers(front_door(data_dir, url, token), headers, hosts or (), as_json=json_output)


@headers_app.command("delete")
def delete_headers(
    data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, token: Token = None, json_output: Json = False
) -> None:
    """Takes all of the account's headers away."""
    webhooks.delete_headers(front_door(data_dir, url, token), as_json=json_output)
