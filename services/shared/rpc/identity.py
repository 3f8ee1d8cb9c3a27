"""Who is calling: the bearer token of a public method, turned into an account and a role before the handler runs."""

import hmac
from collections import OrderedDict
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TypeAlias
from urllib.parse import unquote

from pydantic import SecretStr

from services.shared.clock import Clock
from services.shared.errors import Mnemonic, Refusal
from services.shared.identity import EVERYWHERE, AccountId, Authenticate, Identity, Role, token_sha256
from services.shared.rpc.status import Context, Guard, header, headers
from services.shared.rpc.tls import ENVOY, PeerTls, caller_names, callers_guard
from services.shared.sessions import Sessions

FOUND_KEPT_S = 5.0
"""A token that was blocked works this much longer at most."""
NOT_FOUND_KEPT_S = 1.0
CACHE_ENTRIES = 10_000

INTERNAL_KEY_HEADER = "x-calldock-internal-key"
CLIENT_ADDRESS_HEADER = "x-calldock-client-address"
"""Set by Envoy on every request that came through the front door."""


ACTING_FOR_HEADER = "x-calldock-account"
"""Names the account that an agent's token means."""

MAX_ACCOUNT_DIGITS = 18

_current: ContextVar[Identity] = ContextVar("identity")


def current_identity() -> Identity:
    """The caller of the running method, which the identity guard found."""
    return _current.get()


def identity_guard(
    authenticate: Authenticate,
    roles: Mapping[str, Role | None],
    components: Mapping[str, str] | None = None,
    sessions: Sessions | None = None,
) -> Guard:
    """Demands a bearer token, or a session that stands for one, of the role that each method path needs, and the component that some need; None leaves a method to find its caller itself.

    A path that is not listed in `roles` is a bug.
    """
    needed_components = components or {}

    async def guard(method: str, context: Context) -> None:
        needed = roles[method]
        if needed is None:
            return
        sent = headers(context)
        in_session = sessions.token(sent) if sessions is not None and "authorization" not in sent else None
        sha256 = token_sha256(in_session or _bearer_token(sent))
        identity = await authenticate(sha256, _acting_for(sent))
        # gRPC takes its time to say where a call comes from, and most tokens work everywhere.
        identity.admit("" if identity.allowed_networks == EVERYWHERE else _address(context, sent))
        identity.require(needed)
        if method in needed_components:
            identity.require_component(needed_components[method])
        _current.set(identity)

    return guard


def internal_key_guard(key: SecretStr | None) -> Guard:
    """Demands the services' shared secret when one is set; an empty one counts as none."""

    async def guard(_method: str, context: Context) -> None:
        came = header(context, INTERNAL_KEY_HEADER).encode()
        if key and not hmac.compare_digest(came, key.get_secret_value().encode()):
            raise Refusal(Mnemonic.FORBIDDEN)

    return guard


def internal_guards(
    key: SecretStr | None, tls: PeerTls | None, callers: Mapping[str, frozenset[str]]
) -> tuple[Guard, ...]:
    """What an internal listener demands: the key when one is set, and with TLS a certificate of a process that each of its services is for."""
    return (internal_key_guard(key), *(() if tls is None else (callers_guard(callers),)))


def client_address(context: Context) -> str:
    """The caller's address: what Envoy saw, when the call came through Envoy's socket or shows a certificate that names Envoy; the peer itself else, whatever its headers say."""
    return _address(context, headers(context))


def _address(context: Context, sent: Mapping[str, str]) -> str:
    peer = context.peer()
    if peer.startswith("unix:") or ENVOY in caller_names(context):
        return sent.get(CLIENT_ADDRESS_HEADER, "")
    kind, _, address = peer.partition(":")
    host = unquote(address).rpartition(":")[0]
    return host.removeprefix("[").removesuffix("]") if kind in ("ipv4", "ipv6") else ""


def _acting_for(sent: Mapping[str, str]) -> AccountId | None:
    """The account that the caller names as the one meant, if any. Raises Refusal for what is no account's number."""
    named = sent.get(ACTING_FOR_HEADER)
    if not named:
        return None
    if not named.isascii() or not named.isdigit() or len(named) > MAX_ACCOUNT_DIGITS:
        why = "an account's number is due"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=(ACTING_FOR_HEADER,), value=named, why=why)
    return AccountId(int(named))


def _bearer_token(sent: Mapping[str, str]) -> str:
    """The token of `authorization: Bearer <token>`. Raises Refusal access_token_invalid when there is none."""
    scheme, _, token = sent.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refusal(
            Mnemonic.ACCESS_TOKEN_INVALID, why="no access token: send the header authorization: Bearer <token>"
        )
    return token.strip()


_Key: TypeAlias = tuple[bytes, AccountId | None]


class IdentityCache:
    """Remembers answers about tokens for a short while, by hash, so that not every call asks. Trouble is never remembered."""

    def __init__(self, ask: Authenticate, clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._kept: OrderedDict[_Key, tuple[float, Identity | Refusal]] = OrderedDict()

    async def authenticate(self, sha256: bytes, acting_for: AccountId | None) -> Identity:
        """As the wrapped function, at most 5 s out of date (1 s for a token that was not found)."""
        kept = self._kept.get((sha256, acting_for))
        if kept is None or kept[0] < self._clock.monotonic():
            kept = await self._fresh(sha256, acting_for)
        answer = kept[1]
        if isinstance(answer, Refusal):
            raise Refusal(answer.mnemonic, why=answer.why)
        return answer

    async def _fresh(self, sha256: bytes, acting_for: AccountId | None) -> tuple[float, Identity | Refusal]:
        answer: Identity | Refusal
        try:
            answer, kept_s = await self._ask(sha256, acting_for), FOUND_KEPT_S
        except Refusal as refusal:
            answer, kept_s = refusal, NOT_FOUND_KEPT_S
        entry = (self._clock.monotonic() + kept_s, answer)
        self._kept[sha256, acting_for] = entry
        self._kept.move_to_end((sha256, acting_for))
        if len(self._kept) > CACHE_ENTRIES:
            self._kept.popitem(last=False)
        return entry


def sessions_of(session_key: SecretStr | None, clock: Clock) -> Sessions | None:
    """The sessions that a service takes; none where no key is set."""
    return Sessions(session_key, clock) if session_key else None
