"""Whose notification goes next: accounts in turns, within bounds for each account, host and receiver."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.notify.breaker import ReceiverHealth


@dataclass(frozen=True, slots=True, kw_only=True)
class PostLimits:
    """How many notifications may be under way to one host, whoever's they are, and of one account."""

    per_host: int
    per_account: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A host as one account uses it."""

    receiver_id: int
    account_id: int
    host: str
    health: ReceiverHealth


def fair_picks(
    waiting: Sequence[Receiver], busy: Mapping[Receiver, int], most: int, limits: PostLimits, now: datetime
) -> dict[Receiver, int]:
    """How many notifications to take for each receiver that some wait for, `most` in all. `busy` has those that are under way.

    The account with the fewest under way goes first, then the one that stands first in `waiting`; within an account its receivers take turns.
    """
    at_host: Counter[str] = Counter()
    of_account: Counter[int] = Counter()
    at_receiver: Counter[int] = Counter()
    for receiver, count in busy.items():
        at_host[receiver.host] += count
        of_account[receiver.account_id] += count
        at_receiver[receiver.receiver_id] += count
    lines: dict[int, deque[Receiver]] = {}
    for receiver in waiting:
        lines.setdefault(receiver.account_id, deque()).append(receiver)
    picks: Counter[Receiver] = Counter()
    seats = {account_id: seat for seat, account_id in enumerate(lines)}
    while lines and picks.total() < most:
        account_id = min(lines, key=lambda account_id: (of_account[account_id], seats[account_id]))
        picked = _next_with_room(lines[account_id], at_host, at_receiver, limits, now)
        if picked is None or of_account[account_id] >= limits.per_account:
            del lines[account_id]
            continue
        picks[picked] += 1
        at_host[picked.host] += 1
        at_receiver[picked.receiver_id] += 1
        of_account[account_id] += 1
    return dict(picks)


def _next_with_room(
    line: deque[Receiver], at_host: Counter[str], at_receiver: Counter[int], limits: PostLimits, now: datetime
) -> Receiver | None:
    """The first receiver of the line with room, which then goes to its end; those without leave the line."""
    while line:
        receiver = line.popleft()
        room = receiver.health.room(limits.per_host, now)
        if at_receiver[receiver.receiver_id] < room and at_host[receiver.host] < limits.per_host:
            line.append(receiver)
            return receiver
    return None
