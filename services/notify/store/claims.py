"""What is posted next: a look at who has something ready, the choice, and the leases, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import Connection

from services.notify.notification import DueNotification
from services.notify.picking import PostLimits, Receiver, fair_picks
from services.notify.store.lines import heads, line_up
from services.notify.store.receivers import receivers_by_id
from services.notify.store.tables import NOTIFY_WORK
from services.shared.db.lane_work import LANES_OF_ACCOUNT, Lane
from services.shared.db.locks import Lock, take
from services.shared.db.work_table import Claim

RING_ACCOUNTS = 64
MOST_RINGS = 16
"""Looks of one claim, each at 64 accounts, while all that is found may not go yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueClaim(Claim):
    """A line that is ours until the lease ends, with its first notification, whose place in the call is `seq`."""

    due: DueNotification
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where the last look ended: the next one begins after this account, and within accounts of very many receivers after these."""

    account_id: int = 0
    lanes: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))


def claim_due(
    connection: Connection,
    most: int,
    cursor: Cursor,
    limits: PostLimits,
    now: datetime,
    lease_end: datetime,
    settling: Sequence[Claim],
) -> tuple[list[DueClaim], Cursor]:
    """Leases up to `most` lines, fairly and within the limits, and says where to look next. Those that are `settling` are leased, but not under way."""
    # Bounds hold over all who claim.
    take(connection, Lock.CLAIMS)
    picks, cursor = _pick(connection, most, cursor, limits, now, settling)
    claims = NOTIFY_WORK.claim_in_lanes(
        connection, {_lane(receiver): count for receiver, count in picks.items()}, lease_end
    )
    firsts = heads(connection, [claim.key for claim in claims])
    # While it was leased before, one for another receiver may have come to be the first.
    elsewhere = [
        claim for claim in claims if claim.key not in firsts or firsts[claim.key].due.receiver_id != claim.lane
    ]
    if elsewhere:
        NOTIFY_WORK.finish_all(connection, elsewhere)
        line_up(connection, [claim.key for claim in elsewhere], now)
        firsts = {key: head for key, head in firsts.items() if key not in {claim.key for claim in elsewhere}}
    due = [
        DueClaim(
            key=claim.key,
            account_id=claim.account_id,
            token=claim.token,
            expiries=claim.expiries,
            due=firsts[claim.key].due,
            seq=firsts[claim.key].seq,
        )
        for claim in claims
        if claim.key in firsts
    ]
    return due, cursor


def _pick(
    connection: Connection,
    most: int,
    cursor: Cursor,
    limits: PostLimits,
    now: datetime,
    settling: Sequence[Claim],
) -> tuple[dict[Receiver, int], Cursor]:
    busy_lanes: dict[Lane, int] | None = None
    settled_lanes: dict[Lane, int] = {}
    for _ in range(MOST_RINGS):
        accounts, is_whole = _ring(connection, cursor.account_id)
        if not accounts:
            break
        lanes, cursor = _lanes(connection, accounts, cursor)
        if busy_lanes is None:
            busy_lanes = NOTIFY_WORK.busy_lanes(connection)
            settled_lanes = NOTIFY_WORK.held_lanes(connection, settling)
        known = receivers_by_id(connection, {lane.lane for lane in (*lanes, *busy_lanes)})
        waiting = [known[lane.lane] for lane in lanes if lane.lane in known]
        busy = {
            known[lane.lane]: _under_way(known[lane.lane], count, settled_lanes.get(lane, 0))
            for lane, count in busy_lanes.items()
            if lane.lane in known
        }
        picks = fair_picks(waiting, busy, most, limits, now)
        if picks:
            return picks, Cursor(account_id=next(reversed(picks)).account_id, lanes=cursor.lanes)
        if is_whole and not any(account_id in cursor.lanes for account_id in accounts):
            break
        cursor = Cursor(account_id=accounts[-1], lanes=cursor.lanes)
    return {}, cursor


def _ring(connection: Connection, after_account: int) -> tuple[list[int], bool]:
    """Up to 64 accounts with ready work after the given one and round, and whether these are all."""
    ahead = NOTIFY_WORK.ready_accounts(connection, after_account, RING_ACCOUNTS)
    if len(ahead) == RING_ACCOUNTS:
        return ahead, False
    behind = NOTIFY_WORK.ready_accounts(connection, 0, RING_ACCOUNTS - len(ahead)) if after_account else []
    behind = [account_id for account_id in behind if account_id <= after_account]
    return ahead + behind, len(ahead) + len(behind) < RING_ACCOUNTS


def _lanes(connection: Connection, accounts: list[int], cursor: Cursor) -> tuple[list[Lane], Cursor]:
    """Lanes with ready work of these accounts, in the order of the accounts."""
    found = NOTIFY_WORK.ready_lanes(connection, {each: cursor.lanes.get(each, 0) for each in accounts})
    of_account: dict[int, list[Lane]] = {each: [] for each in accounts}
    for lane in found:
        of_account[lane.account_id].append(lane)
    begun = [each for each in accounts if each in cursor.lanes and len(of_account[each]) < LANES_OF_ACCOUNT]
    for lane in NOTIFY_WORK.ready_lanes(connection, dict.fromkeys(begun, 0)):
        if lane.lane <= cursor.lanes[lane.account_id]:
            of_account[lane.account_id].append(lane)
    full = {each: lanes[-1].lane for each, lanes in of_account.items() if len(lanes) >= LANES_OF_ACCOUNT}
    kept = {each: lane for each, lane in cursor.lanes.items() if each not in of_account}
    ordered = [lane for each in accounts for lane in of_account[each]]
    return ordered, Cursor(account_id=cursor.account_id, lanes=MappingProxyType({**kept, **full}))


def _under_way(receiver: Receiver, leased: int, settling: int) -> int:
    """A paused receiver is tried with one at a time, until what came of it is known."""
    return leased if receiver.health.probe_time is not None else leased - settling


def _lane(receiver: Receiver) -> Lane:
    return Lane(receiver.account_id, receiver.receiver_id)
