"""The command line's words and options. Exit codes: 0 done, 1 refused or failed, 2 wrong usage. `check` keeps 1 for its verdict: 2 is whatever kept it from one."""

import asyncio
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import grpc
import typer
from rich.console import Console

from services.cli import accounts, calls, tokens
from services.cli.backup import back_up, restore
from services.cli.call_files import Report, report_path
from services.cli.connect import DEFAULT_DATA_DIR, CommandFailed, WrongUsage, explain, front_door, internal_channel
from services.cli.deleting import delete_calls
from services.cli.directory_commands import DIRECTORY
from services.cli.doctor import look
from services.cli.export_command import export_calls
from services.cli.instance import CannotStart, InstanceRunning, KeyMissing
from services.cli.listing import list_calls
from services.cli.local_files import file_of_calls
from services.cli.migrate import migrate_databases
from services.cli.options import DataDir, Json, Token, Url
from services.cli.process_certificates import make_certificates
from services.cli.retention_commands import retention_app
from services.cli.settings_command import show_settings
from services.cli.tokens import TokenRole
from services.cli.upload import print_tally, upload_file
from services.cli.webhook_commands import WEBHOOKS


class RecordingKind(StrEnum):
    """What a recording has to be."""

    WAV = "wav"
    MP3 = "mp3"


app = typer.Typer(
    help="calldock takes phone calls in.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
accounts_app = typer.Typer(help="The customers of this installation.", no_args_is_help=True)
calls_app = typer.Typer(help="An account's calls.", no_args_is_help=True)
tokens_app = typer.Typer(help="An account's access tokens.", no_args_is_help=True)
app.add_typer(accounts_app, name="accounts")
app.add_typer(tokens_app, name="tokens")
app.add_typer(calls_app, name="calls")
app.command("migrate")(migrate_databases)
app.command("backup")(back_up)
app.command("restore")(restore)
app.command("doctor")(look)
app.command("settings")(show_settings)
app.command("certificates")(make_certificates)
calls_app.command("list")(list_calls)
calls_app.command("export")(export_calls)
calls_app.command("delete")(delete_calls)
app.add_typer(retention_app, name="retention")
for _name, _commands in (*DIRECTORY.items(), *WEBHOOKS.items()):
    app.add_typer(_commands, name=_name)


def _say_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"calldock {version('calldock')}")
        raise typer.Exit


@app.callback()
def take_options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which release this is.")
    ] = False,
) -> None:
    """calldock takes phone calls in."""


@app.command()
def up(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    listen: Annotated[
        str, typer.Option("--listen", envvar="CALLDOCK_LISTEN", help="Address and port of the front door.")
    ] = "127.0.0.1:8080",
    expose_services: Annotated[
        bool,
        typer.Option("--expose-services", help="Open each service on a port of its own too, after the front door's."),
    ] = False,
    json_output: Json = False,
) -> None:
    """Starts calldock here, and runs it until it is interrupted."""
    # Loaded here: other commands should not wait for what only this one needs.
    from services.cli.up import run_up
    from services.shared.logs import set_up_logs

    set_up_logs("up")
    asyncio.run(run_up(data_dir, listen, expose_services=expose_services, as_json=json_output))


@app.command()
def upload(
    file: Annotated[
        Path,
        typer.Argument(exists=True, help="File of calls: .json, .jsonl or .csv; or a folder of recordings with one."),
    ],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Where refused calls go; beside the file by default.")
    ] = None,
    backfill: Annotated[
        bool, typer.Option("--backfill", help="Calls of the past: after the calls of the day.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every call and store nothing.")] = False,
    json_output: Json = False,
) -> None:
    """Uploads a file of calls. Safe to repeat; refused calls go into a report that can be mended and uploaded.

    A record_url that is no link is a file in the folder of the file of calls, and is handed over.
    """
    calls, recordings = file_of_calls(file)
    refused = Report(report or report_path(calls), calls)
    tally = upload_file(
        front_door(data_dir, url, token),
        calls,
        recordings,
        refused,
        is_backfill=backfill,
        dry_run=dry_run,
        console=Console(stderr=True),
    )
    print_tally(tally, refused, dry_run=dry_run, as_json=json_output)
    raise typer.Exit(1 if tally.refused else 0)


@app.command()
def check(
    recording: Annotated[str, typer.Argument(help="A file, or a link that calldock is to fetch.")],
    format_: Annotated[
        RecordingKind | None,
        typer.Option("--format", help="What it has to be; by the ending of its name when not given."),
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    json_output: Json = False,
) -> None:
    """Would this recording be accepted? Nothing is stored. A file needs no running calldock; exit code 1 when it would be refused, 2 when nobody could say."""
    from services.cli.check import check_file, check_link, format_of

    try:
        form = format_of(recording, format_.value if format_ else None)
        if recording.startswith(("http://", "https://")):
            is_accepted = check_link(front_door(data_dir, url, token), recording, form, as_json=json_output)
        else:
            path = Path(recording)
            if not path.is_file():
                raise typer.BadParameter(f"there is no file {recording}")
            is_accepted = check_file(path, form, as_json=json_output)
    except (CommandFailed, grpc.RpcError) as error:
        # Who goes by the exit code shall not take a calldock that is away for a recording that is refused.
        typer.echo(_why(error), err=True)
        raise typer.Exit(2) from error
    raise typer.Exit(0 if is_accepted else 1)


@app.command("open")
def open_client_area(data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, token: Token = None) -> None:
    """Prints a link into the client area. It signs a browser in once, within five minutes."""
    from services.cli.open import sign_in_link

    print(sign_in_link(data_dir, url, token))


@app.command()
def demo(
    json_output: Json = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Then take in a day of calls, print a link to them, and stay until Ctrl-C.")
    ] = False,
    calls: Annotated[int, typer.Option(min=1, max=10_000, help="How many calls that day has.")] = 200,
) -> None:
    """Plays the whole story on real speech in a temporary folder; exit 0 only if every step was seen."""
    from services.cli.demo.story import run_demo

    raise typer.Exit(0 if run_demo(as_json=json_output, keep=calls if keep else 0) else 1)


@accounts_app.command("create")
def create_account(
    name: Annotated[str, typer.Argument(help="What people call the account.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    time_zone: Annotated[str, typer.Option(help="IANA zone of its wall times.")] = "Europe/Moscow",
    region: Annotated[str, typer.Option(help="ISO 3166 region of its national numbers.")] = "RU",
    voice_analysis: Annotated[
        bool, typer.Option("--voice-analysis/--no-voice-analysis", help="Whether wav_records are taken.")
    ] = True,
    json_output: Json = False,
) -> None:
    """Makes an account with an access token and a webhook secret, shown this once."""
    with internal_channel(data_dir, "intake") as channel:
        accounts.create(channel, name, time_zone, region, voice_analysis, as_json=json_output)


@accounts_app.command("list")
def list_accounts(data_dir: DataDir = DEFAULT_DATA_DIR, json_output: Json = False) -> None:
    """Lists all accounts."""
    with internal_channel(data_dir, "intake") as channel:
        accounts.print_list(channel, as_json=json_output)


@accounts_app.command("update")
def update_account(
    account_id: Annotated[int, typer.Argument(min=1)],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    voice_analysis: Annotated[
        bool | None, typer.Option("--voice-analysis/--no-voice-analysis", help="Whether wav_records are taken.")
    ] = None,
    call_upload: Annotated[
        bool | None, typer.Option("--call-upload/--no-call-upload", help="Whether it may upload calls.")
    ] = None,
    active: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether its tokens work; within 5 seconds.")
    ] = None,
    minute_limit: Annotated[
        int | None, typer.Option(min=0, help="Points it may spend in a minute; 0 takes the limit away.")
    ] = None,
    day_limit: Annotated[
        int | None, typer.Option(min=0, help="Points it may spend in a day; 0 takes the limit away.")
    ] = None,
) -> None:
    """Changes what the operator decides about an account. An upload costs 5 points, the check of a recording 5, any other request 1."""
    with internal_channel(data_dir, "intake") as channel:
        accounts.change(
            channel,
            account_id,
            is_active=active,
            has_voice_analysis=voice_analysis,
            has_call_upload=call_upload,
            minute_limit=minute_limit,
            day_limit=day_limit,
        )


@accounts_app.command("disable")
def disable_account(account_id: Annotated[int, typer.Argument(min=1)], data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Stops an account: none of its tokens works, within 5 seconds."""
    with internal_channel(data_dir, "intake") as channel:
        accounts.change(channel, account_id, is_active=False)


@tokens_app.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="What people call the token.")] = "",
    role: Annotated[TokenRole, typer.Option(help="What it may do.")] = TokenRole.UPLOAD,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    json_output: Json = False,
) -> None:
    """Makes an access token, shown this once."""
    tokens.create(front_door(data_dir, url, token), name, role.value, as_json=json_output)


@tokens_app.command("create-agent")
def create_agent_token(
    account: Annotated[int, typer.Option("--account", min=1, help="The agent's own account.")],
    acts_for: Annotated[list[int], typer.Option("--for", min=1, help="An account for which it acts; repeatable.")],
    name: Annotated[str, typer.Argument(help="What people call the token.")] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json_output: Json = False,
) -> None:
    """Makes an agent's token, which acts for several accounts; shown this once. For the operator."""
    with internal_channel(data_dir, "intake") as channel:
        tokens.create_agent(channel, account, acts_for, name, as_json=json_output)


@tokens_app.command("list")
def list_tokens(
    data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, token: Token = None, json_output: Json = False
) -> None:
    """Lists the account's tokens."""
    tokens.print_list(front_door(data_dir, url, token), as_json=json_output)


@tokens_app.command("block")
def block_token(
    token_id: Annotated[int, typer.Argument(min=1, help="Number of the token to stop.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
) -> None:
    """Stops a token for good."""
    tokens.block(front_door(data_dir, url, token), token_id)


@calls_app.command("show")
def show_call(
    call: Annotated[str, typer.Argument(help="call_session_id of the call; with --ext-id, its ext_id.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    ext_id: Annotated[bool, typer.Option("--ext-id", help="The argument is the account's own id.")] = False,
    json_output: Json = False,
) -> None:
    """Shows a call with its recordings and what was measured."""
    calls.print_call(front_door(data_dir, url, token), call, is_ext_id=ext_id, as_json=json_output)


@calls_app.command("watch")
def watch_calls(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    last: Annotated[int, typer.Option(min=0, max=1000, help="Calls to show that are there already.")] = 10,
    cursor: Annotated[str, typer.Option(help="Go on from here instead: the cursor of a line of --json.")] = "",
    json_output: Json = False,
) -> None:
    """Shows calls as they come and as their status changes, until it is interrupted."""
    calls.watch(front_door(data_dir, url, token), last, cursor, as_json=json_output)


def main() -> None:
    """Runs a command; what it cannot do is said in a line or two on stderr."""
    try:
        app()
    except (CommandFailed, InstanceRunning, KeyMissing, CannotStart, FileNotFoundError, grpc.RpcError) as error:
        typer.echo(_why(error), err=True)
        raise SystemExit(2 if isinstance(error, WrongUsage) else 1) from error


def _why(error: Exception) -> str:
    return explain(error) if isinstance(error, grpc.RpcError) else str(error)


if __name__ == "__main__":
    main()
