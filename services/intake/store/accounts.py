"""Accounts and their access tokens."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.engine import Row

from services.intake.account import Account, AccountChange, NewAccount, NewToken, Token
from services.intake.store.tables import AccountRow, TagRow, TokenRow
from services.shared.db.tables import table_of
from services.shared.errors import Mnemonic, Refusal, not_found
from services.shared.identity import EVERYWHERE, AccountId, Identity, Role

_accounts = table_of(AccountRow)
_tokens = table_of(TokenRow)
_tags = table_of(TagRow)

SALES_TAG = "Sale"
"""The system tag of every account; calls get it by `set.tag_sales` only."""


def create_account(
    connection: Connection, new: NewAccount, token_sha256: bytes, request_id: str | None, now: datetime
) -> Account:
    """Stores an account with its first token. With a `request_id` that was seen before, the account of then gets this token for its earlier ones."""
    account_id = None
    if request_id is not None:
        account_id = connection.execute(
            select(_accounts.c.account_id).where(_accounts.c.request_id == request_id)
        ).scalar()
    if account_id is None:
        values = {
            "name": new.name,
            "time_zone": new.time_zone,
            "region": new.region,
            "has_voice_analysis": new.has_voice_analysis,
            "is_active": True,
            "allowed_networks": list(EVERYWHERE),
            "request_id": request_id,
            "create_time": now,
        }
        account_id = connection.execute(insert(_accounts).values(values).returning(_accounts.c.account_id)).scalar_one()
        connection.execute(insert(_tags).values(account_id=account_id, name=SALES_TAG, is_system=True))
    else:
        connection.execute(delete(_tokens).where(_tokens.c.account_id == account_id))
    add_token(connection, AccountId(account_id), token_sha256, NewToken(role=Role.ADMIN), now)
    return get_account(connection, AccountId(account_id))


def get_account(connection: Connection, account_id: AccountId) -> Account:
    """The account. Raises Refusal account_inactive when it is gone or disabled."""
    row = connection.execute(select(_accounts).where(_accounts.c.account_id == account_id)).first()
    if row is None or not row.is_active:
        raise Refusal(Mnemonic.ACCOUNT_INACTIVE)
    return _account(row)


def identify(connection: Connection, token_sha256: bytes, now: datetime) -> Identity:
    """Whose token has this hash. Whether its account is active is for the caller to ask. Raises Refusal access_token_invalid, _blocked, _expired."""
    row = connection.execute(
        select(_tokens, _accounts.c.is_active, _accounts.c.allowed_networks)
        .join(_accounts, _accounts.c.account_id == _tokens.c.account_id)
        .where(_tokens.c.token_sha256 == token_sha256)
    ).first()
    if row is None:
        raise Refusal(Mnemonic.ACCESS_TOKEN_INVALID)
    if row.is_blocked:
        raise Refusal(Mnemonic.ACCESS_TOKEN_BLOCKED)
    if row.expire_time is not None and row.expire_time <= now:
        raise Refusal(Mnemonic.ACCESS_TOKEN_EXPIRED)
    return Identity(
        account_id=AccountId(row.account_id),
        role=Role(row.role),
        allowed_networks=tuple(row.allowed_networks),
        token_id=row.token_id,
        is_active=row.is_active,
    )


def list_accounts(connection: Connection, most: int) -> list[Account]:
    """All accounts, oldest first, disabled ones too."""
    return [_account(row) for row in connection.execute(select(_accounts).order_by(_accounts.c.account_id).limit(most))]


def set_account(
    connection: Connection, account_id: AccountId, is_active: bool | None, has_voice_analysis: bool | None
) -> Account:
    """Changes what the operator decides; None stays. Raises Refusal entity_not_found."""
    values = {"is_active": is_active, "has_voice_analysis": has_voice_analysis}
    return _change(connection, account_id, {name: value for name, value in values.items() if value is not None})


def update_account(connection: Connection, account_id: AccountId, change: AccountChange) -> Account:
    """Changes what the account itself decides; None stays."""
    networks = None if change.allowed_networks is None else list(change.allowed_networks)
    values = {
        "name": change.name,
        "time_zone": change.time_zone,
        "region": change.region,
        "allowed_networks": networks,
    }
    return _change(connection, account_id, {name: value for name, value in values.items() if value is not None})


def add_token(connection: Connection, account_id: AccountId, sha256: bytes, new: NewToken, now: datetime) -> Token:
    """Stores a token by its hash."""
    values = {
        "token_sha256": sha256,
        "account_id": account_id,
        "role": new.role,
        "name": new.name,
        "is_blocked": False,
        "expire_time": new.expire_time,
        "create_time": now,
    }
    return _token(connection.execute(insert(_tokens).values(values).returning(*_tokens.c)).one())


def list_tokens(connection: Connection, account_id: AccountId, most: int) -> list[Token]:
    """The account's tokens, newest first."""
    wanted = select(_tokens).where(_tokens.c.account_id == account_id).order_by(_tokens.c.token_id.desc()).limit(most)
    return [_token(row) for row in connection.execute(wanted)]


def block_token(connection: Connection, account_id: AccountId, token_id: int) -> Token:
    """Stops a token for good. Raises Refusal entity_not_found."""
    blocked = (
        update(_tokens)
        .where(_tokens.c.account_id == account_id, _tokens.c.token_id == token_id)
        .values(is_blocked=True)
        .returning(*_tokens.c)
    )
    row = connection.execute(blocked).first()
    if row is None:
        raise not_found("token_id", token_id, "there is no such token")
    return _token(row)


def _change(connection: Connection, account_id: AccountId, values: dict[str, Any]) -> Account:
    if values:
        connection.execute(update(_accounts).where(_accounts.c.account_id == account_id).values(values))
    row = connection.execute(select(_accounts).where(_accounts.c.account_id == account_id)).first()
    if row is None:
        raise not_found("account_id", account_id, "there is no such account")
    return _account(row)


def _token(row: Row[tuple[object, ...]]) -> Token:
    return Token(
        token_id=row.token_id,
        name=row.name,
        role=Role(row.role),
        create_time=row.create_time,
        expire_time=row.expire_time,
        is_blocked=row.is_blocked,
    )


def _account(row: Row[tuple[object, ...]]) -> Account:
    return Account(
        account_id=AccountId(row.account_id),
        name=row.name,
        time_zone=row.time_zone,
        region=row.region,
        has_voice_analysis=row.has_voice_analysis,
        is_active=row.is_active,
        allowed_networks=tuple(row.allowed_networks),
        create_time=row.create_time,
    )
