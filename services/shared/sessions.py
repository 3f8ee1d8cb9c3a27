"""Sessions of the client area: an access token in a cookie that only we can read (docs/decisions/0017-client-area.md)."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic import SecretStr

from services.shared.clock import Clock
from services.shared.errors import Mnemonic, Refusal
from services.shared.sealing import CannotUnseal, Sealer, read_key

COOKIE = "calldock_session"
APP_HEADER = "x-calldock-app"
"""A session counts only beside this header: another site's page cannot send it without asking first, and nobody answers that question."""
LIFETIME = timedelta(hours=12)
_PURPOSE = "session of the client area"


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


def _cookie(header: str) -> str | None:
    """Our cookie's value. By hand: the standard library drops all cookies when a neighbour on this host set one that it cannot read."""
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value.strip('"')
    return None
