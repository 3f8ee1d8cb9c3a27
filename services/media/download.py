"""Downloading from an address that anybody may have named (docs/contract.md 6). The one door to aiohttp here."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from yarl import URL

from services.media.credential import HostCredential
from services.media.digest import Digesting, Digests
from services.media.scratch import writing
from services.media.verdict import AudioRules, ErrorCode, Fault, RecordingFormat
from services.shared.addresses import AddressRefused
from services.shared.egress import EgressGuard, open_session
from services.shared.errors import Trouble

MAX_REDIRECTS = 5
PIECE_BYTES = 64 * 1024
_OUR_OWN = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_REDIRECTS = (301, 302, 303, 307, 308)
_MAY_PASS = (408, 425, 429)
"""Statuses below 500 that ask to come again: time-out, too early, too many requests."""
_CONTENT_TYPES = {RecordingFormat.WAV: "audio/wav", RecordingFormat.MP3: "audio/mpeg"}


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file that is whole: its size in bytes and its digests."""

    size_bytes: int
    digests: Digests


class DownloadRefused(Exception):
    """The file is not to be had; `fault` says why."""

    def __init__(self, code: ErrorCode, message: str, *, is_transient: bool = False) -> None:
        self.fault = Fault(code, message, is_transient)
        super().__init__(message)


class Downloader:
    """Downloads within the egress guard, a time for everything, and a size."""

    def __init__(self, guard: EgressGuard, trust: ssl.SSLContext, timeout_s: float) -> None:
        self._guard = guard
        self._trust = trust
        self._timeout_s = timeout_s

    async def download(
        self,
        url: str,
        kind: RecordingFormat,
        rules: AudioRules,
        target: Path,
        take: Callable[[int], None],
        credential: HostCredential | None = None,
    ) -> Downloaded:
        """Writes what the URL gives into `target`; `take` is asked for room, in bytes, before they come. Only the credential's own host sees it, also after redirects. Raises DownloadRefused; then `target` holds nothing of use."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._follow(_parsed(url), kind, rules, target, take, credential)
        except TimeoutError:
            raise DownloadRefused(ErrorCode.TIMEOUT, f"the download took longer than {self._timeout_s:g} s") from None
        except AddressRefused as refused:
            raise DownloadRefused(ErrorCode.DOWNLOAD_ERROR, str(refused)) from refused
        except aiohttp.InvalidURL as error:
            raise _no_link() from error
        except (aiohttp.ClientError, OSError) as error:
            if getattr(error, "errno", None) in _OUR_OWN:
                raise Trouble("this machine has no room for another download") from error
            raise DownloadRefused(ErrorCode.CONNECTION, _cause(error), is_transient=True) from error
        except ValueError as error:
            # After the errors of TLS, of which one is a ValueError too.
            raise _no_link() from error

    async def _follow(
        self,
        url: URL,
        kind: RecordingFormat,
        rules: AudioRules,
        target: Path,
        take: Callable[[int], None],
        credential: HostCredential | None,
    ) -> Downloaded:
        for _ in range(MAX_REDIRECTS + 1):
            resolver = await self._guard.resolve(url)
            shown = credential.headers_for(url.scheme, url.raw_host or "", url.port) if credential else {}
            async with (
                open_session(resolver, self._trust, self._timeout_s) as session,
                # Two who say who we are would contradict each other: what the account stored counts.
                session.get(
                    url.with_user(None) if shown else url,
                    allow_redirects=False,
                    headers={"accept-encoding": "identity", **shown},
                ) as response,
            ):
                if response.status not in _REDIRECTS:
                    return await _receive(response, kind, rules, target, take)
                url = _redirected(url, response.headers.get("location", ""))
        raise DownloadRefused(ErrorCode.DOWNLOAD_ERROR, f"more than {MAX_REDIRECTS} redirects")


async def _receive(
    response: aiohttp.ClientResponse,
    kind: RecordingFormat,
    rules: AudioRules,
    target: Path,
    take: Callable[[int], None],
) -> Downloaded:
    if response.status != 200:
        may_pass = response.status in _MAY_PASS or 500 <= response.status <= 599
        why = f"the server answered {response.status}, 200 is needed"
        raise DownloadRefused(ErrorCode.HTTP_STATUS, why, is_transient=may_pass)
    came = response.headers.get("content-type", "")
    if came.partition(";")[0].strip().lower() not in {_CONTENT_TYPES[kind], *rules.content_types.get(kind, ())}:
        raise DownloadRefused(
            ErrorCode.CONTENT_TYPE, f"Content-Type is {came[:100]!r}, {_CONTENT_TYPES[kind]} is needed"
        )
    max_size_bytes = rules.max_size_bytes
    if response.content_length is not None and response.content_length > max_size_bytes:
        raise _too_large(f"{response.content_length:,} bytes by its Content-Length", max_size_bytes)
    # A server that does not say may send as much as is taken at all.
    take(max_size_bytes if response.content_length is None else response.content_length)
    size, digesting = 0, Digesting()
    with writing(target) as write:
        async for piece in response.content.iter_chunked(PIECE_BYTES):
            size += len(piece)
            if size > max_size_bytes:
                raise _too_large(f"more than {max_size_bytes:,} bytes came", max_size_bytes)
            digesting.take(piece)
            write(piece)
    return Downloaded(size, digesting.digests())


def host_of(url: str) -> str:
    """The host and port that a link names, for counting; empty for what is no link."""
    try:
        parsed = URL(url)
    except ValueError:
        return ""
    return f"{(parsed.raw_host or '').lower()}:{parsed.port}"


def _no_link() -> DownloadRefused:
    return DownloadRefused(ErrorCode.DOWNLOAD_ERROR, "not a link that can be fetched")


def _too_large(told: str, max_size_bytes: int) -> DownloadRefused:
    return DownloadRefused(
        ErrorCode.MAX_FILE_SIZE, f"the file is too large: {told}, at most {max_size_bytes:,} are taken"
    )


def _parsed(text: str) -> URL:
    try:
        url = URL(text)
    except ValueError as error:
        raise _no_link() from error
    if url.scheme not in ("http", "https") or not url.host:
        raise DownloadRefused(ErrorCode.DOWNLOAD_ERROR, "not an http or https link")
    return url


def _redirected(url: URL, location: str) -> URL:
    try:
        target = url.join(URL(location))
    except ValueError as error:
        raise DownloadRefused(ErrorCode.DOWNLOAD_ERROR, "redirected to something that is no link") from error
    if not location or target.scheme not in ("http", "https") or not target.host:
        raise DownloadRefused(ErrorCode.DOWNLOAD_ERROR, "redirected to something that is no http or https link")
    if url.scheme == "https" and target.scheme == "http":
        raise DownloadRefused(ErrorCode.DOWNLOAD_ERROR, "redirected from https to http")
    return target


def _cause(error: Exception) -> str:
    """What went wrong, without the address that was dialled."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | ssl.SSLError):
        return "TLS failed: the certificate is not trusted, or there is no common protocol"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "could not connect to the server"
    if isinstance(error, socket.gaierror):
        return "the server's name has no address"
    return "the connection broke before the file was whole"
