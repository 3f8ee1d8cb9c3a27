"""Counting an account's calls."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Connection, case, func, select, type_coerce

from services.intake.overview import MAX_CALLS, WAIT_BOUNDS, Counted
from services.intake.status import CallStatus
from services.intake.store.tables import CallRow
from services.shared.db.tables import from_microseconds, table_of
from services.shared.identity import AccountId

_calls = table_of(CallRow)
_HOUR_US = timedelta(hours=1) // timedelta(microseconds=1)


def count_calls(
    connection: Connection, account_id: AccountId, start_time_from: datetime, start_time_before: datetime
) -> Sequence[Counted]:
    """The newest MAX_CALLS and one of the account's calls that began within a time, counted alike. Found by `calls_start`, each row read once."""
    newest = (
        select(
            type_coerce(_calls.c.start_time, BigInteger).label("start_us"),
            _calls.c.status,
            _calls.c.error_code,
            _calls.c.is_lost,
            type_coerce(_calls.c.new_time, BigInteger).label("new_us"),
            type_coerce(_calls.c.status_time, BigInteger).label("status_us"),
        )
        .where(
            _calls.c.account_id == account_id,
            _calls.c.start_time >= start_time_from,
            _calls.c.start_time < start_time_before,
        )
        .order_by(_calls.c.start_time.desc())
        .limit(MAX_CALLS + 1)
        .subquery()
    )
    waited_us = newest.c.status_us - newest.c.new_us
    bound = case(
        *((waited_us <= bound // timedelta(microseconds=1), place) for place, bound in enumerate(WAIT_BOUNDS)),
        else_=len(WAIT_BOUNDS),
    ).label("bound")
    hour = (newest.c.start_us // _HOUR_US).label("hour")
    alike = (hour, newest.c.status, newest.c.error_code, newest.c.is_lost, bound)
    counted = select(*alike, func.count().label("calls"), func.min(newest.c.new_us).label("oldest")).group_by(
        hour, newest.c.status, newest.c.error_code, newest.c.is_lost, bound
    )
    return [
        Counted(
            hour=from_microseconds(row.hour * _HOUR_US),
            status=CallStatus(row.status),
            error_code=row.error_code,
            is_lost=bool(row.is_lost),
            bound=row.bound,
            calls=row.calls,
            oldest=from_microseconds(row.oldest),
        )
        for row in connection.execute(counted)
    ]
