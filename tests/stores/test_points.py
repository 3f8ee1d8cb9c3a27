"""docs/contract.md 8: points as they are stored."""

from services.intake.account import OperatorChange
from services.intake.store.accounts import create_account, set_account
from services.intake.store.points import refund_points, spend_points
from services.shared.db.database import Database
from tests.stores.test_call_work import rows
from tests.support.makers import NOON, a_new_account


async def test_points_are_given_back_to_an_account_that_was_disabled_meanwhile(intake_db: Database) -> None:
    account = await intake_db.write(create_account, a_new_account(), b"t" * 32, None, NOON)
    await intake_db.write(set_account, account.account_id, OperatorChange(day_limit=10))
    await intake_db.write(spend_points, account.account_id, 5, NOON)
    await intake_db.write(set_account, account.account_id, OperatorChange(is_active=False))

    await intake_db.write(refund_points, account.account_id, 5, NOON)

    assert await rows(intake_db, "SELECT day_points FROM spent_points") == [(0,)]
