"""docs/contract.md 4: a call is read by its account's zone and region, whatever a process remembers of them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.intake.account import Account, AccountChange, OperatorChange
from services.intake.call_rules import ONLY_PUBLIC
from services.intake.draft import ReadDraft
from services.intake.store.accounts import set_account, update_account
from services.intake.upload import Uploads
from services.shared.db.database import Database
from services.shared.errors import Mnemonic, Refusal, Refusals
from services.shared.identity import Identity, Role
from tests.support.makers import HandClock, a_draft
from tests.support.uploading import an_account, count, lookup


class Door:
    """Uploads calls one at a time, as one process does."""

    def __init__(self, db: Database, account: Account) -> None:
        self._uploads = Uploads(
            db, HandClock(), max_calls=500, webhooks=ONLY_PUBLIC, stored=lambda _: None, uploaded=lambda _: None
        )
        self._identity = Identity(account_id=account.account_id, role=Role.ADMIN)

    async def upload(self, ext_id: str, **fields: Any) -> None:
        await self._uploads.upload(self._identity, [ReadDraft(a_draft(ext_id=ext_id, **fields), [])])


@pytest.fixture
async def account(intake_db: Database) -> Account:
    return await an_account(intake_db, time_zone="Europe/Moscow", region="RU")


async def test_a_zone_that_changed_meanwhile_is_what_the_next_call_is_read_by(
    intake_db: Database, account: Account
) -> None:
    door = Door(intake_db, account)
    at = "2026-06-01 12:00:00"
    await door.upload("before", start_time=at, finish_time=at)
    # As another process does it: nobody tells this one.
    await intake_db.write(update_account, account.account_id, AccountChange(time_zone="Asia/Tokyo"))
    await door.upload("after", start_time=at, finish_time=at)

    before, after = [(await lookup(intake_db, account, name)).row.start_time for name in ("before", "after")]
    assert before == datetime(2026, 6, 1, 9, tzinfo=UTC)
    assert after == datetime(2026, 6, 1, 3, tzinfo=UTC)


async def test_a_number_that_the_remembered_region_refuses_is_taken_by_the_present_one(
    intake_db: Database, account: Account
) -> None:
    door = Door(intake_db, account)
    german = {"calling_phone_number": "030 901820"}
    with pytest.raises(Refusals):
        await door.upload("before", **german)
    await intake_db.write(update_account, account.account_id, AccountChange(region="DE"))
    await door.upload("after", **german)

    assert (await lookup(intake_db, account, "after")).row.calling_phone_number == "+4930901820"


async def test_a_disabled_account_is_refused_though_its_zone_is_remembered(
    intake_db: Database, account: Account
) -> None:
    door = Door(intake_db, account)
    await door.upload("before")
    await intake_db.write(set_account, account.account_id, OperatorChange(is_active=False))

    with pytest.raises(Refusal) as refused:
        await door.upload("after")

    assert refused.value.mnemonic is Mnemonic.ACCOUNT_INACTIVE
    assert await count(intake_db, "calls") == 1
