"""Options that many commands have."""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[Path, typer.Option("--data-dir", envvar="CALLDOCK_DATA_DIR", help="Folder of the instance.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Url = Annotated[
    str | None,
    typer.Option("--url", envvar="CALLDOCK_URL", help="Front door; the instance on --data-dir by default."),
]
Token = Annotated[str | None, typer.Option("--token", envvar="CALLDOCK_TOKEN", help="Access token of the account.")]
