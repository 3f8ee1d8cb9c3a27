"""What accounts have spent of their limits."""

from datetime import datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.engine import Row

from services.intake.points import LimitsLeft, Spent, left, refund, spend
from services.intake.store.accounts import account_of, get_account
from services.intake.store.tables import SpentPointsRow
from services.shared.db.locks import Lock, take
from services.shared.db.tables import insert_missing, table_of
from services.shared.identity import AccountId

_spent = table_of(SpentPointsRow)


def spend_points(connection: Connection, account_id: AccountId, points: int, now: datetime) -> LimitsLeft | None:
    """Takes the points of a request; answers what is left, None for an account without limits. Raises Refusal limit_exceeded or account_inactive."""
    take(connection, Lock.POINTS, account_id)
    account = get_account(connection, account_id)
    if not account.limits.are_set:
        return None
    zone = account.clock.zone
    spent = spend(account.limits, _read(connection, account_id), points, now, zone)
    _keep(connection, account_id, spent)
    return left(account.limits, spent, now, zone)


def refund_points(connection: Connection, account_id: AccountId, points: int, spend_time: datetime) -> None:
    """Gives back what a request took at `spend_time` and did not succeed; also to an account that was disabled meanwhile."""
    take(connection, Lock.POINTS, account_id)
    account = account_of(connection, account_id)
    spent = refund(_read(connection, account_id), points, spend_time, account.clock.zone)
    if spent is not None:
        _keep(connection, account_id, spent)


def _read(connection: Connection, account_id: AccountId) -> Spent | None:
    row: Row[tuple[object, ...]] | None = connection.execute(
        select(_spent).where(_spent.c.account_id == account_id)
    ).first()
    if row is None:
        return None
    return Spent(
        minute_time=row.minute_time,
        minute_points=row.minute_points,
        day_time=row.day_time,
        day_points=row.day_points,
    )


def _keep(connection: Connection, account_id: AccountId, spent: Spent) -> None:
    values = {
        "minute_time": spent.minute_time,
        "minute_points": spent.minute_points,
        "day_time": spent.day_time,
        "day_points": spent.day_points,
    }
    if not insert_missing(connection, _spent, [{"account_id": account_id, **values}]):
        connection.execute(update(_spent).where(_spent.c.account_id == account_id).values(values))
