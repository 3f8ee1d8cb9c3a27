"""Accounts and their access tokens."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.engine import Row

from services.intake.account import (
    CALL_UPLOAD,
    VOICE_ANALYSIS,
    Account,
    AccountChange,
    NewAccount,
    NewToken,
    OperatorChange,
    Token,
)
from services.intake.audio_settings import AudioSettings, audio_settings
from services.intake.points import Limits
from services.intake.retention import SPANS, Retention
from services.intake.store.tables import AccountRow, AgentAccountRow, TagRow, TokenRow
from services.shared.db.locks import Lock, take
from services.shared.db.tables import table_of
from services.shared.errors import Mnemonic, Path, Refusal, not_found
from services.shared.identity import EVERYWHERE, AccountId, Identity, Role

_accounts = table_of(AccountRow)
_tokens = table_of(TokenRow)
_tags = table_of(TagRow)
_agent_accounts = table_of(AgentAccountRow)

# Asked for by every request: built once.
_ACCOUNT = select(_accounts).where(_accounts.c.account_id == bindparam("account_id"))

SALES_TAG = "Sale"
"""The system tag of every account; calls get it by `set.tag_sales` only."""


def create_account(
    connection: Connection, new: NewAccount, token_sha256: bytes, request_id: str | None, now: datetime
) -> Account:
    """Stores an account with its first token. With a `request_id` that was seen before, the account of then gets this token for its earlier ones."""
    account_id = None
    # Of none yet: two requests of one id make one account.
    take(connection, Lock.ACCOUNT)
    if request_id is not None:
        account_id = connection.execute(
            select(_accounts.c.account_id).where(_accounts.c.request_id == request_id)
        ).scalar()
    if account_id is None:
        values = {
            "name": new.name,
            "time_zone": new.time_zone,
            "region": new.region,
            "has_call_upload": True,
            "has_voice_analysis": new.has_voice_analysis,
            "is_active": True,
            "allowed_networks": list(EVERYWHERE),
            "audio_version": 1,
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
    row = connection.execute(_ACCOUNT, {"account_id": account_id}).first()
    if row is None or not row.is_active:
        raise Refusal(Mnemonic.ACCOUNT_INACTIVE)
    return _account(row)


def identify(connection: Connection, token_sha256: bytes, acting_for: AccountId | None, now: datetime) -> Identity:
    """Whose token has this hash, acting for an account. Whether that is active is for the caller to ask.

    Raises Refusal access_token_invalid, _blocked, _expired; forbidden for an account for which it does not act, there or not.
    """
    token = connection.execute(select(_tokens).where(_tokens.c.token_sha256 == token_sha256)).first()
    if token is None:
        raise Refusal(Mnemonic.ACCESS_TOKEN_INVALID)
    if token.is_blocked:
        raise Refusal(Mnemonic.ACCESS_TOKEN_BLOCKED)
    if token.expire_time is not None and token.expire_time <= now:
        raise Refusal(Mnemonic.ACCESS_TOKEN_EXPIRED)
    own = account_of(connection, token.account_id)
    account = own
    if acting_for is not None and acting_for != own.account_id:
        if acting_for not in _agent_account_ids(connection, [token.token_id])[token.token_id]:
            raise Refusal(Mnemonic.FORBIDDEN, why=f"this token does not act for account {acting_for}")
        account = account_of(connection, acting_for)
    components = {CALL_UPLOAD: account.has_call_upload, VOICE_ANALYSIS: account.has_voice_analysis}
    return Identity(
        account_id=account.account_id,
        role=Role(token.role),
        allowed_networks=account.allowed_networks,
        token_id=token.token_id,
        is_active=own.is_active and account.is_active,
        components=frozenset(name for name, is_on in components.items() if is_on),
        has_limits=account.limits.are_set,
    )


def list_accounts(connection: Connection, most: int) -> list[Account]:
    """All accounts, oldest first, disabled ones too."""
    return [_account(row) for row in connection.execute(select(_accounts).order_by(_accounts.c.account_id).limit(most))]


def set_account(connection: Connection, account_id: AccountId, change: OperatorChange) -> Account:
    """Changes what the operator decides. Raises Refusal entity_not_found."""
    take(connection, Lock.ACCOUNT, account_id)
    values: dict[str, Any] = {name: value for name, value in asdict(change).items() if value is not None}
    for name in ("minute_limit", "day_limit"):
        if values.get(name) == 0:
            values[name] = None
    return _change(connection, account_id, values)


def update_account(connection: Connection, account_id: AccountId, change: AccountChange) -> Account:
    """Changes what the account itself decides; None stays."""
    take(connection, Lock.ACCOUNT, account_id)
    networks = None if change.allowed_networks is None else list(change.allowed_networks)
    values = {
        "name": change.name,
        "time_zone": change.time_zone,
        "region": change.region,
        "allowed_networks": networks,
    }
    changed: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
    if change.audio is not None:
        changed |= _changed_audio(account_of(connection, account_id).audio, change.audio)
    if change.retention is not None:
        spans = {name: getattr(change.retention, name) for name in SPANS}
        changed |= {
            f"{name}_keep_s": None if span is None else span // timedelta(seconds=1) for name, span in spans.items()
        }
    return _change(connection, account_id, changed)


def _changed_audio(known: AudioSettings, audio: AudioSettings) -> dict[str, Any]:
    """The columns of other settings; the same ones keep their version, so that what was judged by them is not judged again."""
    if replace(audio, version=known.version) == known:
        return {}
    return {"audio": audio.as_json(), "audio_version": known.version + 1}


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
    row = connection.execute(insert(_tokens).values(values).returning(*_tokens.c)).one()
    if new.agent_account_ids:
        rows = [{"token_id": row.token_id, "account_id": number} for number in new.agent_account_ids]
        connection.execute(insert(_agent_accounts), rows)
    return _token(row, new.agent_account_ids)


def add_agent_token(
    connection: Connection, account_id: AccountId, sha256: bytes, new: NewToken, now: datetime
) -> Token:
    """Stores an agent's token. Raises Refusal entity_not_found for an account that is not there."""
    _find_account(connection, account_id, ("account_id",))
    for place, number in enumerate(new.agent_account_ids):
        _find_account(connection, number, ("agent_account_ids", place))
    return add_token(connection, account_id, sha256, new, now)


def list_tokens(connection: Connection, account_id: AccountId, most: int) -> list[Token]:
    """The account's tokens, newest first."""
    wanted = select(_tokens).where(_tokens.c.account_id == account_id).order_by(_tokens.c.token_id.desc()).limit(most)
    rows = connection.execute(wanted).all()
    agents = _agent_account_ids(connection, [row.token_id for row in rows])
    return [_token(row, agents[row.token_id]) for row in rows]


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
    return _token(row, _agent_account_ids(connection, [token_id])[token_id])


def _change(connection: Connection, account_id: AccountId, values: dict[str, Any]) -> Account:
    if values:
        connection.execute(update(_accounts).where(_accounts.c.account_id == account_id).values(values))
    return _find_account(connection, account_id, ("account_id",))


def _find_account(connection: Connection, account_id: int, path: Path) -> Account:
    row = connection.execute(select(_accounts).where(_accounts.c.account_id == account_id)).first()
    if row is None:
        why = "there is no such account"
        raise Refusal(Mnemonic.ENTITY_NOT_FOUND, path=path, value=account_id, why=why, grpc_code="NOT_FOUND")
    return _account(row)


def account_of(connection: Connection, account_id: int) -> Account:
    """The account, also a disabled one."""
    return _account(connection.execute(select(_accounts).where(_accounts.c.account_id == account_id)).one())


def _agent_account_ids(connection: Connection, token_ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """The accounts for which each of the tokens acts beside its own."""
    found = connection.execute(
        select(_agent_accounts)
        .where(_agent_accounts.c.token_id.in_(token_ids))
        .order_by(_agent_accounts.c.token_id, _agent_accounts.c.account_id)
    )
    acting: dict[int, tuple[int, ...]] = dict.fromkeys(token_ids, ())
    for row in found:
        acting[row.token_id] += (row.account_id,)
    return acting


def _token(row: Row[tuple[object, ...]], agent_account_ids: tuple[int, ...]) -> Token:
    return Token(
        token_id=row.token_id,
        name=row.name,
        role=Role(row.role),
        create_time=row.create_time,
        expire_time=row.expire_time,
        is_blocked=row.is_blocked,
        agent_account_ids=agent_account_ids,
    )


def _account(row: Row[tuple[object, ...]]) -> Account:
    return Account(
        account_id=AccountId(row.account_id),
        name=row.name,
        time_zone=row.time_zone,
        region=row.region,
        has_call_upload=row.has_call_upload,
        has_voice_analysis=row.has_voice_analysis,
        is_active=row.is_active,
        limits=Limits(minute=row.minute_limit, day=row.day_limit),
        allowed_networks=tuple(row.allowed_networks),
        audio=audio_settings(row.audio, row.audio_version),
        retention=Retention(
            **{
                name: timedelta(seconds=seconds)
                for name in SPANS
                if (seconds := getattr(row, f"{name}_keep_s")) is not None
            }
        ),
        create_time=row.create_time,
    )
