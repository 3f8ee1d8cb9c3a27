"""What one exchange with a receiver comes to, and how it travels between the process that decides and those that post."""

import json
import struct
from asyncio import StreamReader
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.notify.notification import AttemptOutcome

MOST_BYTES = 64 * 1024 * 1024

_LENGTH = struct.Struct(">I")


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
    url: str
    headers: Mapping[str, str]
    body: str


def posts_frame(posts: Iterable[Post]) -> bytes:
    """Posts on their way to a process that posts."""
    return _frame([(post.number, post.url, post.headers, post.body) for post in posts])


def read_posts(entries: Sequence[Any]) -> list[Post]:
    """Posts, as `posts_frame` wrote them."""
    return [Post(*entry) for entry in entries]


def answers_frame(answers: Iterable[tuple[int, Answer]]) -> bytes:
    """Answers on their way back."""
    return _frame(
        [
            (
                number,
                answer.outcome,
                answer.http_status,
                answer.reason,
                answer.head,
                answer.retry_after_s,
                answer.latency_ms,
            )
            for number, answer in answers
        ]
    )


def read_answers(entries: Sequence[Any]) -> list[tuple[int, Answer]]:
    """Answers, as `answers_frame` wrote them."""
    return [
        (
            number,
            Answer(
                outcome=AttemptOutcome(outcome),
                http_status=status,
                reason=reason,
                head=head,
                retry_after_s=retry_after,
                latency_ms=latency_ms,
            ),
        )
        for number, outcome, status, reason, head, retry_after, latency_ms in entries
    ]


async def read_frame(reader: StreamReader) -> list[Any]:
    """The entries of the next frame. Raises IncompleteReadError at the end, ValueError for what is no frame."""
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > MOST_BYTES:
        raise ValueError(f"a frame of {length} bytes")
    entries: list[Any] = json.loads(await reader.readexactly(length))
    return entries


def _frame(entries: Sequence[object]) -> bytes:
    data = json.dumps(entries).encode()
    return _LENGTH.pack(len(data)) + data
