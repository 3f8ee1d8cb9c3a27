"""What travels between notify and the processes that post."""

import json

import pytest

from services.notify.answers import Answer, NotPosted, Post, read_answers, read_posts, write_answers, write_posts
from services.notify.notification import AttemptOutcome
from services.notify.poster_settings import PosterSettings, read_environment


def test_posts_and_answers_come_as_they_went() -> None:
    posts = [
        Post(1, "https://x/é?a=\U0001f4de", {"webhook-id": "1"}, '{"ext_id":"зв\\u0000"}'),
        Post(2**40, "http://y", {}, ""),
    ]
    answers: list[tuple[int, Answer | NotPosted]] = [
        (1, Answer(outcome=AttemptOutcome.DELIVERED, http_status=204, latency_ms=3)),
        (2**40, Answer(outcome=AttemptOutcome.TIMEOUT, reason="no answer", head="\ufffd<b>", retry_after_s=1.5)),
        (3, NotPosted("notify stops")),
    ]

    assert read_posts(write_posts(posts)) == posts
    assert read_answers(write_answers(answers)) == answers


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
        read_answers(json.dumps([entry]).encode())


def test_a_process_that_posts_is_told_its_own_settings_and_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CALLDOCK_SECRET_KEY", "calldock_secret_key", "Calldock_Internal_Key"):
        monkeypatch.setenv(name, "s3cret")
    settings = PosterSettings(allowed="127.0.0.1,", setting="X", ca_file="", timeout_s=1.5, at_once=7)

    told = settings.environment()

    assert read_environment(told) == settings
    assert "s3cret" not in told.values()
