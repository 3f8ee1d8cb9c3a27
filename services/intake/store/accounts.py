"""Accounts and their access tokens."""

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.engine import Row

from services.intake.account import Account, NewAccount
from services.intake.store.tables import AccountRow, TagRow, TokenRow
from services.shared.db.tables import table_of
from services.shared.errors import Mnemonic, Refusal
from services.shared.identity import AccountId, Identity, Role

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
            "request_id": request_id,
            "create_time": now,
        }
        account_id = connection.execute(insert(_accounts).values(values).returning(_accounts.c.account_id)).scalar_one()
        connection.execute(insert(_tags).values(account_id=account_id, name=SALES_TAG, is_system=True))
    else:
        connection.execute(delete(_tokens).where(_tokens.c.account_id == account_id))
    connection.execute(
        insert(_tokens).values(
            token_sha256=token_sha256, account_id=account_id, role=Role.ADMIN, is_blocked=False, create_time=now
        )
    )
    return get_account(connection, AccountId(account_id))


def get_account(connection: Connection, account_id: AccountId) -> Account:
    """The account. Raises Refusal account_inactive when it is gone or disabled."""
    row = connection.execute(select(_accounts).where(_accounts.c.account_id == account_id)).first()
    if row is None or not row.is_active:
        raise Refusal(Mnemonic.ACCOUNT_INACTIVE)
    return _account(row)


def identify(connection: Connection, token_sha256: bytes, now: datetime) -> Identity:
    """Whose token has this hash. Raises Refusal access_token_invalid, _blocked, _expired, account_inactive."""
    row = connection.execute(
        select(_tokens, _accounts.c.is_active)
        .join(_accounts, _accounts.c.account_id == _tokens.c.account_id)
        .where(_tokens.c.token_sha256 == token_sha256)
    ).first()
    if row is None:
        raise Refusal(Mnemonic.ACCESS_TOKEN_INVALID)
    if row.is_blocked:
        raise Refusal(Mnemonic.ACCESS_TOKEN_BLOCKED)
    if row.expire_time is not None and row.expire_time <= now:
        raise Refusal(Mnemonic.ACCESS_TOKEN_EXPIRED)
    if not row.is_active:
        raise Refusal(Mnemonic.ACCOUNT_INACTIVE)
    return Identity(account_id=AccountId(row.account_id), role=Role(row.role))


def _account(row: Row[tuple[object, ...]]) -> Account:
    return Account(
        account_id=AccountId(row.account_id),
        name=row.name,
        time_zone=row.time_zone,
        region=row.region,
        has_voice_analysis=row.has_voice_analysis,
        is_active=row.is_active,
        create_time=row.create_time,
    )
