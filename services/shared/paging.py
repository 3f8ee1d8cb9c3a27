"""Pages of a list whose order never changes: the token names the key below which the next page begins (AIP-158)."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.shared.errors import Mnemonic, Refusal

T = TypeVar("T")

DEFAULT_PAGE = 100
LARGEST_PAGE = 1000
_MARK = "below:"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items, newest first, and what names the next page; empty on the last."""

    items: Sequence[T]
    next_page_token: str


def page_token_below(key: int | str) -> str:
    """The token of the page that begins below this key."""
    return base64.urlsafe_b64encode(f"{_MARK}{key}".encode()).decode()


def read_page_token(token: str) -> str | None:
    """The key below which a page begins; None for the first page. Raises Refusal for a token that is not ours."""
    if not token:
        return None
    try:
        text = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode("ascii")
    except (ValueError, binascii.Error) as error:
        raise _not_ours(token) from error
    if not text.startswith(_MARK) or len(text) == len(_MARK):
        raise _not_ours(token)
    return text.removeprefix(_MARK)


def read_number_token(token: str) -> int | None:
    """As `read_page_token`, for lists whose keys are numbers."""
    key = read_page_token(token)
    if key is None:
        return None
    if not key.isascii() or not key.isdigit() or len(key) > 19:
        raise _not_ours(token)
    return int(key)


def _not_ours(token: str) -> Refusal:
    return Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("page_token",), value=token, why="not a page token of ours")
