"""The options of `calldock calls list`."""

from typing import Annotated

import typer
from calldock.intake.v1.call_service_pb2 import ListCallsRequest

from services.cli.call_filters import NO_FILTERS, CallFilters, Sort, Text, takes_filters
from services.cli.calls import print_list
from services.cli.connect import DEFAULT_DATA_DIR, front_door
from services.cli.options import DataDir, Json, Token, Url


@takes_filters
def list_calls(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    token: Token = None,
    limit: Annotated[int, typer.Option(min=1, help="Calls to show at most.")] = 50,
    filters: CallFilters = NO_FILTERS,
    text: Text = None,
    sort: Sort = None,
    json_output: Json = False,
) -> None:
    """Lists the account's calls: newest first, or as --sort says. Filters are joined by and; one that is repeated takes what any of them takes."""
    asked = filters.asked(ListCallsRequest)
    asked.text, asked.order_by = text or "", sort or ""
    print_list(front_door(data_dir, url, token), asked, limit, as_json=json_output)
