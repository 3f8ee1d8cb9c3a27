"""Headers that all of an account's notifications carry beside ours."""

import json
from collections.abc import Mapping, Sequence

from services.shared.errors import Mnemonic, Refusal
from services.shared.host_port import TRANSPORT_HEADERS

OURS = "webhook-"
"""Names that begin so belong to the signature."""


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


def written(headers: Mapping[str, str]) -> str:
    """Headers as they are sealed."""
    return json.dumps(headers)


def read(text: str) -> dict[str, str]:
    """Headers as they were sealed."""
    kept: dict[str, str] = json.loads(text)
    return kept
