"""The host that a link names, as one spelling for all that mean the same."""

from collections.abc import Collection
from dataclasses import dataclass

from yarl import URL

HTTPS_PORT = 443

TRANSPORT_HEADERS = frozenset(
    {
        "accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host", "http2-settings",
        "if-modified-since", "if-none-match", "if-range", "keep-alive", "proxy-authorization", "proxy-connection", "range", "te",
        "trailer", "transfer-encoding", "upgrade", "user-agent",
    }
)  # fmt: skip
"""Headers that say how an exchange with a host goes, which is ours to say."""


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host as links name it, in lower case, and its port."""

    host: str
    port: int

    def __str__(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return shown if self.port == HTTPS_PORT else f"{shown}:{self.port}"


def host_port_of(url: str, schemes: Collection[str]) -> HostPort | None:
    """Host and port of a link, as our HTTP client reads it; None for a link of another scheme, or without a host."""
    try:
        parsed = URL(url)
    except ValueError:
        return None
    host = (parsed.raw_host or "").rstrip(".").lower()
    if parsed.scheme not in schemes or not host or not parsed.port:
        return None
    return HostPort(host, parsed.port)
