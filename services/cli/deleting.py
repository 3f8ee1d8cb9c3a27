"""`calldock calls delete`."""

import json
from datetime import datetime
from typing import Annotated

import typer
from calldock.intake.v1.call_service_pb2 import (
    DeleteCallRequest,
    DeleteCallsRequest,
)
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.cli.call_filters import NO_FILTERS, CallFilters, takes_filters
from services.cli.calls import find_call
from services.cli.connect import DEADLINE_S, DEFAULT_DATA_DIR, Door, asked_until_there, front_door
from services.cli.options import DataDir, Json, Token, Url
from services.shared.clock import SystemClock
from services.shared.rpc.values import timestamp


@takes_filters
def delete_calls(
    call: Annotated[
        str | None, typer.Argument(help="The call to erase: its call_session_id; with --ext-id, its ext_id.")
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    ext_id: Annotated[bool, typer.Option("--ext-id", help="CALL is the account's own id.")] = False,
    filters: CallFilters = NO_FILTERS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be erased, and erase nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json_output: Json = False,
) -> None:
    """Erases a call, or all that match the filters, for good: with recordings, notifications and what was measured.

    Calls that are uploaded after the count are not meant. Needs an admin's token for more than one.
    """
    wanted = filters.asked(DeleteCallsRequest)
    if (call is None) == (wanted == DeleteCallsRequest()):
        raise typer.BadParameter("say which: a call, or filters such as --before 365d")
    door = front_door(data_dir, url, token)
    if call is not None:
        _delete_one(door, call, is_ext_id=ext_id, dry_run=dry_run, as_json=json_output)
        return
    _delete_many(door, wanted, filters.uploaded_before, dry_run=dry_run, is_sure=yes, as_json=json_output)


def _delete_one(door: Door, name: str, *, is_ext_id: bool, dry_run: bool, as_json: bool) -> None:
    found = find_call(door, name, is_ext_id=is_ext_id)
    if not dry_run:
        request = DeleteCallRequest(call_session_id=found.call_session_id)
        CallServiceStub(door.channel).DeleteCall(request, timeout=DEADLINE_S, metadata=door.metadata)
    _print(1, 0 if dry_run else 1, as_json=as_json)


def _delete_many(
    door: Door,
    wanted: DeleteCallsRequest,
    uploaded_before: datetime | None,
    *,
    dry_run: bool,
    is_sure: bool,
    as_json: bool,
) -> None:
    stub = CallServiceStub(door.channel)
    if uploaded_before is None:
        # Calls that come after the count are not meant.
        wanted.upload_time_before.CopyFrom(timestamp(SystemClock().now()))

    def ask(request: DeleteCallsRequest) -> tuple[int, int]:
        answer = asked_until_there(lambda: stub.DeleteCalls(request, timeout=DEADLINE_S, metadata=door.metadata))
        return answer.matching_count, answer.deleted_count

    counting = DeleteCallsRequest(validate_only=True)
    counting.MergeFrom(wanted)
    matching, _ = ask(counting)
    if dry_run or not matching:
        _print(matching, 0, as_json=as_json)
        return
    if not is_sure:
        typer.confirm(f"{matching:,} calls match. Erase them for good?", abort=True, err=True)
    deleted = 0
    columns = (TextColumn("erasing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=matching)
        left = matching
        while left:
            wanted.expected_count = left
            found, gone = ask(wanted)
            deleted += gone
            left = found - gone
            progress.update(task, completed=matching - left)
    _print(matching, deleted, as_json=as_json)


def _print(matching: int, deleted: int, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"matching": matching, "deleted": deleted}))
    else:
        typer.echo(f"{matching:,} calls match, {deleted:,} erased")
