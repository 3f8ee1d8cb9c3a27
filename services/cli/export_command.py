"""The options of `calldock calls export`, and what it says at its end."""

import json
import os
import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from calldock.intake.v1.call_service_pb2 import ListCallsRequest
from rich.console import Console

from services.cli.call_filters import NO_FILTERS, CallFilters, Sort, Text, takes_filters
from services.cli.connect import DEFAULT_DATA_DIR, front_door
from services.cli.export import Exported, ExportFormat, OneCall, RecordingsWord, export
from services.cli.export_output import STDOUT, NobodyReads
from services.cli.moments import span_of
from services.cli.options import DataDir, Json, Token, Url
from services.cli.vcon import NO_DOMAIN

_ENDINGS = {
    ".vcon.jsonl": ExportFormat.VCON,
    ".vcon.json": ExportFormat.VCON,
    ".vcon": ExportFormat.VCON,
    ".csv": ExportFormat.CSV,
    ".jsonl": ExportFormat.JSONL,
    ".ndjson": ExportFormat.JSONL,
}


def _span(text: str) -> timedelta:
    try:
        return span_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@takes_filters
def export_calls(
    file: Annotated[
        Path,
        typer.Argument(help="File to write: .csv, .jsonl, .vcon.jsonl; for vCons also a folder; - is standard output."),
    ],
    call: Annotated[
        str | None, typer.Argument(help="Only this call: its call_session_id; with --ext-id, its ext_id.")
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    ext_id: Annotated[bool, typer.Option("--ext-id", help="CALL is the account's own id.")] = False,
    format_: Annotated[
        ExportFormat | None, typer.Option("--format", help="What to write; by the file's ending when not given.")
    ] = None,
    recordings: Annotated[
        RecordingsWord,
        typer.Option(help="Recordings as links, as files in a folder beside, within vCons, or not at all."),
    ] = RecordingsWord.LINK,
    filters: CallFilters = NO_FILTERS,
    text: Text = None,
    sort: Sort = None,
    domain: Annotated[
        str, typer.Option(envvar="CALLDOCK_VCON_DOMAIN", help="Your domain, from which vCons' uuids are made.")
    ] = NO_DOMAIN,
    wait: Annotated[
        timedelta,
        typer.Option(
            parser=_span, metavar="SPAN", show_default="2m", help="How long to wait for a calldock that is away."
        ),
    ] = "2m",  # type: ignore[assignment] # read by the parser, as what is typed
    json_output: Json = False,
) -> None:
    """Writes the account's calls into a file: CSV or JSON lines that `calldock upload` reads back, or vCons.

    The file comes to its name whole or not at all. Several vCons go a line each into one file, or a file each into a folder.
    """
    form = _format(file, format_, is_one=call is not None)
    _check_recordings(recordings, form, file)
    wanted = filters.asked(ListCallsRequest)
    wanted.text, wanted.order_by = text or "", sort or ""
    if call is not None and wanted != ListCallsRequest():
        raise typer.BadParameter("one call needs no filter: leave CALL out, or the filters")
    if call is None and ext_id:
        raise typer.BadParameter("whose? Name the call after the file", param_hint="--ext-id")
    asked = wanted if call is None else OneCall(name=call, is_ext_id=ext_id)
    door = front_door(data_dir, url, token)
    try:
        done = export(door, file, asked, form, recordings, domain=domain, patience=wait, console=Console(stderr=True))
    except NobodyReads:
        # Nor must Python's own last flush find the pipe closed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    _print_done(done, file, recordings, as_json=json_output)


def _format(path: Path, asked: ExportFormat | None, *, is_one: bool) -> ExportFormat:
    """What to write into the file. Raises BadParameter when nobody says, or when it does not fit."""
    if path == STDOUT:
        if asked is None:
            raise typer.BadParameter(
                "standard output has no ending: say which, csv, jsonl or vcon", param_hint="--format"
            )
        return asked
    name = path.name.lower()
    if path.is_dir():
        if asked not in (None, ExportFormat.VCON):
            raise typer.BadParameter(f"{path} is a folder, which holds vCons: name a file for {asked}")
        return ExportFormat.VCON
    by_ending = next((form for ending, form in _ENDINGS.items() if name.endswith(ending)), None)
    form = asked or by_ending
    if form is None:
        raise typer.BadParameter(f"{path.name} ends in none of {', '.join(_ENDINGS)}: say --format csv, jsonl or vcon")
    if form is ExportFormat.VCON and not is_one and name.endswith((".vcon", ".json")):
        raise typer.BadParameter(
            f"{path.name} is for one vCon: several go into a .vcon.jsonl, or a folder that is there"
        )
    return form


def _check_recordings(recordings: RecordingsWord, form: ExportFormat, path: Path) -> None:
    """Raises BadParameter for a way that the format has no place for."""
    is_vcon = form is ExportFormat.VCON
    if recordings is RecordingsWord.INLINE and not is_vcon:
        why = f"{form} has no place for them: files puts them into a folder beside; inline is for vCons"
        raise typer.BadParameter(why, param_hint="--recordings")
    if recordings is RecordingsWord.FILES and (is_vcon or path == STDOUT):
        why = "inline puts them into the vCons" if is_vcon else "standard output has no folder beside it"
        raise typer.BadParameter(why, param_hint="--recordings")


def _print_done(done: Exported, path: Path, recordings: RecordingsWord, *, as_json: bool) -> None:
    """On standard output, or beside an export that goes there."""
    is_beside = path == STDOUT
    if as_json:
        typer.echo(
            json.dumps({**asdict(done), "file": None if is_beside else str(path)}, ensure_ascii=False), err=is_beside
        )
        return
    typer.echo(f"{done.calls:,} calls with {done.recordings:,} recordings in {path}", err=is_beside)
    without = done.recordings_without_content
    if without and recordings is RecordingsWord.LINK:
        why = "handed over as files, not downloaded, or by http: --recordings inline takes the files themselves"
        typer.echo(f"{without:,} recordings are there without a link, {why}", err=is_beside)
    elif without:
        typer.echo(
            f"{without:,} recordings are there without their file: it is not kept any more, or never came",
            err=is_beside,
        )
