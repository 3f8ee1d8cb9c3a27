"""What one exchange with a receiver comes to, and how it travels between the process that decides and those that post."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from services.notify.notification import AttemptOutcome

MOST_CHARACTERS = 4096
"""Of a reason or of an answer's head."""
MOST_MS = 10**9
MOST_S = 10**12
MOST_NUMBER = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How the exchange ended, and how long it took. `head` is what the answer's body began with; `retry_after_s` what the receiver asked for (RFC 9110, 10.2.3)."""

    outcome: AttemptOutcome
    http_status: int | None = None
    reason: str = ""
    head: str = field(default="", repr=False)
    retry_after_s: float | None = None
    latency_ms: int = 0


@dataclass(frozen=True, slots=True)
class Post:
    """What is posted. `number` tells the answer whose it is."""

    number: int
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NotPosted:
    """What did not come to an exchange, through no fault of the receiver's: it was not begun at a stop, or we lacked what it takes."""

    reason: str


Ending: TypeAlias = Answer | NotPosted


IS_READY: Sequence[tuple[int, Ending]] = ()
"""The first answers of a process, to nothing: it takes posts from now on."""
BEGIN_NO_MORE: Sequence[Post] = ()
"""Handed out as posts: what has not begun comes back as not posted."""


def write_posts(posts: Iterable[Post]) -> bytes:
    """Posts on their way to a process that posts."""
    return json.dumps([(post.number, post.url, post.headers, post.body) for post in posts]).encode()


def read_posts(data: bytes) -> list[Post]:
    """Posts, as `write_posts` wrote them."""
    return [Post(*entry) for entry in json.loads(data)]


def write_answers(ended: Iterable[tuple[int, Ending]]) -> bytes:
    """What came of posts, on its way back."""
    return json.dumps([(number, *_written(ending)) for number, ending in ended]).encode()


def read_answers(data: bytes) -> list[tuple[int, Ending]]:
    """What came of posts, as `write_answers` wrote it. Raises ValueError for anything else: the process has read what strangers send."""
    try:
        return [(_whole(number, MOST_NUMBER), _ending(*values)) for number, *values in json.loads(data)]
    except TypeError as error:
        raise ValueError("not the answers of posts") from error


def _written(ending: Ending) -> tuple[object, ...]:
    if isinstance(ending, NotPosted):
        return (ending.reason,)
    return (
        ending.reason,
        ending.outcome,
        ending.http_status,
        ending.head,
        ending.retry_after_s,
        ending.latency_ms,
    )


def _ending(reason: object, *values: Any) -> Ending:
    if not values:
        return NotPosted(_short(reason))
    outcome, http_status, head, retry_after_s, latency_ms = values
    return Answer(
        outcome=AttemptOutcome(outcome),
        http_status=None if http_status is None else _whole(http_status, 999),
        reason=_short(reason),
        head=_short(head),
        retry_after_s=None if retry_after_s is None else _seconds(retry_after_s),
        latency_ms=_whole(latency_ms, MOST_MS),
    )


def _whole(value: object, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError("not a number of an answer")
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, float) or not 0 <= value <= MOST_S:
        raise ValueError("not seconds of an answer")
    return value


def _short(value: object) -> str:
    if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
        raise ValueError("not a text of an answer")
    # Halves of a pair, which JSON can spell, cannot be stored.
    value.encode()
    return value
