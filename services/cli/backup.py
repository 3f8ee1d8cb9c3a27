"""`calldock backup` and `calldock restore`: an installation on SQLite as one folder that can be carried away, and back from it.

The order is what matters: intake's database, then notify's, then recordings. What intake knows notify then knows too, or is told again, and what both know of recordings is there.
"""

import asyncio
import hashlib
import json
import os
import shutil
import time
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer

from services.cli.connect import DEFAULT_DATA_DIR, CommandFailed
from services.cli.instance import SECRET_KEY_FILE, lock_data_dir
from services.cli.options import DataDir, Json
from services.intake.store.restoring import pass_over_numbers
from services.shared.db.copying import copy_database, sync
from services.shared.db.engine import SqliteDatabase
from services.shared.db.migrate import migrate
from services.shared.db.postgres import PostgresDatabase
from services.shared.errors import CannotRun, Trouble

DATABASES = ("intake.db", "notify.db")
"""In the order in which they are copied."""
RECORDINGS = "recordings"
CONTENT = "backup.json"
"""What is in a backup, with the SHA-256 of its databases. Written last."""
GROWING = "restoring"
"""Where a restore gathers what it puts in place in the end."""


def back_up(
    folder: Annotated[Path, typer.Argument(help="Where the backup goes: a folder that is not there yet.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    recordings: Annotated[
        bool, typer.Option("--recordings/--no-recordings", help="Whether recordings are copied too.")
    ] = True,
    json_output: Json = False,
) -> None:
    """Copies an installation on SQLite, running or not, without stopping it. What it writes is secret: it holds the key."""
    if os.environ.get("CALLDOCK_DATABASE_URL"):
        raise CommandFailed(
            "the database is PostgreSQL: back it up by pg_dump, then the recordings (docs/backup.md says how)"
        )
    if folder.exists():
        raise CommandFailed(f"{folder} is there already: name a new folder")
    os.umask(0o077)
    growing = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(growing, ignore_errors=True)
    growing.mkdir(parents=True)
    began = time.monotonic()
    try:
        content = _copy_all(data_dir, growing, with_recordings=recordings)
    except (CannotRun, OSError) as error:
        shutil.rmtree(growing, ignore_errors=True)
        raise CommandFailed(f"no backup was made: {error}") from error
    growing.rename(folder)
    sync(folder.absolute().parent)
    facts = {**content, "folder": str(folder), "took_s": round(time.monotonic() - began, 2)}
    if json_output:
        print(json.dumps(facts))
        return
    print(f"backed up to {folder}: {', '.join(DATABASES)}, {content['recordings']} recordings")
    if not content["has_key"]:
        print("the key is not in it, because it is none of the data folder's: keep CALLDOCK_SECRET_KEY beside it")


def restore(
    backup: Annotated[
        Path | None,
        typer.Argument(
            help="A folder that `calldock backup` made. None for a PostgreSQL that pg_restore has filled, and for --delete-orphans alone."
        ),
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    delete_orphans: Annotated[
        bool,
        typer.Option(
            "--delete-orphans",
            help="Also delete recordings from the store that belong to no call of the backup: they were written after it. Not where a younger backup may still be restored.",
        ),
    ] = False,
) -> None:
    """Makes a data folder from a backup, or readies a PostgreSQL that was restored. Nothing of calldock may run there yet."""
    url = os.environ.get("CALLDOCK_DATABASE_URL", "")
    if (url and backup is not None) or not (url or backup or delete_orphans):
        raise CommandFailed(
            "name the folder of a backup, or set CALLDOCK_DATABASE_URL to a PostgreSQL that was restored"
        )
    try:
        if url:
            asyncio.run(_ready_postgresql(url))
        elif backup is not None:
            _restore_folder(backup, data_dir)
    except (CannotRun, OSError) as error:
        raise CommandFailed(f"not restored: {error}") from error
    if delete_orphans:
        _clear_store(data_dir)
    if url:
        print("the database is ready: start calldock")
    elif backup is not None:
        print(f"restored to {data_dir}: `calldock up --data-dir {data_dir}` goes on from there")


def _clear_store(data_dir: Path) -> None:
    # Loaded here: what it knows of stores and settings, no other command of this module needs.
    from services.cli.orphans import delete_orphans

    try:
        seen, deleted = asyncio.run(delete_orphans(data_dir))
    except (CannotRun, Trouble, ValueError, OSError) as error:
        again = "run `calldock restore --delete-orphans` again, without a backup's folder"
        raise CommandFailed(f"the store was not looked through to its end: {error}; {again}") from error
    print(f"of {seen:,} objects in the store {deleted:,} belonged to no call and are deleted")


def _copy_all(data_dir: Path, folder: Path, *, with_recordings: bool) -> dict[str, object]:
    digests = {}
    for name in DATABASES:
        if not (data_dir / name).exists():
            raise CannotRun(f"there is no {data_dir / name}: name the folder of an installation by --data-dir")
        copy_database(data_dir / name, folder / name)
        digests[name] = _digest(folder / name)
    key = data_dir / SECRET_KEY_FILE
    if key.exists():
        shutil.copyfile(key, folder / SECRET_KEY_FILE)
        sync(folder / SECRET_KEY_FILE)
    store = _local_store(data_dir)
    copied = _copy_recordings(store, folder / RECORDINGS) if with_recordings and store is not None else 0
    content = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "sha256": digests,
        "has_key": key.exists(),
        "recordings": copied,
    }
    (folder / CONTENT).write_text(json.dumps(content))
    sync(folder / CONTENT)
    sync(folder)
    return content


def _local_store(data_dir: Path) -> Path | None:
    """The folder of recordings; None when they lie in a bucket, which has ways of its own."""
    parts = urlsplit(os.environ.get("CALLDOCK_STORAGE_URL", ""))
    if not parts.scheme:
        return data_dir / RECORDINGS
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _copy_recordings(store: Path, target: Path) -> int:
    copied = 0
    for folder, _, names in os.walk(store):
        for name in names:
            # What is being written lies beside its key, under key#number.
            if "#" in name:
                continue
            path = Path(folder) / name
            copy = target / path.relative_to(store)
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(path, copy)
            except FileNotFoundError:
                # Erased meanwhile.
                continue
            sync(copy)
            copied += 1
    return copied


def _restore_folder(backup: Path, data_dir: Path) -> None:
    os.umask(0o077)
    try:
        content = json.loads((backup / CONTENT).read_text())
    except (OSError, ValueError) as error:
        raise CannotRun(f"{backup} is no whole backup: it has no {CONTENT}") from error
    lock = lock_data_dir(data_dir)
    try:
        if there := [name for name in (*DATABASES, SECRET_KEY_FILE, RECORDINGS) if (data_dir / name).exists()]:
            raise CannotRun(f"{data_dir} holds {there[0]} already: restore into an empty folder")
        growing = data_dir / GROWING
        shutil.rmtree(growing, ignore_errors=True)
        _copy_for_us_alone(backup, growing)
        for name, digest in content["sha256"].items():
            if _digest(growing / name) != digest:
                raise CannotRun(f"{backup / name} is damaged: its SHA-256 is not the one that was noted")
        _ready_sqlite(growing)
        # intake's last: until it is there, the folder is none that calls are in.
        for name in (SECRET_KEY_FILE, RECORDINGS, *reversed(DATABASES)):
            if (growing / name).exists():
                (growing / name).rename(data_dir / name)
        sync(data_dir)
    finally:
        # A restore that was given up leaves no copy of calls and key behind.
        shutil.rmtree(data_dir / GROWING, ignore_errors=True)
        lock.close()


def _copy_for_us_alone(backup: Path, target: Path) -> None:
    """What carried the backup here may have opened it to others (a stick, an archive, another umask): nothing of that is kept."""
    shutil.copytree(backup, target, copy_function=shutil.copyfile)
    for folder, _, names in os.walk(target):
        # The library gives folders the modes of those that they are copies of.
        Path(folder).chmod(0o700)
        for name in names:
            (Path(folder) / name).chmod(0o600)


def _ready_sqlite(folder: Path) -> None:
    db = SqliteDatabase(folder / "intake.db")
    try:
        migrate(db.engine, _migrations())
        with db.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            pass_over_numbers(connection)
            connection.exec_driver_sql("COMMIT")
    finally:
        db.close()
    sync(folder / "intake.db")


async def _ready_postgresql(url: str) -> None:
    db = PostgresDatabase(url, "intake", connections=1)
    try:
        await db.migrate(_migrations())
        await db.write(pass_over_numbers)
    finally:
        await db.stop()


def _migrations() -> Path:
    return Path(str(resources.files("services.intake"))) / "migrations"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
