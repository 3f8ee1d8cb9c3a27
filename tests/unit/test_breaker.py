"""The circuit breaker of a receiver, and whose notification goes next."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.notify.breaker import LONGEST_PAUSE, BreakerRules, ReceiverHealth, after
from services.notify.notification import Attempt, AttemptOutcome
from services.notify.picking import PostLimits, Receiver, fair_picks
from tests.support.makers import NOON
from tests.support.notifying import DOWN, FAILED, OK

RULES = BreakerRules(failures=3, first_pause=timedelta(seconds=10))
SECOND = timedelta(seconds=1)


def failing(times: int, health: ReceiverHealth | None = None) -> ReceiverHealth:
    health = health or ReceiverHealth()
    for _ in range(times):
        health = after(health, DOWN, RULES, NOON)
    return health


def an_answer(status: int, retry_after_s: float | None = None) -> Attempt:
    return replace(FAILED, http_status=status, retry_after_s=retry_after_s)


def test_a_receiver_is_paused_after_so_many_failures_in_a_row() -> None:
    assert [failing(times).probe_time for times in (1, 2)] == [None, None]
    assert failing(3).probe_time == NOON + 10 * SECOND
    assert failing(3).room(16, NOON) == 0
    assert failing(3).room(16, NOON + 10 * SECOND) == 1


def test_what_was_under_way_when_the_pause_began_does_not_lengthen_it() -> None:
    assert failing(20).probe_time == failing(3).probe_time


def test_each_probe_that_fails_doubles_the_pause_up_to_ten_minutes() -> None:
    health, pauses = failing(3), []
    for _ in range(9):
        assert health.probe_time is not None
        now = health.probe_time
        health = after(health, replace(DOWN, attempt_time=now), RULES, now)
        assert health.probe_time is not None
        pauses.append((health.probe_time - now) / SECOND)

    assert pauses == [20, 40, 80, 160, 320, 600, 600, 600, 600]
    assert LONGEST_PAUSE / SECOND == 600


@pytest.mark.parametrize("attempt", [OK, an_answer(404), an_answer(301), an_answer(410), an_answer(400)])
def test_an_answer_that_shows_the_host_alive_ends_a_pause(attempt: Attempt) -> None:
    health = after(failing(3), attempt, RULES, NOON)

    assert (health.failures, health.probe_time, health.failing_since, health.reason) == (0, None, None, "")
    assert health.room(16, NOON) == 16


@pytest.mark.parametrize(
    ("attempt", "is_its_own"),
    [
        (an_answer(500), True), (an_answer(502), True), (an_answer(503), True), (an_answer(429), True), (DOWN, True),
        (replace(DOWN, outcome=AttemptOutcome.TIMEOUT), True), (replace(DOWN, outcome=AttemptOutcome.ADDRESS_REFUSED), False),
        (replace(DOWN, outcome=AttemptOutcome.INTERNAL), False),
    ],
)  # fmt: skip
def test_what_counts_as_the_receivers_own_failure(attempt: Attempt, is_its_own: bool) -> None:
    assert after(ReceiverHealth(), attempt, RULES, NOON).failures == is_its_own


@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_that_asks_for_time_gets_it_at_once(status: int) -> None:
    health = after(ReceiverHealth(), an_answer(status, 42), RULES, NOON)

    assert health.probe_time == NOON + 42 * SECOND
    assert after(ReceiverHealth(), an_answer(status, 86_400), RULES, NOON).probe_time == NOON + LONGEST_PAUSE
    assert after(ReceiverHealth(), an_answer(500, 42), RULES, NOON).probe_time is None


def test_a_probe_that_fails_after_a_pause_that_was_asked_for_pauses_again() -> None:
    health = after(ReceiverHealth(), an_answer(503, 1), RULES, NOON)
    probe = NOON + SECOND
    health = after(health, replace(DOWN, attempt_time=probe), RULES, probe)

    assert health.probe_time is not None
    assert health.probe_time > probe


def test_what_was_under_way_when_the_pause_began_prolongs_it_and_makes_the_next_no_longer() -> None:
    health = after(ReceiverHealth(), an_answer(429, 1), RULES, NOON)
    for _ in range(15):
        health = after(health, an_answer(429, 3), RULES, NOON)

    assert (health.pauses, health.probe_time) == (1, NOON + 3 * SECOND)


def test_since_when_and_why_it_fails_is_kept() -> None:
    first = replace(DOWN, attempt_time=NOON - SECOND, reason="could not connect")
    health = after(ReceiverHealth(last_delivered_time=NOON), first, RULES, NOON)
    health = after(health, replace(DOWN, reason="no answer within 15 s"), RULES, NOON)

    assert (health.failing_since, health.failures) == (NOON - SECOND, 2)
    assert (health.reason, health.last_delivered_time) == ("no answer within 15 s", NOON)


def a_receiver(number: int, account: int = 1, host: str = "", health: ReceiverHealth | None = None) -> Receiver:
    return Receiver(
        receiver_id=number, account_id=account, host=host or f"h{number}", health=health or ReceiverHealth()
    )


LIMITS = PostLimits(per_host=3, per_account=4)


def picked(waiting: list[Receiver], busy: dict[Receiver, int] | None = None, most: int = 100) -> dict[int, int]:
    picks = fair_picks(waiting, busy or {}, most, LIMITS, NOON)
    return {receiver.receiver_id: count for receiver, count in picks.items()}


def test_accounts_take_turns_and_so_do_an_accounts_receivers() -> None:
    waiting = [a_receiver(1), a_receiver(2), a_receiver(3, account=2)]

    assert picked(waiting, most=4) == {1: 1, 3: 2, 2: 1}


def test_an_account_with_less_under_way_goes_first() -> None:
    one, two = a_receiver(1), a_receiver(2, account=2)

    assert picked([one, two], {one: 2}, most=2) == {2: 2}


def test_a_host_is_never_crowded_whoevers_notifications_they_are() -> None:
    waiting = [a_receiver(1, host="same"), a_receiver(2, account=2, host="same"), a_receiver(3, account=3)]

    assert picked(waiting, {waiting[1]: 1}) == {1: 2, 3: 3}


def test_an_account_never_has_more_than_its_share() -> None:
    assert sum(picked([a_receiver(number) for number in range(1, 10)]).values()) == 4


def test_a_paused_receiver_gets_nothing_and_one_that_is_probed_one() -> None:
    paused = a_receiver(1, health=failing(3))
    probed = a_receiver(2, health=replace(failing(3), probe_time=NOON))

    assert picked([paused, probed, a_receiver(3)]) == {2: 1, 3: 3}
    assert picked([paused, probed], {probed: 1}) == {}


def test_an_account_that_is_busy_elsewhere_has_its_share_of_a_host_that_others_keep_busy() -> None:
    elsewhere, ours, theirs = a_receiver(1), a_receiver(2, host="same"), a_receiver(3, account=2, host="same")

    assert picked([ours, theirs], {elsewhere: 3, theirs: 2}) == {2: 1}
    assert picked([ours, theirs], {elsewhere: 3, theirs: 1}, most=1) == {2: 1}
    # One that may have no more leaves the host to the others.
    assert picked([ours, theirs], {elsewhere: 4, theirs: 1}) == {3: 2}
