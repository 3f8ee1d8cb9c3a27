"""Objects of the store that belong to no call of a database that was restored."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from services.cli.connect import CommandFailed
from services.cli.doctor_looks import look_at_settings
from services.cli.instance import lock_data_dir
from services.intake.store.restoring import orphans
from services.shared.db.database import Database
from services.shared.db.engine import SqliteDatabase
from services.shared.db.postgres import PostgresDatabase
from services.shared.objects import open_store


async def delete_orphans(data_dir: Path) -> tuple[int, int]:
    """Deletes from the store of this environment what no call names; answers how many objects it held and how many of them went. No service may run. Raises CommandFailed, Trouble, ValueError, OSError."""
    installation, findings = look_at_settings(data_dir, os.environ)
    if installation is None:
        raise CommandFailed("; ".join(finding.found for finding in findings))
    store = open_store(installation.media.storage)
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} objects looked at"), TimeElapsedColumn())
    seen = deleted = 0
    async with _opened(installation.database_url, data_dir) as db:
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=None)
            async for keys in store.keys():
                found = await db.read(orphans, keys)
                await store.delete(found)
                seen, deleted = seen + len(keys), deleted + len(found)
                progress.update(task, completed=seen)
    return seen, deleted


@asynccontextmanager
async def _opened(url: str, data_dir: Path) -> AsyncIterator[Database]:
    if url:
        shared = PostgresDatabase(url, "intake", connections=1)
        try:
            yield shared
        finally:
            await shared.stop()
        return
    lock = lock_data_dir(data_dir)
    try:
        if not (data_dir / "intake.db").exists():
            raise CommandFailed(
                f"there is no {data_dir / 'intake.db'}: name the folder of an installation by --data-dir"
            )
        own = SqliteDatabase(data_dir / "intake.db")
        own.start()
        try:
            yield own
        finally:
            own.close()
    finally:
        lock.close()
