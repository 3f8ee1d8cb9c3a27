"""`calldock retention`: how long an account's calls, and what belongs to them, are kept."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

import typer
from calldock.intake.v1.account_pb2 import Account, Retention
from calldock.intake.v1.account_service_pb2 import GetAccountRequest, UpdateAccountRequest
from calldock.intake.v1.account_service_pb2_grpc import AccountServiceStub
from calldock.intake.v1.call_service_pb2 import DeleteCallsRequest
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub
from google.protobuf.field_mask_pb2 import FieldMask
from rich.console import Console
from rich.table import Table

from services.cli.connect import DEADLINE_S, DEFAULT_DATA_DIR, Door, front_door
from services.cli.moments import span_of
from services.cli.options import DataDir, Json, Token, Url
from services.shared.clock import SystemClock
from services.shared.rpc.values import timestamp

retention_app = typer.Typer(help="How long an account's calls are kept.", no_args_is_help=True)

_SPANS = {
    "calls": "calls, from when they began",
    "recordings": "their audio, from when they began",
    "sources": "downloaded files, from the end of their call's processing",
    "payloads": "notifications, from when they ended",
    "ext_ids": "ext_ids of calls that went, remembered as hashes",
}
_WITHOUT = {"calls": "until they are deleted", "recordings": "as long as their call"}
"""What holds where the account has no span of its own; for the others, the operator's setting."""
_GOING = {"calls": "Have them go", "recordings": "Have their audio go"}
_DEFAULT = "default"
_AS_THE_OPERATOR = timedelta(-1)
"""Stands for no span of the account's own: 0 is a span, which calldock refuses."""


def _span(text: str) -> timedelta:
    if text == _DEFAULT:
        return _AS_THE_OPERATOR
    try:
        return span_of(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}, or {_DEFAULT}") from error


def _option(name: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        f"--{name.replace('_', '-')}", parser=_span, metavar="SPAN", help=f"For {_SPANS[name]}."
    )
    return option


@retention_app.command("show")
def show_retention(
    data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, token: Token = None, json_output: Json = False
) -> None:
    """Shows how long what the account uploaded is kept."""
    door = front_door(data_dir, url, token)
    _print(_retention(door), as_json=json_output)


@retention_app.command("set")
def set_retention(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    calls: Annotated[timedelta | None, _option("calls")] = None,
    recordings: Annotated[timedelta | None, _option("recordings")] = None,
    sources: Annotated[timedelta | None, _option("sources")] = None,
    payloads: Annotated[timedelta | None, _option("payloads")] = None,
    ext_ids: Annotated[timedelta | None, _option("ext_ids")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json_output: Json = False,
) -> None:
    """Changes how long things are kept, such as --calls 180d --recordings 90d; `default` takes a span away. What is not named stays.

    Where calls or their audio are older already it says how many, and asks.
    """
    asked = {"calls": calls, "recordings": recordings, "sources": sources, "payloads": payloads, "ext_ids": ext_ids}
    named = {name: span for name, span in asked.items() if span is not None}
    if not named:
        raise typer.BadParameter("say what, such as --calls 180d")
    door = front_door(data_dir, url, token)
    if not yes:
        _confirm(door, named)
    retention = _retention(door)
    for name, span in named.items():
        retention.ClearField(name)  # type: ignore[arg-type]
        if span != _AS_THE_OPERATOR:
            getattr(retention, name).FromTimedelta(span)
    request = UpdateAccountRequest(account=Account(retention=retention), update_mask=FieldMask(paths=["retention"]))
    changed = AccountServiceStub(door.channel).UpdateAccount(request, timeout=DEADLINE_S, metadata=door.metadata)
    _print(changed.retention, as_json=json_output)


def _confirm(door: Door, named: Mapping[str, timedelta]) -> None:
    """Asks about what would go at once. Raises Abort."""
    for name, what in _GOING.items():
        span = named.get(name, _AS_THE_OPERATOR)
        if span <= timedelta():
            continue
        request = DeleteCallsRequest(validate_only=True, start_time_before=timestamp(SystemClock().now() - span))
        stub = CallServiceStub(door.channel)
        older = stub.DeleteCalls(request, timeout=DEADLINE_S, metadata=door.metadata).matching_count
        if older:
            typer.confirm(f"{older:,} calls began more than {_words(span)} ago. {what} for good?", abort=True, err=True)


def _retention(door: Door) -> Retention:
    stub = AccountServiceStub(door.channel)
    account = stub.GetAccount(GetAccountRequest(), timeout=DEADLINE_S, metadata=door.metadata)
    return account.retention


def _print(retention: Retention, *, as_json: bool) -> None:
    spans = {
        name: int(getattr(retention, name).ToTimedelta().total_seconds()) if retention.HasField(name) else None  # type: ignore[arg-type]
        for name in _SPANS
    }
    if as_json:
        typer.echo(json.dumps({f"{name}_s": seconds for name, seconds in spans.items()}))
        return
    table = Table("what", "kept for")
    for name, seconds in spans.items():
        table.add_row(_SPANS[name], _shown(name, seconds))
    Console().print(table)


def _shown(name: str, seconds: int | None) -> str:
    if seconds is None:
        return _WITHOUT.get(name, "as the operator has it")
    return _words(timedelta(seconds=seconds))


def _words(span: timedelta) -> str:
    return str(span).removesuffix(", 0:00:00")
