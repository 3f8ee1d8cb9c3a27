"""What a recording host wants to see before it gives a file: a header that is sent to that host and port alone, over https."""

import base64
from dataclasses import dataclass, field
from datetime import datetime

from yarl import URL

from services.shared.errors import Mnemonic, Refusal

HTTPS_PORT = 443
MOST_HOSTS = 100

_OF_THE_TRANSPORT = frozenset(
    {
        "accept", "accept-encoding", "connection", "content-length", "content-type", "expect", "host", "http2-settings",
        "if-modified-since", "if-none-match", "if-range", "keep-alive", "proxy-authorization", "proxy-connection", "range", "te",
        "trailer", "transfer-encoding", "upgrade", "user-agent",
    }
)  # fmt: skip
"""Headers that say how a download goes, which is ours to say."""


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host as links name it, in lower case, and its port."""

    host: str
    port: int

    def __str__(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return shown if self.port == HTTPS_PORT else f"{shown}:{self.port}"


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """A header that lets us in. The value is a secret, and is not shown."""

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class HostCredential:
    """What lets us in, and the one host that may see it."""

    at: HostPort
    header: RequestHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingHost:
    """A host for which something is stored, without the secret."""

    at: HostPort
    header_name: str
    set_time: datetime


def read_host(text: str) -> HostPort:
    """A host with its port where it is not 443. Raises Refusal for anything more or less."""
    found = host_of(f"https://{text}")
    if found is None or any(mark in text for mark in "/?#@ \\\0"):
        why = "a host is due, with its port where it is not 443: pbx.example.com:8443"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("host",), value=text, why=why)
    return found


def host_of(url: str) -> HostPort | None:
    """Host and port of an https link, as the downloader reads it; None for any other: what lets us in never goes over a wire in the clear."""
    try:
        parsed = URL(url)
    except ValueError:
        return None
    if parsed.scheme != "https" or not parsed.raw_host or not parsed.port:
        return None
    return HostPort(parsed.raw_host.rstrip(".").lower(), parsed.port)


def bearer(token: str) -> RequestHeader:
    """RFC 6750, 2.1."""
    return RequestHeader("authorization", f"Bearer {token}")


def basic(username: str, password: str) -> RequestHeader:
    """RFC 7617, in UTF-8."""
    return RequestHeader("authorization", f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}")


def header(name: str, value: str) -> RequestHeader:
    """As it came. Raises Refusal for a header that is the transport's own."""
    if name.lower() in _OF_THE_TRANSPORT:
        why = "this header belongs to the download itself"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("header", "name"), value=name, why=why)
    return RequestHeader(name.lower(), value)
