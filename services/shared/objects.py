"""The object store for recordings, through obstore: local files, or a bucket that speaks S3. Keys are `account/call/recording/token.ext`."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

from services.shared.errors import Trouble

if TYPE_CHECKING:
    # They stand in the stubs alone.
    from obstore import Attributes
    from obstore.store import ClientConfig, RetryConfig, S3Config

PIECE_BYTES = 64 * 1024
_RANGE_BYTES = 4 * 1024 * 1024
_LISTED_AT_ONCE = 1000
_CONTENT_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav"}
_CONNECT_TIMEOUT = timedelta(seconds=5)
_REQUEST_TIMEOUT = timedelta(seconds=30)
_RETRIES: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
"""Short: whoever asked comes again by itself, and is told meanwhile that the store is away."""


class ObjectMissing(Exception):
    """There is no object under the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Where objects lie. `url` is `file:///folder` or `s3://bucket/prefix`; the rest is for S3, where an empty `endpoint` is the cloud's own and empty keys are
    looked for as the cloud's tools do (environment, role of the machine)."""

    url: str
    endpoint: str = ""
    region: str = ""
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)


class ObjectStore(Protocol):
    """Objects by key. An object is there whole or not at all, and durable once `put` has returned."""

    async def put(self, key: str, data: bytes) -> None:
        """Writes an object, replacing what was there. Raises Trouble when the store does not take it."""

    async def put_file(self, key: str, path: Path) -> None:
        """Writes a local file as an object. Raises Trouble when the store does not take it."""

    async def delete(self, keys: Iterable[str]) -> None:
        """Removes objects; one that is not there is passed over. Raises Trouble when the store is away."""

    async def stream(self, key: str) -> tuple[int, AsyncIterator[bytes]]:
        """The object's size in bytes and its bytes in pieces of up to 64 KiB. Raises ObjectMissing; Trouble when the store is away, the pieces too."""

    async def size(self, key: str) -> int:
        """The object's size in bytes. Raises ObjectMissing; Trouble when the store is away."""

    def part(self, key: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """The object's bytes from `start` up to but without `stop`, in pieces of up to 64 KiB. The pieces raise Trouble."""

    def signed_url(self, key: str, method: str, lifetime: timedelta) -> str | None:
        """Where anybody gets the object without asking us, for so long; None for a store that has no address of its own. Asks nobody."""

    async def get(self, key: str) -> bytes:
        """The whole object. Raises ObjectMissing; Trouble when the store is away."""

    def keys(self) -> AsyncIterator[Sequence[str]]:
        """The keys of all objects, a thousand at a time, in any order. They raise Trouble when the store is away."""


def open_store(storage: Storage) -> ObjectStore:
    """The store behind a storage URL. Raises ValueError for what is neither a folder nor a bucket."""
    parts = urlsplit(storage.url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
        return LocalObjects(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        _check_bucket(storage)
        return BucketObjects(storage, parts.netloc, parts.path.strip("/"))
    raise ValueError(f"a storage URL is file:///folder or s3://bucket/prefix, not {storage.url}")


def _check_bucket(storage: Storage) -> None:
    endpoint = urlsplit(storage.endpoint)
    if storage.endpoint and (endpoint.scheme not in ("http", "https") or not endpoint.hostname):
        raise ValueError(f"CALLDOCK_S3_ENDPOINT is an address such as https://s3.example.com, not {storage.endpoint}")
    if bool(storage.access_key_id) != bool(storage.secret_access_key):
        raise ValueError("CALLDOCK_S3_ACCESS_KEY_ID and CALLDOCK_S3_SECRET_ACCESS_KEY go together: set both or neither")


class _Objects:
    """What both stores share."""

    def __init__(self, store: LocalStore | S3Store) -> None:
        self._store = store

    async def put(self, key: str, data: bytes) -> None:
        """See ObjectStore."""
        await self._put(key, data)

    async def put_file(self, key: str, path: Path) -> None:
        """See ObjectStore."""
        await self._put(key, path)

    async def _put(self, key: str, what: bytes | Path) -> None:
        try:
            # In one request: parts that a kill leaves behind would be under no key.
            await obstore.put_async(self._store, key, what, attributes=self._attributes(key), use_multipart=False)
            await self._make_durable(key)
        except (BaseError, OSError) as error:
            raise Trouble(f"object store did not take {key}") from error

    def _attributes(self, key: str) -> "Attributes | None":
        """What is kept beside an object. A file has nothing beside it."""
        return None

    async def _make_durable(self, key: str) -> None:
        """After a put. A bucket is durable by itself."""

    async def delete(self, keys: Iterable[str]) -> None:
        """See ObjectStore."""
        for key in keys:
            try:
                await obstore.delete_async(self._store, key)
            except (NotFoundError, FileNotFoundError):
                continue
            except (BaseError, OSError) as error:
                raise Trouble(f"object store did not delete {key}") from error

    async def size(self, key: str) -> int:
        """See ObjectStore."""
        try:
            found = await obstore.head_async(self._store, key)
        except (NotFoundError, FileNotFoundError) as error:
            raise ObjectMissing(key) from error
        except (BaseError, OSError) as error:
            raise Trouble(f"object store did not give {key}") from error
        return found["size"]

    async def stream(self, key: str) -> tuple[int, AsyncIterator[bytes]]:
        """See ObjectStore."""
        size_bytes = await self.size(key)
        return size_bytes, self.part(key, 0, size_bytes)

    async def part(self, key: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """See ObjectStore. Range after range, each a request of its own: whoever listens slowly keeps none of them waiting."""
        for begin in range(start, stop, _RANGE_BYTES):
            try:
                length = min(_RANGE_BYTES, stop - begin)
                part = bytes(await obstore.get_range_async(self._store, key, start=begin, length=length))
            except (BaseError, OSError) as error:
                raise Trouble(f"object store did not give {key} to its end") from error
            for place in range(0, len(part), PIECE_BYTES):
                yield part[place : place + PIECE_BYTES]

    async def get(self, key: str) -> bytes:
        """See ObjectStore."""
        try:
            found = await obstore.get_async(self._store, key)
            return bytes(await found.bytes_async())
        except (NotFoundError, FileNotFoundError) as error:
            raise ObjectMissing(key) from error
        except (BaseError, OSError) as error:
            raise Trouble(f"object store did not give {key}") from error

    async def keys(self) -> AsyncIterator[Sequence[str]]:
        """See ObjectStore."""
        try:
            async for found in obstore.list(self._store, chunk_size=_LISTED_AT_ONCE):
                # Of a local store, what is being written lies beside its key.
                yield [each["path"] for each in found if "#" not in each["path"]]
        except (BaseError, OSError) as error:
            raise Trouble("object store does not say what it holds") from error


class LocalObjects(_Objects):
    """Objects as files in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        super().__init__(LocalStore(folder, automatic_cleanup=True))

    async def _make_durable(self, key: str) -> None:
        await asyncio.to_thread(_sync_to_disk, self._folder, key)

    def signed_url(self, key: str, method: str, lifetime: timedelta) -> str | None:
        """See ObjectStore."""
        return None

    async def delete(self, keys: Iterable[str]) -> None:
        """See ObjectStore. What a killed put left beside its key goes too."""
        named = list(keys)
        await super().delete(named)
        await asyncio.to_thread(_remove_staged, self._folder, named)


class BucketObjects(_Objects):
    """Objects in a bucket. S3 shows an object only when it is whole, and answers a put when it is durable."""

    def __init__(self, storage: Storage, bucket: str, prefix: str) -> None:
        config: S3Config = {"bucket": bucket, "virtual_hosted_style_request": not storage.endpoint}
        if storage.endpoint:
            config["endpoint"] = storage.endpoint
        if storage.region:
            config["region"] = storage.region
        if storage.access_key_id:
            config["access_key_id"] = storage.access_key_id
            config["secret_access_key"] = storage.secret_access_key
        client: ClientConfig = {
            "allow_http": storage.endpoint.startswith("http://"),
            "connect_timeout": _CONNECT_TIMEOUT,
            "timeout": _REQUEST_TIMEOUT,
        }
        self._bucket = S3Store(prefix=prefix or None, config=config, client_options=client, retry_config=_RETRIES)
        super().__init__(self._bucket)

    def signed_url(self, key: str, method: str, lifetime: timedelta) -> str | None:
        """See ObjectStore."""
        return obstore.sign(self._bucket, "HEAD" if method == "HEAD" else "GET", key, lifetime)

    def _attributes(self, key: str) -> "Attributes | None":
        # Who is sent to the bucket hears from it what a file is.
        kind = _CONTENT_TYPES.get(key.rpartition(".")[2])
        return {"Content-Type": kind} if kind else None


def _remove_staged(folder: Path, keys: Sequence[str]) -> None:
    """The local store writes beside the key, under `key#number`, before it renames."""
    for key in keys:
        path = folder / key
        for staged in path.parent.glob(f"{escape(path.name)}#*"):
            staged.unlink(missing_ok=True)


def _sync_to_disk(folder: Path, key: str) -> None:
    """The store writes beside and renames, but leaves the sync to the system: a key must not be committed before its object would survive a power cut."""
    path = folder / key
    for name in (path, *(parent for parent in path.parents if parent.is_relative_to(folder))):
        handle = os.open(name, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
