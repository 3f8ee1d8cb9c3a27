"""Taking calls in: what the doors have of a request is judged and stored in one transaction, several of an account together."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import structlog

from services.intake.draft import SentCalls
from services.intake.store.taking_in import Sent, Taken, find_all_refusals, take_in
from services.intake.store.uploads import SAVED_AT_ONCE, Priority
from services.shared.addresses import AddressPolicy
from services.shared.clock import Clock
from services.shared.db.database import Database
from services.shared.errors import Mnemonic, Refusal
from services.shared.gathering import Gathering
from services.shared.identity import AccountId, Identity, Role
from services.shared.places import Places
from services.shared.tracing import contexts_of_calls, is_traced

log = structlog.get_logger()

A = TypeVar("A")

CALLS_AT_ONCE = 20_000
"""Calls of uploads under way, of one account half of them: each takes some 5 KB until it is stored, and whoever comes later is told at once to come again."""
TOGETHER_BYTES = 4 * 1024 * 1024
"""What several requests of an account take at most on their way to where they are judged: a large value is refused there, not before."""
MOMENT_S = 0.001
"""About twice what a small upload takes from one answer to its client's next request, on two busy cores (benchmarks/results.md)."""


class Uploads:
    """What the doors hand their calls to. `webhooks` says where callbacks may go; `stored` is called after each commit, once those who wait are answered, with whether there may be work; `uploaded` is told how many calls came to which outcome."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        max_calls: int,
        webhooks: AddressPolicy,
        calls_at_once: int = CALLS_AT_ONCE,
        stored: Callable[[bool], None],
        uploaded: Callable[[Mapping[str, int]], None],
    ) -> None:
        self._uploaded = uploaded
        self._places = Places("calls that are uploaded", of_account=calls_at_once // 2, most=calls_at_once)
        self._webhooks = webhooks
        self._db = db
        self._clock = clock
        self._max_calls = max_calls
        self._stored = stored
        # Many small requests of an account cost little more than one.
        self._saving: Gathering[AccountId, Sent, Taken] = Gathering(
            self._save, _going_together, moment_s=MOMENT_S, answered=self._note
        )

    def check_count(self, count: int) -> None:
        """Raises Refusal when a request holds no call, or more than it may."""
        if count == 0:
            raise Refusal(Mnemonic.REQUIRED_PARAMETER_MISSED, path=("calls",), why="at least one call is due")
        if count > self._max_calls:
            raise Refusal(
                Mnemonic.DATA_LIMIT_EXCEEDED,
                path=("calls",),
                why=f"{count:,} calls, a request may hold {self._max_calls:,}",
            )

    def check_room(self, account_id: AccountId, count: int = 1) -> None:
        """Raises Refusal limit_exceeded or Busy where so many calls would not be taken now: before they are read."""
        self._places.check(account_id, count)

    async def validate(self, identity: Identity, calls: SentCalls[Any]) -> list[Refusal]:
        """All that is wrong with the calls, in the contract's order, so that an upload's error is the first; stores nothing. Raises Refusal for what is wrong with the request itself."""
        identity.require(Role.UPLOAD)
        self.check_count(calls.count)
        with self._places.one(identity.account_id, calls.count):
            return await self._db.read(
                find_all_refusals, identity.account_id, Sent(calls), self._clock.now(), self._webhooks
            )

    async def upload(
        self,
        identity: Identity,
        calls: SentCalls[A],
        *,
        ext_request_id: str = "",
        priority: Priority = Priority.LIVE,
        takes_handed_over: bool = True,
    ) -> A:
        """Stores the calls and answers, once they are durable, as their door has it (`SentCalls.answer`). `takes_handed_over` says whether their door takes files that were handed over. Raises Refusal or Refusals, and stores nothing, when one is wrong."""
        identity.require(Role.UPLOAD)
        self.check_count(calls.count)
        with self._places.one(identity.account_id, calls.count):
            sent = Sent(calls, ext_request_id, priority, takes_handed_over, _traceparents(calls))
            taken = await self._saving.ask(identity.account_id, sent)
        if isinstance(taken.answer, Exception):
            raise taken.answer
        answer: A = taken.answer
        return answer

    async def _save(self, account_id: AccountId, sent: Sequence[Sent]) -> Sequence[Taken]:
        return await self._db.write_apart(take_in, account_id, sent, self._clock.now(), self._webhooks)

    def _note(self, account_id: AccountId, taken: Sequence[Taken]) -> None:
        outcomes = Counter(outcome for each in taken for outcome in each.outcomes)
        if outcomes:
            self._stored(any(each.may_be_work for each in taken))
            self._uploaded(outcomes)
            log.info("calls.uploaded", account_id=account_id, uploads=len(taken), calls=outcomes.total(), **outcomes)


def _going_together(sent: Sequence[Sent]) -> int:
    """How many of an account's first requests go into one transaction: up to 500 calls and 4 MiB, but one request anyway."""
    calls = size_bytes = 0
    for place, each in enumerate(sent):
        calls += each.calls.count
        size_bytes += each.calls.size_bytes
        if place and (calls > SAVED_AT_ONCE or size_bytes > TOGETHER_BYTES):
            return place
    return len(sent)


def _traceparents(calls: SentCalls[Any]) -> Mapping[str, str]:
    if not is_traced():
        return {}
    # What is neither fetched nor told ends with its upload, and its trace with it. Of the same call twice the first counts.
    drafts = [read.draft for read in reversed(calls.read())]
    return contexts_of_calls(
        {
            draft.ext_id: bool(draft.wav_records or draft.mp3_records or draft.callback)
            for draft in drafts
            if draft.ext_id
        }
    )
