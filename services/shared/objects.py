"""The object store for recordings: local files, through obstore, so that S3 is the same code. Keys are `account/call/recording/token.ext`."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore

from services.shared.errors import Trouble

PIECE_BYTES = 64 * 1024


class ObjectMissing(Exception):
    """There is no object under the key."""


class ObjectStore:
    """Objects by key. An object is there whole or not at all, and on the disk once `put` has returned."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._store = LocalStore(folder, automatic_cleanup=True)

    async def put(self, key: str, data: bytes) -> None:
        """Writes an object, replacing what was there. Raises Trouble when the store does not take it."""
        await self._put(key, data)

    async def put_file(self, key: str, path: Path) -> None:
        """Writes a local file as an object. Raises Trouble when the store does not take it."""
        await self._put(key, path)

    async def _put(self, key: str, what: bytes | Path) -> None:
        try:
            await obstore.put_async(self._store, key, what)
            await asyncio.to_thread(_sync_to_disk, self._folder, key)
        except (BaseError, OSError) as error:
            raise Trouble(f"object store did not take {key}") from error

    async def delete(self, keys: Iterable[str]) -> None:
        """Removes objects; one that is not there is passed over. Raises Trouble when the store is away."""
        for key in keys:
            try:
                await obstore.delete_async(self._store, key)
            except (NotFoundError, FileNotFoundError):
                continue
            except (BaseError, OSError) as error:
                raise Trouble(f"object store did not delete {key}") from error

    async def stream(self, key: str) -> tuple[int, AsyncIterator[bytes]]:
        """The object's size in bytes and its bytes in pieces of about 64 KiB. Raises ObjectMissing; Trouble when the store is away."""
        try:
            found = await obstore.get_async(self._store, key)
        except NotFoundError as error:
            raise ObjectMissing(key) from error
        except BaseError as error:
            raise Trouble(f"object store did not give {key}") from error
        return found.meta["size"], (bytes(piece) async for piece in found.stream(min_chunk_size=PIECE_BYTES))

    async def get(self, key: str) -> bytes:
        """The whole object. Raises ObjectMissing; Trouble when the store is away."""
        _, pieces = await self.stream(key)
        return b"".join([piece async for piece in pieces])


def _sync_to_disk(folder: Path, key: str) -> None:
    """The store writes beside and renames, but leaves the sync to the system: a key must not be committed before its object would survive a power cut."""
    path = folder / key
    for name in (path, *(parent for parent in path.parents if parent.is_relative_to(folder))):
        handle = os.open(name, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
