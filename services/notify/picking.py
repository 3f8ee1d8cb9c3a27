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

    The account with the fewest under way names the host, its receivers taking turns; the host's turn goes to the account with the fewest under way there. So an
    account that is busy elsewhere has its share of a host that others keep busy.
    """
    picking = _Picking(waiting, busy, limits, now)
    for _ in range(most):
        picked = picking.pick()
        if picked is None:
            break
    return dict(picking.picks)


class _Picking:
    def __init__(
        self, waiting: Sequence[Receiver], busy: Mapping[Receiver, int], limits: PostLimits, now: datetime
    ) -> None:
        self._limits = limits
        self._now = now
        self._at_host: Counter[str] = Counter()
        self._of_account: Counter[int] = Counter()
        self._at_receiver: Counter[int] = Counter()
        self.picks: Counter[Receiver] = Counter()
        for receiver, count in busy.items():
            self._count(receiver, count)
        self._lines: dict[int, deque[Receiver]] = {}
        self._at: dict[str, list[Receiver]] = {}
        for receiver in waiting:
            self._lines.setdefault(receiver.account_id, deque()).append(receiver)
            self._at.setdefault(receiver.host, []).append(receiver)
        self._seats = {account_id: seat for seat, account_id in enumerate(self._lines)}

    def pick(self) -> Receiver | None:
        """Takes one more; None when nobody has room."""
        while self._lines:
            account_id = next(iter(self._lines)) if len(self._lines) == 1 else min(self._lines, key=self._rank)
            line = self._lines[account_id]
            while line and not self._has_room(line[0]):
                line.popleft()
            if not line:
                del self._lines[account_id]
                continue
            named = line[0]
            line.rotate(-1)
            picked = self._next_at(named)
            self.picks[picked] += 1
            self._count(picked, 1)
            return picked
        return None

    def _next_at(self, named: Receiver) -> Receiver:
        """Whose turn it is at the host of a receiver that has room."""
        there = self._at[named.host]
        if len(there) == 1:
            return named
        waiting = (each for each in there if self._has_room(each))
        return min(waiting, key=lambda each: (self._at_receiver[each.receiver_id], self._rank(each.account_id)))

    def _rank(self, account_id: int) -> tuple[int, int]:
        return self._of_account[account_id], self._seats[account_id]

    def _count(self, receiver: Receiver, count: int) -> None:
        self._at_host[receiver.host] += count
        self._of_account[receiver.account_id] += count
        self._at_receiver[receiver.receiver_id] += count

    def _has_room(self, receiver: Receiver) -> bool:
        return (
            self._of_account[receiver.account_id] < self._limits.per_account
            and self._at_host[receiver.host] < self._limits.per_host
            and self._at_receiver[receiver.receiver_id] < receiver.health.room(self._limits.per_host, self._now)
        )
