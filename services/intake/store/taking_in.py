"""Uploads as they came, judged and stored in one transaction (docs/contract.md 2, 4, 5)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from services.intake.call import AccountClock, CheckedCall
from services.intake.call_rules import sort_out
from services.intake.draft import ReadDraft, SentCalls
from services.intake.store.uploads import (
    Priority,
    Stale,
    Upload,
    account_clock,
    find_refusals,
    going_together,
    kept_ext_ids,
    save_uploads,
)
from services.shared.addresses import AddressPolicy
from services.shared.errors import Refusal, Refusals, Trouble
from services.shared.identity import AccountId


class Sent(NamedTuple):
    """One request to store calls, as its door has it."""

    calls: SentCalls[Any]
    ext_request_id: str = ""
    priority: Priority = Priority.LIVE
    takes_handed_over: bool = True
    """Whether its door takes files that were handed over."""
    traceparents: Mapping[str, str] = {}
    """By ext_id, where it is traced and goes on after the upload."""


class Taken(NamedTuple):
    """What became of a request: what its door is given, or why nothing of it is stored; the outcome of each call; and whether what is stored has anything to be fetched or told."""

    answer: Any
    outcomes: Sequence[str] = ()
    may_be_work: bool = False


def take_in(
    connection: Connection, account_id: AccountId, sent: Sequence[Sent], now: datetime, webhooks: AddressPolicy
) -> list[Taken]:
    """Judges each request as if it had come alone, in their order, and stores those that keep every rule. Raises Refusal account_inactive."""
    drafts = [each.calls.read() for each in sent]
    taken: dict[int, Taken] = {}
    left = list(range(len(sent)))
    while left:
        # On PostgreSQL the account is not locked before the calls are judged: what they were read by may change until then.
        clock = account_clock(connection, account_id)
        judged: list[tuple[int, Upload]] = []
        for place in left:
            calls, refusals = _sorted_out(connection, account_id, clock, drafts[place], sent[place], now, webhooks)
            if refusals:
                taken[place] = Taken(Refusals(refusals))
            else:
                judged.append((place, _upload(sent[place], calls, clock)))
        taken |= _saved(connection, account_id, sent, judged, now)
        left = [place for place, _ in judged if place not in taken]
    return [taken[place] for place in range(len(sent))]


def find_all_refusals(
    connection: Connection, account_id: AccountId, sent: Sent, now: datetime, webhooks: AddressPolicy
) -> list[Refusal]:
    """All that is wrong with a request's calls, in the contract's order, so that an upload's error is the first; stores nothing. Raises Refusal account_inactive."""
    clock = account_clock(connection, account_id)
    calls, refusals = _sorted_out(connection, account_id, clock, sent.calls.read(), sent, now, webhooks)
    return [*refusals, *find_refusals(connection, account_id, calls, now)]


def _saved(
    connection: Connection,
    account_id: AccountId,
    sent: Sequence[Sent],
    judged: Sequence[tuple[int, Upload]],
    now: datetime,
) -> dict[int, Taken]:
    """What became of each by its place, but for those whose account has other settings by now."""
    taken: dict[int, Taken] = {}
    while judged:
        together = going_together([upload for _, upload in judged])
        uploads = [upload for _, upload in judged[:together]]
        answers = save_uploads(connection, account_id, uploads, now)
        for (place, upload), answer in zip(judged[:together], answers, strict=True):
            if isinstance(answer, Stale):
                continue
            if isinstance(answer, Refusals | Trouble):
                taken[place] = Taken(answer)
                continue
            taken[place] = Taken(
                sent[place].calls.answer(answer),
                outcomes=[call.outcome.value for call in answer],
                may_be_work=any(call.records or call.callback for call in upload.calls),
            )
        judged = judged[together:]
    return taken


def _upload(sent: Sent, calls: Sequence[CheckedCall], clock: AccountClock) -> Upload:
    return Upload(
        calls=calls,
        clock=clock,
        ext_request_id=sent.ext_request_id,
        priority=sent.priority,
        traceparents=sent.traceparents,
    )


def _sorted_out(
    connection: Connection,
    account_id: AccountId,
    clock: AccountClock,
    drafts: Sequence[ReadDraft],
    sent: Sent,
    now: datetime,
    webhooks: AddressPolicy,
) -> tuple[list[CheckedCall], list[Refusal]]:
    """As `sort_out`. A call that is stored and would stay as it is is not refused for what the account's zone and region, or the operator's networks, say today (docs/contract.md 2)."""
    calls, refusals = sort_out(drafts, clock, takes_handed_over=sent.takes_handed_over, webhooks=webhooks)
    if not refusals:
        return calls, refusals
    named = {drafts[index].draft.ext_id for refusal in refusals if isinstance(index := refusal.path[1], int)}
    known = [ext_id for ext_id in named if ext_id and "\0" not in ext_id]
    kept = kept_ext_ids(connection, account_id, known, now)
    if not kept:
        return calls, refusals
    repeats = {index for index, read in enumerate(drafts) if read.draft.ext_id in kept}
    return sort_out(drafts, clock, repeats, takes_handed_over=sent.takes_handed_over, webhooks=webhooks)
