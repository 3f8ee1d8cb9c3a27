"""Uploads into a database, and what is in it then."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, text

from services.intake.account import Account
from services.intake.call import CheckedCall
from services.intake.status import UploadedCall
from services.intake.store.accounts import create_account
from services.intake.store.reading import StoredCall, lookup_call
from services.intake.store.uploads import save_upload
from services.shared.db.database import Database
from services.shared.errors import Refusals
from tests.support.makers import NOON, a_new_account


async def an_account(db: Database, token: bytes = b"t" * 32, **fields: Any) -> Account:
    return await db.write(create_account, a_new_account(**fields), token, None, NOON)


async def upload(
    db: Database, account: Account, *calls: CheckedCall, request_id: str = "7", now: datetime = NOON
) -> list[UploadedCall]:
    return await db.write(save_upload, account.account_id, calls, request_id, now)


async def run(db: Database, *statements: str) -> None:
    def write(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    await db.write(write)


async def told(db: Database, account: Account, *calls: CheckedCall) -> list[tuple[str, str]]:
    """(path within the call, mnemonic) of what is refused."""
    with pytest.raises(Refusals) as caught:
        await upload(db, account, *calls)
    return [(".".join(map(str, refusal.path[2:])), str(refusal.mnemonic)) for refusal in caught.value.refusals]


async def lookup(db: Database, account: Account, ext_id: str = "call-1") -> StoredCall:
    return await db.read(lookup_call, account.account_id, ext_id)


async def count(db: Database, table: str) -> int:
    def counted(connection: Connection) -> int:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())

    return await db.read(counted)
