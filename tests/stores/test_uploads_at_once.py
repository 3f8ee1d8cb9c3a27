"""Overload: what is more than fits at once is refused at once, and nothing of it is stored."""

import asyncio
from typing import Any

import pytest

from services.intake.account import Account
from services.intake.call_rules import ONLY_PUBLIC
from services.intake.upload import Uploads
from services.shared.db.database import Database
from services.shared.errors import Busy, Mnemonic, Refusal
from services.shared.identity import Identity, Role
from tests.support.makers import HandClock, SentDrafts, a_draft
from tests.support.uploading import an_account, count


def of(account: Account) -> Identity:
    return Identity(account_id=account.account_id, role=Role.ADMIN)


def calls(*ext_ids: str) -> SentDrafts:
    return SentDrafts([a_draft(ext_id=ext_id) for ext_id in ext_ids])


def some_uploads(db: Database, calls_at_once: int) -> Uploads:
    ignored: Any = lambda _: None  # noqa: E731
    return Uploads(
        db,
        HandClock(),
        max_calls=500,
        webhooks=ONLY_PUBLIC,
        calls_at_once=calls_at_once,
        stored=ignored,
        uploaded=ignored,
    )


async def test_an_account_has_half_of_what_fits(intake_db: Database) -> None:
    account = await an_account(intake_db)
    uploads = some_uploads(intake_db, 8)

    one, other, third = await asyncio.gather(
        uploads.upload(of(account), calls("a", "b", "c")),
        uploads.upload(of(account), calls("d", "e")),
        uploads.upload(of(account), calls("f")),
        return_exceptions=True,
    )

    assert isinstance(other, Refusal)
    assert other.mnemonic is Mnemonic.LIMIT_EXCEEDED
    assert isinstance(one, list)
    assert isinstance(third, list)
    assert await count(intake_db, "calls") == 4
    # What was refused is taken when it comes again.
    await uploads.upload(of(account), calls("d", "e"))


async def test_more_than_fits_of_all_accounts_is_told_that_there_is_no_room(intake_db: Database) -> None:
    accounts = [await an_account(intake_db, bytes([place]) * 32) for place in range(3)]
    uploads = some_uploads(intake_db, 4)

    answers = await asyncio.gather(
        *(uploads.upload(of(account), calls("a", "b")) for account in accounts), return_exceptions=True
    )

    assert [type(answer) for answer in answers] == [list, list, Busy]
    assert await count(intake_db, "calls") == 4


async def test_what_is_only_checked_takes_room_too(intake_db: Database) -> None:
    account = await an_account(intake_db)
    with pytest.raises(Refusal) as refused:
        await some_uploads(intake_db, 2).validate(of(account), calls("a", "b"))

    assert refused.value.mnemonic is Mnemonic.LIMIT_EXCEEDED
