"""What a recording host wants to see before it gives a file: a header that is sent to that host and port alone, over https."""

import base64
from dataclasses import dataclass, field
from datetime import datetime

from services.shared.errors import Mnemonic, Refusal
from services.shared.host_port import TRANSPORT_HEADERS, HostPort, host_port_of

MOST_HOSTS = 100


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
    return host_port_of(url, ("https",))


def bearer(token: str) -> RequestHeader:
    """RFC 6750, 2.1."""
    return RequestHeader("authorization", f"Bearer {token}")


def basic(username: str, password: str) -> RequestHeader:
    """RFC 7617, in UTF-8."""
    return RequestHeader("authorization", f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}")


def header(name: str, value: str) -> RequestHeader:
    """As it came. Raises Refusal for a header that is the transport's own."""
    if name.lower() in TRANSPORT_HEADERS:
        why = "this header belongs to the download itself"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("header", "name"), value=name, why=why)
    return RequestHeader(name.lower(), value)
