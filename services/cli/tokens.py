"""`calldock tokens`: an account's access tokens, by a token of role admin."""

import json
from enum import StrEnum

from calldock.intake.v1.account_pb2 import Role
from calldock.intake.v1.account_service_pb2 import BlockTokenRequest, CreateTokenRequest, ListTokensRequest, Token
from calldock.intake.v1.account_service_pb2_grpc import AccountServiceStub
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.cli.connect import DEADLINE_S, Door, as_dict
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
    if as_json:
        print(json.dumps({**as_dict(made.token), "access_token": made.access_token}, ensure_ascii=False))
        return
    console = Console(soft_wrap=True)
    console.print(f"token {made.token.token_id} ({role}): {made.access_token}", markup=False)
    console.print("Keep it: it is not shown again.")


def print_list(door: Door, *, as_json: bool) -> None:
    """Prints the account's tokens: a table, or one JSON object a line."""
    stub = AccountServiceStub(door.channel)
    table = Table("token", "name", "role", "made (UTC)", "expires (UTC)", "state")
    for token in stub.ListTokens(ListTokensRequest(), timeout=DEADLINE_S, metadata=door.metadata).tokens:
        if as_json:
            print(json.dumps(as_dict(token), ensure_ascii=False))
        else:
            table.add_row(*map(escape, _row(token)))
    if not as_json:
        Console().print(table)


def block(door: Door, token_id: int) -> None:
    """Stops a token for good."""
    request = BlockTokenRequest(token_id=token_id)
    AccountServiceStub(door.channel).BlockToken(request, timeout=DEADLINE_S, metadata=door.metadata)
    Console().print(f"Token {token_id} is blocked; within 5 seconds it works nowhere.")


def _row(token: Token) -> tuple[str, ...]:
    made = token.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M")
    expires = token.expire_time.ToDatetime().strftime("%Y-%m-%d %H:%M") if token.HasField("expire_time") else "never"
    role = word_of(Role, token.role)
    return str(token.token_id), token.name, role, made, expires, "blocked" if token.is_blocked else "works"
