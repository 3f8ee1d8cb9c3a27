"""docs/contract.md 8: points a minute and a day."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.intake.points import Limits, Spent, left, refund, spend
from services.shared.errors import Refusal

MOSCOW = ZoneInfo("Europe/Moscow")
BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 2, 12, 0, 20, tzinfo=UTC)
BOTH = Limits(minute=10, day=12)


def spent_at(now: datetime, points: int, limits: Limits = BOTH, zone: ZoneInfo = MOSCOW) -> Spent:
    return spend(limits, None, points, now, zone)


def test_what_is_left_is_told_with_the_seconds_until_it_is_more() -> None:
    told = left(BOTH, spent_at(NOON, 5), NOON, MOSCOW)

    assert (told.minute_limit, told.minute_remaining, told.minute_reset) == (10, 5, 40)
    assert (told.day_limit, told.day_remaining, told.day_reset) == (12, 7, 8 * 3600 + 59 * 60 + 40)


def test_a_limit_that_is_not_set_is_told_as_none() -> None:
    limits = Limits(minute=10)

    told = left(limits, spent_at(NOON, 5, limits), NOON, MOSCOW)

    assert (told.day_limit, told.day_remaining, told.day_reset) == (None, None, None)


def test_a_request_that_costs_more_than_is_left_is_refused_and_says_when() -> None:
    spent = spent_at(NOON, 6)

    with pytest.raises(Refusal) as caught:
        spend(BOTH, spent, 5, NOON, MOSCOW)

    assert caught.value.params == {"limit_type": "minute", "limit_max_value": "10"}
    assert caught.value.retry_after_s == 40
    assert spend(BOTH, spent, 4, NOON, MOSCOW).minute_points == 10


def test_the_next_minute_begins_anew_and_the_day_goes_on() -> None:
    later = NOON + timedelta(seconds=40)

    spent = spend(BOTH, spent_at(NOON, 10), 2, later, MOSCOW)

    assert (spent.minute_points, spent.day_points) == (2, 12)
    with pytest.raises(Refusal) as caught:
        spend(BOTH, spent, 1, later, MOSCOW)
    assert caught.value.params["limit_type"] == "day"


def test_the_day_begins_at_midnight_of_the_account() -> None:
    before, after = datetime(2026, 11, 2, 20, 59, 59, tzinfo=UTC), datetime(2026, 11, 2, 21, 0, 0, tzinfo=UTC)

    assert spend(BOTH, spent_at(before, 10), 2, after, MOSCOW).day_points == 2


@pytest.mark.parametrize(
    ("morning", "hours"),
    [
        pytest.param(datetime(2026, 3, 28, 23, tzinfo=UTC), 23, id="8 points on the day of spring"),
        pytest.param(datetime(2026, 10, 24, 22, tzinfo=UTC), 25, id="8 points on the day of autumn"),
    ],
)
def test_a_day_of_a_clock_change_is_one_day(morning: datetime, hours: int) -> None:
    told = left(BOTH, spent_at(morning, 1, zone=BERLIN), morning, BERLIN)

    assert told.day_reset == hours * 3600
    evening = morning + timedelta(hours=hours, seconds=-1)
    assert spend(BOTH, spent_at(morning, 1, zone=BERLIN), 1, evening, BERLIN).day_points == 2


def test_points_given_back_count_no_more_but_not_in_another_minute() -> None:
    spent = spent_at(NOON, 5)
    later = spend(BOTH, spent, 1, NOON + timedelta(minutes=1), MOSCOW)

    at_once = refund(spent, 5, NOON, MOSCOW)
    too_late = refund(later, 5, NOON, MOSCOW)

    assert at_once is not None
    assert (at_once.minute_points, at_once.day_points) == (0, 0)
    assert too_late is not None
    assert (too_late.minute_points, too_late.day_points) == (1, 1)
