"""What travels between notify and the processes that post."""

import asyncio
import struct

import pytest

from services.notify.answers import (
    MOST_BYTES,
    Answer,
    NotPosted,
    Post,
    answers_frame,
    posts_frame,
    read_answers,
    read_frame,
    read_posts,
)
from services.notify.notification import AttemptOutcome
from services.notify.poster_settings import PosterSettings, read_environment


async def entries(data: bytes) -> list[object]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await read_frame(reader)


async def test_posts_and_answers_come_as_they_went() -> None:
    posts = [
        Post(1, "https://x/é?a=\U0001f4de", {"webhook-id": "1"}, '{"ext_id":"зв\\u0000"}'),
        Post(2**40, "http://y", {}, ""),
    ]
    answers: list[tuple[int, Answer | NotPosted]] = [
        (1, Answer(outcome=AttemptOutcome.DELIVERED, http_status=204, latency_ms=3)),
        (2**40, Answer(outcome=AttemptOutcome.TIMEOUT, reason="no answer", head="\ufffd<b>", retry_after_s=1.5)),
        (3, NotPosted("notify stops")),
    ]

    assert read_posts(await entries(posts_frame(posts))) == posts
    assert read_answers(await entries(answers_frame(answers))) == answers


@pytest.mark.parametrize(
    "entry",
    [
        7, "x", [], [1], ["1", "why"], [-1, "why"], [1, 7], [1, "x" * 5000], [1, "\ud800"], [1, "", "delivered", 204, "", None],
        [1, "", "splendid", 204, "", None, 3], [1, "", "delivered", 20400, "", None, 3], [1, "", "delivered", "204", "", None, 3],
        [1, "", "delivered", 204, "\udfff", None, 3], [1, "", "delivered", 204, None, None, 3], [1, "", "delivered", 204, "", -1.0, 3],
        [1, "", "delivered", 204, "", float("inf"), 3], [1, "", "delivered", 204, "", float("nan"), 3], [1, "", "delivered", 204, "", "1", 3],
        [1, "", "delivered", 204, "", None, -3], [1, "", "delivered", 204, "", None, True], [1, "", [], 204, "", None, 3],
    ],
)  # fmt: skip
def test_what_is_no_answer_is_told_from_one(entry: object) -> None:
    with pytest.raises(ValueError, match=r"answer|outcome|surrogate|unpack|Outcome"):
        read_answers([entry])


@pytest.mark.parametrize("data", [b"", b"\0\0", struct.pack(">I", 5) + b"[]"])
async def test_a_frame_that_is_cut_ends_the_reading(data: bytes) -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        await entries(data)


async def test_a_frame_that_is_too_long_is_not_waited_for() -> None:
    with pytest.raises(ValueError, match="a frame of"):
        await entries(struct.pack(">I", MOST_BYTES + 1))


def test_a_process_that_posts_is_told_its_own_settings_and_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CALLDOCK_SECRET_KEY", "calldock_secret_key", "Calldock_Internal_Key"):
        monkeypatch.setenv(name, "s3cret")
    settings = PosterSettings(allowed="127.0.0.1,", setting="X", ca_file="", timeout_s=1.5, at_once=7)

    told = settings.environment()

    assert read_environment(told) == settings
    assert "s3cret" not in told.values()
