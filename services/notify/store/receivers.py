"""Receivers: hosts as accounts use them, how they stand, and who waits for them."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, or_, select, tuple_, update

from services.notify.breaker import LONGEST_PAUSE, BreakerRules, ReceiverHealth, after
from services.notify.notification import Attempt, receiver_host
from services.notify.picking import Receiver
from services.notify.store.tables import NOTIFY_WORK, ReceiverRow
from services.shared.db.tables import insert_missing, table_of

_receivers = table_of(ReceiverRow)

MOST_LISTED = 1000
REPORTED_AT_ONCE = 100
LONGEST_SILENCE = timedelta(days=2)
"""Between two attempts of what waits, by the schedule of a day at most and its jitter."""

_BY_ID = select(_receivers).where(_receivers.c.receiver_id.in_(bindparam("ids", expanding=True)))
_BY_ID_LOCKED = _BY_ID.order_by(_receivers.c.receiver_id).with_for_update()
_STAND = (
    update(_receivers)
    .where(_receivers.c.receiver_id == bindparam("judged"))
    .values({name: bindparam(name) for name in ReceiverHealth.__dataclass_fields__})
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReceiver:
    """A receiver, and how many calls have notifications that wait for it."""

    receiver: Receiver
    waiting_calls: int


def ensure_receivers(connection: Connection, named: Collection[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """The receiver of each account and link, made when it is the first time."""
    hosts = {(account_id, url): receiver_host(url) for account_id, url in named}
    wanted = {(account_id, host) for (account_id, _), host in hosts.items()}
    known = _ids(connection, wanted, kept=True)
    fresh = wanted - known.keys()
    if fresh:
        insert_missing(
            connection,
            _receivers,
            [
                {"account_id": account_id, "host": host, "failures": 0, "reason": "", "pauses": 0}
                for account_id, host in sorted(fresh)
            ],
        )
        known |= _ids(connection, fresh, kept=True)
    return {key: known[key[0], host] for key, host in hosts.items()}


def find_receiver(connection: Connection, account_id: int, host: str) -> int | None:
    """The number of an account's receiver; None for a host that it has not used."""
    return _ids(connection, {(account_id, host)}).get((account_id, host))


def receivers_by_id(connection: Connection, ids: Collection[int], *, locked: bool = False) -> dict[int, Receiver]:
    """Receivers by their numbers; `locked` until the end of the transaction."""
    if not ids:
        return {}
    found = connection.execute(_BY_ID_LOCKED if locked else _BY_ID, {"ids": list(ids)})
    return {row.receiver_id: _receiver(row) for row in found}


def judge_receivers(
    connection: Connection, attempts: Sequence[tuple[int, Attempt]], rules: BreakerRules, now: datetime
) -> None:
    """Receivers stand where these attempts leave them."""
    before = receivers_by_id(connection, {receiver_id for receiver_id, _ in attempts}, locked=True)
    health = {receiver_id: receiver.health for receiver_id, receiver in before.items()}
    for receiver_id, attempt in attempts:
        if receiver_id in health:
            health[receiver_id] = after(health[receiver_id], attempt, rules, now)
    changed = [
        {"judged": receiver_id, **asdict(stands)}
        for receiver_id, stands in health.items()
        if stands != before[receiver_id].health
    ]
    if changed:
        connection.execute(_STAND, changed)


def probe_now(connection: Connection, receiver_ids: Collection[int], now: datetime) -> None:
    """Paused receivers are tried at once."""
    paused = update(_receivers).where(_receivers.c.receiver_id.in_(receiver_ids), _receivers.c.probe_time > now)
    connection.execute(paused.values(probe_time=now))


def list_receivers(connection: Connection, account_id: int) -> list[StoredReceiver]:
    """The account's receivers, those that fail first, the longest first; up to 1,000."""
    wanted = (
        select(_receivers)
        .where(_receivers.c.account_id == account_id)
        .order_by(_receivers.c.failing_since.is_(None), _receivers.c.failing_since, _receivers.c.host)
        .limit(MOST_LISTED)
    )
    waiting = NOTIFY_WORK.count_lanes(connection, account_id)
    return [
        StoredReceiver(receiver=_receiver(row), waiting_calls=waiting.get(row.receiver_id, 0))
        for row in connection.execute(wanted)
    ]


def paused_receivers(connection: Connection, failing_before: datetime, tried_since: datetime) -> list[Receiver]:
    """All receivers that are paused, have failed since before then, and failed again since `tried_since`."""
    stands = _receivers.c
    # A pause is no longer than that: what ends later began with a failure after then.
    paused = select(_receivers).where(
        stands.failing_since <= failing_before, stands.probe_time >= tried_since + LONGEST_PAUSE
    )
    return [_receiver(row) for row in connection.execute(paused)]


def report_failing(connection: Connection, since: datetime, told_before: datetime, now: datetime) -> list[Receiver]:
    """Receivers that have failed since before `since`, the last time not long ago, and were not told of since `told_before`, which they are from now on; up to 100 at once."""
    due = connection.execute(
        select(_receivers)
        .where(
            _receivers.c.failing_since <= since,
            # One that nothing is sent to any more says nothing new.
            _receivers.c.probe_time >= now - LONGEST_SILENCE,
            or_(_receivers.c.report_time.is_(None), _receivers.c.report_time <= told_before),
        )
        .limit(REPORTED_AT_ONCE)
    ).all()
    told = update(_receivers).where(_receivers.c.receiver_id.in_([row.receiver_id for row in due]))
    connection.execute(told.values(report_time=now))
    return [_receiver(row) for row in due]


def count_standing(connection: Connection, failing_before: datetime) -> tuple[int, dict[str, int]]:
    """How many calls wait; and how many receivers fail, are paused, and have failed since before then."""
    waiting = connection.execute(select(func.count()).select_from(NOTIFY_WORK.table)).scalar_one()
    stand = _receivers.c
    row = connection.execute(
        select(
            func.count().label("failing"),
            func.count(stand.probe_time).label("paused"),
            func.count().filter(stand.failing_since <= failing_before).label("failing_for_a_day"),
        ).where(stand.failing_since.is_not(None))
    ).one()
    return waiting, dict(row._mapping)


def _ids(
    connection: Connection, named: Collection[tuple[int, str]], *, kept: bool = False
) -> dict[tuple[int, str], int]:
    """The numbers of those that there are; `kept` ones are not forgotten until the end of the transaction."""
    key = tuple_(_receivers.c.account_id, _receivers.c.host)
    wanted = select(_receivers.c.account_id, _receivers.c.host, _receivers.c.receiver_id).where(key.in_(list(named)))
    if kept:
        wanted = wanted.order_by(_receivers.c.receiver_id).with_for_update(read=True)
    found = connection.execute(wanted)
    return {(row.account_id, row.host): row.receiver_id for row in found}


def _receiver(row: Row[Any]) -> Receiver:
    values = {name: getattr(row, name) for name in ReceiverHealth.__dataclass_fields__}
    return Receiver(
        receiver_id=row.receiver_id, account_id=row.account_id, host=row.host, health=ReceiverHealth(**values)
    )
