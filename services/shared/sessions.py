"""Sessions of the client area: an access token in a cookie, or in the code of a one-time link, that only we can read (docs/decisions/0017-client-area.md)."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from services.shared.clock import Clock
from services.shared.errors import Mnemonic, Refusal
from services.shared.sealing import CannotUnseal, Sealer, read_key

COOKIE = "calldock_session"
APP_HEADER = "x-calldock-app"
"""A session counts only beside this header: another site's page cannot send it without asking first, and nobody answers that question."""
LIFETIME = timedelta(hours=12)
CODE_LIFETIME = timedelta(minutes=5)
_PURPOSE = "session of the client area"
_CODE_PURPOSE = "one-time link of the client area"
_LINK_ID_BYTES = 16
_TO_ADDRESS = str.maketrans("+/:=", "-_.~")
_FROM_ADDRESS = str.maketrans("-_.~", "+/:=")
"""A sealed text in letters that stand in an address as they are (RFC 3986, unreserved)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What the code of a one-time link says. `link_id` is the same however the code is spelled: base64 can be written in several ways."""

    link_id: bytes
    expire_time: datetime
    token: str


class Sessions:
    """Seals tokens into cookies and opens them again."""

    def __init__(self, session_key: SecretStr, clock: Clock) -> None:
        """Raises ValueError for what is no key."""
        key = read_key(session_key.get_secret_value())
        self._sealer = Sealer(key)
        self._clock = clock

    def seal(self, token: str) -> tuple[str, datetime]:
        """The cookie's value, and until when it is good."""
        until = (self._clock.now() + LIFETIME).replace(microsecond=0)
        return self._sealer.seal(f"{int(until.timestamp())} {token}", _PURPOSE), until

    def token(self, sent: Mapping[str, str]) -> str | None:
        """The token of a request's session, by its headers; None when it brings none. Raises Refusal access_token_expired, access_token_invalid."""
        value = _cookie(sent.get("cookie", "")) if sent.get(APP_HEADER) else None
        if value is None:
            return None
        try:
            until, _, token = self._sealer.unseal(value, _PURPOSE).partition(" ")
        except (CannotUnseal, ValueError) as error:
            raise Refusal(Mnemonic.ACCESS_TOKEN_INVALID, why="this session is not ours: sign in again") from error
        if self._clock.now().timestamp() >= int(until):
            raise Refusal(Mnemonic.ACCESS_TOKEN_EXPIRED, why="the session is over: sign in again")
        return token

    def seal_code(self, token: str) -> str:
        """The code of a link: good for CODE_LIFETIME, in letters that stand in an address as they are. That it is used once is for whoever takes it."""
        made = f"{self._clock.now().timestamp():.6f}"
        text = f"{made} {secrets.token_hex(_LINK_ID_BYTES)} {token}"
        return self._sealer.seal(text, _CODE_PURPOSE).translate(_TO_ADDRESS)

    def open_code(self, code: str) -> Code | None:
        """What a code says; None for one that is not ours, altered or over."""
        try:
            made, link_id, token = self._sealer.unseal(code.translate(_FROM_ADDRESS), _CODE_PURPOSE).split(" ", 2)
            expire_time = datetime.fromtimestamp(float(made), UTC) + CODE_LIFETIME
            found = Code(link_id=bytes.fromhex(link_id), expire_time=expire_time, token=token)
        except (CannotUnseal, ValueError):
            return None
        return found if self._clock.now() < expire_time else None


def _cookie(header: str) -> str | None:
    """Our cookie's value. By hand: the standard library drops all cookies when a neighbour on this host set one that it cannot read."""
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value.strip('"')
    return None
