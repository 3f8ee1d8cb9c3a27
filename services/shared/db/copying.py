"""A copy of a SQLite file while its owner goes on writing: one snapshot, by SQLite's own backup.

Here, and in `looking`, somebody else than the owner opens a database file. It only reads, under SQLite's own locks, which hold between processes; the owner's writes go on
into the write-ahead log meanwhile (docs/decisions/0015-backups-read-beside-the-owner.md).
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from services.shared.errors import CannotRun

WAIT_S = 30.0


def copy_database(source: Path, target: Path) -> None:
    """Writes all that was committed in `source` when it began into `target`, checked and durable. Raises CannotRun when either file cannot be used."""
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(str(source))}?mode=rw", uri=True, timeout=WAIT_S)) as reading,
            closing(sqlite3.connect(target)) as writing,
        ):
            reading.execute("PRAGMA query_only=ON")
            # All pages in one step: between two steps a write of the owner would have it begin anew.
            reading.backup(writing, pages=-1)
            found = writing.execute("PRAGMA integrity_check").fetchone()[0]
            # One file, without a log beside it.
            writing.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise CannotRun(f"{source} could not be copied to {target}: {error}") from error
    if found != "ok":
        raise CannotRun(f"{source} is damaged: {found}")
    sync(target)


def sync(path: Path) -> None:
    """Returns when a file or folder would survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
