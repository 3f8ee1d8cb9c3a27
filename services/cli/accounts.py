"""`calldock accounts`."""

import json
import uuid

import grpc
from calldock.intake.internal.v1.admin_service_pb2 import CreateAccountRequest
from calldock.intake.internal.v1.admin_service_pb2_grpc import AdminServiceStub
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.cli.connect import DEADLINE_S


def create(
    channel: grpc.Channel, name: str, time_zone: str, region: str, voice_analysis: bool, *, as_json: bool
) -> None:
    """Makes an account and prints it with its secrets. Raises grpc.RpcError when it is refused."""
    request = CreateAccountRequest(
        name=name, time_zone=time_zone, region=region, has_voice_analysis=voice_analysis, request_id=str(uuid.uuid4())
    )
    made = AdminServiceStub(channel).CreateAccount(request, timeout=DEADLINE_S, wait_for_ready=True)
    facts = {
        "account_id": made.account.account_id,
        "name": made.account.name,
        "time_zone": made.account.time_zone,
        "region": made.account.region,
        "has_voice_analysis": made.account.has_voice_analysis,
        "access_token": made.access_token,
        "webhook_secret": made.webhook_secret,
    }
    if as_json:
        print(json.dumps(facts, ensure_ascii=False))
        return
    table = Table(show_header=False, box=None)
    for fact, value in facts.items():
        table.add_row(fact, escape(str(value)))
    console = Console(soft_wrap=True)
    console.print(table)
    console.print("Keep the token and the secret: they are not shown again.")
