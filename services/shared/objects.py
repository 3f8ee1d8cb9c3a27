"""The object store for recordings: local files, through obstore, so that S3 is the same code. Keys are `account/call/recording/token.ext`."""

from collections.abc import AsyncIterator
from pathlib import Path

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore

from services.shared.errors import Trouble

PIECE_BYTES = 64 * 1024


class ObjectMissing(Exception):
    """There is no object under the key."""


class ObjectStore:
    """Objects by key. An object is there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._store = LocalStore(folder)

    async def put(self, key: str, data: bytes) -> None:
        """Writes an object, replacing what was there. Raises Trouble when the store does not take it."""
        try:
            await obstore.put_async(self._store, key, data)
        except BaseError as error:
            raise Trouble(f"object store did not take {key}") from error

    async def put_file(self, key: str, path: Path) -> None:
        """Writes a local file as an object. Raises Trouble when the store does not take it."""
        try:
            await obstore.put_async(self._store, key, path)
        except BaseError as error:
            raise Trouble(f"object store did not take {key}") from error

    async def stream(self, key: str) -> tuple[int, AsyncIterator[bytes]]:
        """The object's size in bytes and its bytes in pieces of about 64 KiB. Raises ObjectMissing; Trouble when the store is away."""
        try:
            found = await obstore.get_async(self._store, key)
        except NotFoundError as error:
            raise ObjectMissing(key) from error
        except BaseError as error:
            raise Trouble(f"object store did not give {key}") from error
        return found.meta["size"], (bytes(piece) async for piece in found.stream(min_chunk_size=PIECE_BYTES))

    async def save_to(self, key: str, path: Path) -> None:
        """Copies an object into a local file. Raises ObjectMissing; Trouble when the store is away."""
        _, pieces = await self.stream(key)
        with path.open("wb") as file:
            async for piece in pieces:
                file.write(piece)

    async def delete(self, key: str) -> None:
        """Removes an object; one that is not there is no error."""
        try:
            await obstore.delete_async(self._store, key)
        except NotFoundError:
            return
        except BaseError as error:
            raise Trouble(f"object store did not delete {key}") from error
