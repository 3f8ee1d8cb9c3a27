"""Headers that an account's notifications carry beside ours, and the hosts that get them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.notify.notification import receiver_host
from services.shared.errors import Mnemonic, Refusal
from services.shared.host_port import HTTPS_PORT, TRANSPORT_HEADERS, host_port_of

EVERY_HOST = "*"
OURS = "webhook-"
"""Names that begin so belong to the signature."""


@dataclass(frozen=True, slots=True)
class CustomHeaders:
    """Headers by their names in lower case, which are secrets and not shown, and the hosts that get them; none stands for every host."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    receiver_hosts: Sequence[str] = ()


NONE = CustomHeaders()


def check_headers(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The headers by their names in lower case, in order. Raises Refusal for one of the transport or of the signature, and for one that is named twice."""
    kept: dict[str, str] = {}
    for place, (name, value) in enumerate(headers):
        lower = name.lower()
        why = ""
        if lower in TRANSPORT_HEADERS:
            why = "this header belongs to the exchange itself"
        elif lower.startswith(OURS):
            why = "headers of this name belong to the signature"
        elif lower in kept:
            why = "this header is named twice"
        if why:
            raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("headers", place, "name"), value=name, why=why)
        kept[lower] = value
    return kept


def check_hosts(hosts: Sequence[str]) -> list[str]:
    """The hosts in the one spelling of receivers, each once, in order; none for `*`. Raises Refusal for what is no host."""
    if list(hosts) == [EVERY_HOST]:
        return []
    kept: dict[str, None] = {}
    for place, text in enumerate(hosts):
        found = host_port_of(f"https://{text}", ("https",))
        if found is None or not text.isprintable() or any(mark in text for mark in "/?#@ \\*"):
            why = "a host is due, with its port where it is not 443: crm.example.com, crm.local:80; or * alone"
            raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("receiver_hosts", place), value=text, why=why)
        kept[str(found)] = None
    return list(kept)


def headers_for(url: str, custom: CustomHeaders) -> Mapping[str, str]:
    """Those that go to this link: to hosts that are named, or to any; over plain http only where a port was named. A credential is not sent in the clear by accident."""
    is_named = receiver_host(url) in custom.receiver_hosts if custom.receiver_hosts else None
    at = host_port_of(url, ("https",))
    if at is None:
        plain = host_port_of(url, ("http",))
        goes = is_named is True and plain is not None and plain.port != HTTPS_PORT
    else:
        goes = is_named is not False
    return custom.headers if goes else NONE.headers


def written(custom: CustomHeaders) -> str:
    """Headers and their hosts as they are sealed."""
    return json.dumps({"headers": custom.headers, "receiver_hosts": custom.receiver_hosts})


def read(text: str) -> CustomHeaders:
    """Headers and their hosts as they were sealed."""
    kept = json.loads(text)
    return CustomHeaders(kept["headers"], kept["receiver_hosts"])
