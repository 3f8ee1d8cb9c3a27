"""What an account's notifications are sent with: the secrets that sign them and its custom headers, kept sealed."""

import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.notify.custom_headers import NONE, CustomHeaders, check_headers, check_hosts, read, written
from services.notify.signature import SECRET_BYTES, SignatureScheme, Signer, new_secret, public_key, signer
from services.notify.store.secrets import (
    StoredSecret,
    any_sealed,
    delete_headers,
    ensure_secret,
    find_headers,
    live_secrets,
    rotate_secret,
    set_headers,
)
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.errors import Mnemonic, Refusal
from services.shared.sealing import Sealer

KEPT_S = 5.0
"""How long what an account signs with is remembered: another process may change it meanwhile."""
KEPT_ACCOUNTS = 10_000
OVERLAP = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningSecret:
    """A signing secret that is in use, without its text."""

    secret_id: int
    scheme: SignatureScheme
    public_key: str
    create_time: datetime
    expire_time: datetime | None


@dataclass(frozen=True, slots=True)
class _Sending:
    signers: Sequence[tuple[Signer, datetime | None]]
    headers: CustomHeaders


def overlap_of(asked: timedelta | None, *, end_others_now: bool) -> timedelta:
    """How long the other secrets go on signing. Raises Refusal when both are said."""
    if not end_others_now:
        return OVERLAP if asked is None else asked
    if asked is not None:
        why = "the others end now, or after an overlap: not both"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("end_others_now",), value="true", why=why)
    return timedelta()


class Secrets:
    """Signing secrets and custom headers by account."""

    def __init__(self, db: Database, sealer: Sealer, clock: Clock) -> None:
        self._db = db
        self._sealer = sealer
        self._clock = clock
        self._kept: OrderedDict[int, tuple[float, _Sending]] = OrderedDict()
        self._changes = 0

    async def check_key(self) -> None:
        """At the start: raises CannotUnseal when what is stored was sealed with another key, before anybody waits for a signature."""
        for what, account_id, sealed in await self._db.read(any_sealed):
            self._sealer.unseal(sealed, _secret_of(account_id) if what == "secret" else _headers_of(account_id))

    async def ensure(self, account_id: int) -> str:
        """The account's newest secret of HMAC, its first one made on the first call; empty when it signs by Ed25519 alone. Raises CannotUnseal."""
        for each in await self._ensure(account_id):
            if each.scheme is SignatureScheme.HMAC_SHA256:
                return self._sealer.unseal(each.sealed, _secret_of(account_id))
        return ""

    async def sending(self, account_id: int) -> tuple[list[Signer], CustomHeaders]:
        """What signs the account's notifications now, newest first, and the headers that they carry; at most 5 s out of date. Raises CannotUnseal."""
        kept = self._kept.get(account_id)
        if kept is None or kept[0] < self._clock.monotonic():
            changes = self._changes
            kept = (self._clock.monotonic() + KEPT_S, await self._load(account_id))
            # What was changed meanwhile may have been read before: a secret that was ended would go on signing.
            if changes == self._changes:
                self._keep(account_id, kept)
        now = self._clock.now()
        signers = [sign for sign, end in kept[1].signers if end is None or end > now]
        return signers, kept[1].headers

    async def list_all(self, account_id: int) -> list[SigningSecret]:
        """The account's secrets that are in use, newest first."""
        return [self._shown(account_id, each) for each in await self._ensure(account_id)]

    async def rotate(
        self, account_id: int, scheme: SignatureScheme, overlap: timedelta = OVERLAP
    ) -> tuple[SigningSecret, str]:
        """Makes a secret, and ends all others after `overlap` at the latest. Answers its text too; empty for Ed25519. Raises Refusal."""
        text = new_secret(scheme, os.urandom(SECRET_BYTES))
        sealed = self._sealer.seal(text, _secret_of(account_id))
        now = self._clock.now()
        made = await self._db.write(rotate_secret, account_id, scheme, sealed, now + overlap, now)
        self._forget(account_id)
        return self._shown(account_id, made), "" if scheme is SignatureScheme.ED25519 else text

    async def set_headers(self, account_id: int, headers: Sequence[tuple[str, str]], hosts: Sequence[str]) -> None:
        """Keeps the account's custom headers and the hosts that get them, in place of what was kept. Raises Refusal."""
        custom = CustomHeaders(check_headers(headers), check_hosts(hosts))
        sealed = self._sealer.seal(written(custom), _headers_of(account_id))
        await self._db.write(set_headers, account_id, sealed, self._clock.now())
        self._forget(account_id)

    async def delete_headers(self, account_id: int) -> None:
        """Takes the account's custom headers away."""
        await self._db.write(delete_headers, account_id)
        self._forget(account_id)

    async def headers(self, account_id: int) -> tuple[CustomHeaders, datetime | None]:
        """The account's custom headers with the hosts that get them, and when they were set. Raises CannotUnseal."""
        found = await self._db.read(find_headers, account_id)
        if found is None:
            return NONE, None
        return read(self._sealer.unseal(found[0], _headers_of(account_id))), found[1]

    async def _ensure(self, account_id: int) -> list[StoredSecret]:
        found = await self._db.read(live_secrets, account_id, self._clock.now())
        if found:
            return found

        def seal() -> str:
            fresh = new_secret(SignatureScheme.HMAC_SHA256, os.urandom(SECRET_BYTES))
            return self._sealer.seal(fresh, _secret_of(account_id))

        return await self._db.write(ensure_secret, account_id, seal, self._clock.now())

    async def _load(self, account_id: int) -> _Sending:
        signers = [
            (signer(self._sealer.unseal(each.sealed, _secret_of(account_id))), each.expire_time)
            for each in await self._ensure(account_id)
        ]
        headers, _ = await self.headers(account_id)
        return _Sending(signers, headers)

    def _keep(self, account_id: int, loaded: tuple[float, _Sending]) -> None:
        self._kept[account_id] = loaded
        self._kept.move_to_end(account_id)
        if len(self._kept) > KEPT_ACCOUNTS:
            self._kept.popitem(last=False)

    def _forget(self, account_id: int) -> None:
        self._changes += 1
        self._kept.pop(account_id, None)

    def _shown(self, account_id: int, stored: StoredSecret) -> SigningSecret:
        return SigningSecret(
            secret_id=stored.secret_id,
            scheme=stored.scheme,
            public_key=public_key(self._sealer.unseal(stored.sealed, _secret_of(account_id))),
            create_time=stored.create_time,
            expire_time=stored.expire_time,
        )


def _secret_of(account_id: int) -> str:
    return f"webhook secret of account {account_id}"


def _headers_of(account_id: int) -> str:
    return f"custom headers of account {account_id}"
