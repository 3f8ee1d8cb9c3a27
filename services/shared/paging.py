"""Pages of a list whose order never changes: the token names the key below which the next page begins (AIP-158)."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from services.shared.errors import Mnemonic, Refusal

T = TypeVar("T")
M = TypeVar("M", bound=Message)

DEFAULT_PAGE = 100
LARGEST_PAGE = 1000
PAGE_BYTES = 2 * 1024 * 1024
MAX_KEY = 2**63 - 1
_NOT_OURS = "not a page token of this list and filter"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items, newest first, and what names the next page; empty on the last."""

    items: Sequence[T]
    next_page_token: str


def page_token_below(scope: str, key: int | str) -> str:
    """The token of the page that begins below this key. `scope` names the list and its filters: a token works for no other."""
    return base64.urlsafe_b64encode(f"{scope}|{key}".encode()).decode()


def read_page_token(scope: str, token: str, *, name: str = "page_token", why: str = _NOT_OURS) -> str | None:
    """The key below which a page begins; None for the first page. Raises Refusal for a token that is not of this list; `name` and `why` are for others like it."""
    if not token:
        return None
    try:
        text = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode("ascii")
    except (ValueError, binascii.Error) as error:
        raise _not_ours(token, name, why) from error
    came, _, key = text.partition("|")
    if came != scope or not key:
        raise _not_ours(token, name, why)
    return key


def read_number_token(scope: str, token: str, *, name: str = "page_token", why: str = _NOT_OURS) -> int | None:
    """As `read_page_token`, for lists whose keys are int64."""
    key = read_page_token(scope, token, name=name, why=why)
    if key is None:
        return None
    if not key.isascii() or not key.isdigit() or len(key) > 19 or int(key) > MAX_KEY:
        raise _not_ours(token, name, why)
    return int(key)


def size_of(asked: int) -> int:
    """How many items a page of the asked size has."""
    return min(asked or DEFAULT_PAGE, LARGEST_PAGE)


def page_of(found: Sequence[T], size: int, token_after: Callable[[T], str]) -> Page[T]:
    """The page of a list of which one item more than `size` was looked for. `token_after` is the token of the page that begins after an item."""
    items = found[:size]
    return Page(items, token_after(items[-1]) if len(found) > size else "")


def fitting(page: Page[M], token_after: Callable[[M], str]) -> Page[M]:
    """The page cut to as many messages as fit 2 MiB, at least one. Clients of gRPC take 4 MiB by default."""
    total = 0
    for count, message in enumerate(page.items):
        total += message.ByteSize()
        if count and total > PAGE_BYTES:
            return Page(page.items[:count], token_after(page.items[count - 1]))
    return page


def _not_ours(token: str, name: str, why: str) -> Refusal:
    return Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=(name,), value=token, why=why)
