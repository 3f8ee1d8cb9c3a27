"""`calldock accounts`."""

import uuid
from typing import Any

import grpc
from calldock.intake.internal.v1.admin_service_pb2 import CreateAccountRequest, ListAccountsRequest, SetAccountRequest
from calldock.intake.internal.v1.admin_service_pb2_grpc import AdminServiceStub
from calldock.intake.v1.account_pb2 import Account
from rich.console import Console
from rich.table import Table

from services.cli.connect import DEADLINE_S
from services.cli.terminal_text import cell, json_text, wide_console


def create(
    channel: grpc.Channel, name: str, time_zone: str, region: str, voice_analysis: bool, *, as_json: bool
) -> None:
    """Makes an account and prints it with its secrets. Raises grpc.RpcError when it is refused."""
    request = CreateAccountRequest(
        name=name, time_zone=time_zone, region=region, has_voice_analysis=voice_analysis, request_id=str(uuid.uuid4())
    )
    made = AdminServiceStub(channel).CreateAccount(request, timeout=DEADLINE_S, wait_for_ready=True)
    facts = {
        **_facts(made.account),
        "access_token": made.access_token,
        "webhook_secret": made.webhook_secret,
    }
    if as_json:
        print(json_text(facts))
        return
    table = Table(show_header=False, box=None)
    for fact, value in facts.items():
        table.add_row(fact, cell(str(value)))
    console = Console(soft_wrap=True)
    console.print(table)
    console.print("Keep the token and the secret: they are not shown again.")


def print_list(channel: grpc.Channel, *, as_json: bool) -> None:
    """Prints all accounts: a table, or one JSON object a line."""
    table = Table("account", "name", "time zone", "region", "upload", "voice analysis", "a minute", "a day", "state")
    for account in AdminServiceStub(channel).ListAccounts(ListAccountsRequest(), timeout=DEADLINE_S).accounts:
        if as_json:
            print(json_text(_facts(account)))
            continue
        table.add_row(*map(cell, _row(account)))
    if not as_json:
        wide_console().print(table)


def change(channel: grpc.Channel, account_id: int, **decided: bool | int | None) -> None:
    """Changes what the operator decides about an account, and prints what it is now. What is None stays; the names are those of SetAccountRequest."""
    given: dict[str, Any] = {name: value for name, value in decided.items() if value is not None}
    account = AdminServiceStub(channel).SetAccount(
        SetAccountRequest(account_id=account_id, **given), timeout=DEADLINE_S
    )
    print(json_text(_facts(account)))


def _row(account: Account) -> tuple[str, ...]:
    return (
        str(account.account_id),
        account.name,
        account.time_zone,
        account.region,
        "on" if account.has_call_upload else "off",
        "on" if account.has_voice_analysis else "off",
        f"{account.minute_limit:,}" if account.HasField("minute_limit") else "-",
        f"{account.day_limit:,}" if account.HasField("day_limit") else "-",
        "active" if account.is_active else "disabled",
    )


def _facts(account: Account) -> dict[str, object]:
    return {
        "account_id": account.account_id,
        "name": account.name,
        "time_zone": account.time_zone,
        "region": account.region,
        "has_call_upload": account.has_call_upload,
        "has_voice_analysis": account.has_voice_analysis,
        "minute_limit": account.minute_limit if account.HasField("minute_limit") else None,
        "day_limit": account.day_limit if account.HasField("day_limit") else None,
        "is_active": account.is_active,
        "allowed_networks": list(account.allowed_networks),
    }
