"""`calldock tokens`: an account's access tokens, by a token of role admin; agents' tokens, by the operator."""

from enum import StrEnum

import grpc
from calldock.intake.internal.v1.admin_service_pb2 import CreateAgentTokenRequest
from calldock.intake.internal.v1.admin_service_pb2_grpc import AdminServiceStub
from calldock.intake.v1.account_pb2 import Role
from calldock.intake.v1.account_service_pb2 import BlockTokenRequest, CreateTokenRequest, ListTokensRequest, Token
from calldock.intake.v1.account_service_pb2_grpc import AccountServiceStub
from rich.console import Console
from rich.table import Table

from services.cli.connect import DEADLINE_S, Door, as_dict
from services.cli.terminal_text import cell, json_of, json_text, wide_console
from services.shared.rpc.values import value_of, word_of


class TokenRole(StrEnum):
    """What a token that is made here may do."""

    ADMIN = "admin"
    UPLOAD = "upload"
    READ = "read"


def create(door: Door, name: str, role: str, *, as_json: bool) -> None:
    """Makes a token and prints its text."""
    request = CreateTokenRequest(name=name, role=value_of(Role, role))
    made = AccountServiceStub(door.channel).CreateToken(request, timeout=DEADLINE_S, metadata=door.metadata)
    _print_made(made.token, made.access_token, as_json=as_json)


def create_agent(channel: grpc.Channel, account_id: int, acts_for: list[int], name: str, *, as_json: bool) -> None:
    """Makes an agent's token and prints its text."""
    request = CreateAgentTokenRequest(account_id=account_id, agent_account_ids=acts_for, name=name)
    made = AdminServiceStub(channel).CreateAgentToken(request, timeout=DEADLINE_S)
    _print_made(made.token, made.access_token, as_json=as_json)


def print_list(door: Door, *, as_json: bool) -> None:
    """Prints the account's tokens: a table, or one JSON object a line."""
    stub = AccountServiceStub(door.channel)
    table = Table("token", "name", "role", "made (UTC)", "expires (UTC)", "state")
    for token in stub.ListTokens(ListTokensRequest(), timeout=DEADLINE_S, metadata=door.metadata).tokens:
        if as_json:
            print(json_of(token))
        else:
            table.add_row(*map(cell, _row(token)))
    if not as_json:
        wide_console().print(table)


def block(door: Door, token_id: int) -> None:
    """Stops a token for good."""
    request = BlockTokenRequest(token_id=token_id)
    AccountServiceStub(door.channel).BlockToken(request, timeout=DEADLINE_S, metadata=door.metadata)
    Console().print(f"Token {token_id} is blocked; within 5 seconds it works nowhere.")


def _print_made(token: Token, text: str, *, as_json: bool) -> None:
    if as_json:
        print(json_text({**as_dict(token), "access_token": text}))
        return
    console = Console(soft_wrap=True)
    console.print(f"token {token.token_id} ({word_of(Role, token.role)}): {text}", markup=False)
    console.print("Keep it: it is not shown again.")


def _row(token: Token) -> tuple[str, ...]:
    made = token.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M")
    expires = token.expire_time.ToDatetime().strftime("%Y-%m-%d %H:%M") if token.HasField("expire_time") else "never"
    role = word_of(Role, token.role)
    return str(token.token_id), token.name, role, made, expires, "blocked" if token.is_blocked else "works"
