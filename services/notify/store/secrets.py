"""Signing secrets and custom headers, sealed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select, update

from services.notify.signature import SignatureScheme
from services.notify.store.tables import CustomHeadersRow, SigningSecretRow
from services.shared.db.locks import Lock, take
from services.shared.db.tables import table_of
from services.shared.errors import Mnemonic, Refusal

_secrets = table_of(SigningSecretRow)
_headers = table_of(CustomHeadersRow)

MOST_SECRETS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSecret:
    """A signing secret, sealed. Without `expire_time` it is the newest of its account."""

    secret_id: int
    scheme: SignatureScheme
    sealed: str
    create_time: datetime
    expire_time: datetime | None


def live_secrets(connection: Connection, account_id: int, now: datetime) -> list[StoredSecret]:
    """The account's secrets that are in use, newest first."""
    wanted = select(_secrets).where(_secrets.c.account_id == account_id, _is_live(now))
    return [
        StoredSecret(
            secret_id=row.secret_id,
            scheme=SignatureScheme(row.scheme),
            sealed=row.sealed,
            create_time=row.create_time,
            expire_time=row.expire_time,
        )
        for row in connection.execute(wanted.order_by(_secrets.c.secret_id.desc()))
    ]


def ensure_secret(
    connection: Connection, account_id: int, seal: Callable[[], str], now: datetime
) -> list[StoredSecret]:
    """The account's secrets that are in use, newest first; one of HMAC is made when it has none."""
    take(connection, Lock.SECRETS, account_id)
    found = live_secrets(connection, account_id, now)
    if found:
        return found
    _insert(connection, account_id, SignatureScheme.HMAC_SHA256, seal(), now)
    return live_secrets(connection, account_id, now)


def rotate_secret(
    connection: Connection, account_id: int, scheme: SignatureScheme, sealed: str, old_end: datetime, now: datetime
) -> StoredSecret:
    """Adds a secret and lets all others run out by `old_end`; those that have are deleted. Raises Refusal for more than five in use."""
    take(connection, Lock.SECRETS, account_id)
    ours = _secrets.c.account_id == account_id
    lives_on = or_(_secrets.c.expire_time.is_(None), _secrets.c.expire_time > old_end)
    connection.execute(update(_secrets).where(ours, lives_on).values(expire_time=old_end))
    connection.execute(delete(_secrets).where(ours, ~_is_live(now)))
    count = len(live_secrets(connection, account_id, now))
    if count >= MOST_SECRETS:
        why = f"{count} signing secrets are in use, at most {MOST_SECRETS} sign at once; end_others_now makes room"
        raise Refusal(Mnemonic.DATA_LIMIT_EXCEEDED, path=("overlap",), why=why, grpc_code="FAILED_PRECONDITION")
    _insert(connection, account_id, scheme, sealed, now)
    return live_secrets(connection, account_id, now)[0]


def any_sealed(connection: Connection) -> list[tuple[str, int, str]]:
    """What is kept of any account, to try the key on: what it is (`secret` or `headers`), whose, and the sealed value; none or one of each."""
    secret = connection.execute(select(_secrets.c.account_id, _secrets.c.sealed).limit(1)).all()
    headers = connection.execute(select(_headers.c.account_id, _headers.c.sealed).limit(1)).all()
    return [("secret", row.account_id, row.sealed) for row in secret] + [
        ("headers", row.account_id, row.sealed) for row in headers
    ]


def set_headers(connection: Connection, account_id: int, sealed: str, now: datetime) -> None:
    """Keeps the account's custom headers, in place of those that were kept."""
    delete_headers(connection, account_id)
    connection.execute(insert(_headers).values(account_id=account_id, sealed=sealed, set_time=now))


def delete_headers(connection: Connection, account_id: int) -> None:
    """Takes the account's custom headers away."""
    connection.execute(delete(_headers).where(_headers.c.account_id == account_id))


def find_headers(connection: Connection, account_id: int) -> tuple[str, datetime] | None:
    """The account's custom headers, sealed, and when they were set."""
    row = connection.execute(select(_headers).where(_headers.c.account_id == account_id)).first()
    return None if row is None else (row.sealed, row.set_time)


def _insert(connection: Connection, account_id: int, scheme: SignatureScheme, sealed: str, now: datetime) -> None:
    connection.execute(insert(_secrets).values(account_id=account_id, scheme=scheme, sealed=sealed, create_time=now))


def _is_live(now: datetime) -> ColumnElement[bool]:
    return or_(_secrets.c.expire_time.is_(None), _secrets.c.expire_time > now)
