"""`calldock migrate`: what the databases have not seen yet of the schema, shown and applied.

It is the other way of the two beside the services' own migration at their start; in either one process at a time migrates (on PostgreSQL under an advisory lock, on
SQLite by owning the file), so nobody races anybody.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from services.cli.connect import DEFAULT_DATA_DIR, CommandFailed
from services.cli.options import DataDir, Json
from services.shared.db.engine import DatabaseInUse, SqliteDatabase
from services.shared.db.migrate import migrate, pending
from services.shared.db.postgres import PostgresDatabase
from services.shared.errors import CannotRun

KEEPERS = ("intake", "notify")
"""The services that keep something."""


def migrate_databases(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    check: Annotated[
        bool, typer.Option("--check", help="Only show what is pending; exit code 1 when something is.")
    ] = False,
    json_output: Json = False,
) -> None:
    """Brings the databases of intake and notify to this release's schema: CALLDOCK_DATABASE_URL, or the files in the data folder."""
    waiting = asyncio.run(_migrate(data_dir, apply=not check))
    if json_output:
        print(json.dumps({"applied": not check, "migrations": waiting}, ensure_ascii=False))
    else:
        for service, migrations in waiting.items():
            for each in migrations:
                print(f"{service} {each}{'' if check else ': applied'}")
            if not migrations:
                print(f"{service} is up to date")
    raise typer.Exit(1 if check and any(waiting.values()) else 0)


async def _migrate(data_dir: Path, *, apply: bool) -> dict[str, list[str]]:
    url = os.environ.get("CALLDOCK_DATABASE_URL", "")
    step = _on_postgresql if url else _on_sqlite
    try:
        return {service: list(await step(url or str(data_dir), service, apply)) for service in KEEPERS}
    except DatabaseInUse as error:
        raise CommandFailed(
            f"{error}: a running calldock has brought its files up to date at its start; stop it to migrate by hand"
        ) from error
    except CannotRun as error:
        raise CommandFailed(str(error)) from error


async def _on_sqlite(folder: str, service: str, apply: bool) -> Sequence[str]:
    path = Path(folder) / f"{service}.db"
    if not apply and not path.exists():
        raise CommandFailed(f"there is no {path}: name the folder by --data-dir, or CALLDOCK_DATABASE_URL")
    db = SqliteDatabase(path)
    try:
        with db.engine.connect() as connection:
            found = pending(connection, _folder(service))
        if apply:
            migrate(db.engine, _folder(service))
        return found
    finally:
        db.close()


async def _on_postgresql(url: str, service: str, apply: bool) -> Sequence[str]:
    db = PostgresDatabase(url, service, connections=1)
    try:
        found = await db.pending(_folder(service))
        if apply:
            await db.migrate(_folder(service))
        return found
    finally:
        await db.stop()


def _folder(service: str) -> Path:
    return Path(str(resources.files(f"services.{service}"))) / "migrations"
