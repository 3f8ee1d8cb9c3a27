"""docs/contract.md 3: wall-clock times, at both ends of daylight saving too."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.wall_time import BadTime, to_moment, to_wall, zone_of

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.contract("3 account's zone")
def test_a_wall_time_is_read_in_the_zone() -> None:
    assert to_moment("2026-11-02 10:00:00", ZoneInfo("Europe/Moscow")) == datetime(2026, 11, 2, 7, tzinfo=UTC)


@pytest.mark.contract("3 does not exist")
def test_a_time_in_the_spring_gap_is_refused() -> None:
    with pytest.raises(BadTime, match="does not exist in Europe/Berlin"):
        to_moment("2026-03-29 02:30:00", BERLIN)


@pytest.mark.contract("3 occurs twice")
def test_a_time_that_occurs_twice_is_the_earlier_one() -> None:
    assert to_moment("2026-10-25 02:30:00", BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-02T10:00:00",
        "2026-11-02 10:00",
        "2026-11-02 10:00:00 ",
        "2026-13-01 10:00:00",
        "2026-02-30 10:00:00",
        "2026-11-02 24:00:00",
        "2026-11-02 10:00:60",
        "0000-01-01 00:00:00",
        "0001-01-01 00:00:00",
        "1969-12-31 00:00:00",
        "9999-12-31 23:59:59",
        "26-11-02 10:00:00",
        "",
        "\u0662\u0660\u0662\u0666-11-02 10:00:00",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadTime):
        to_moment(text, BERLIN)


@given(
    moment=st.datetimes(min_value=datetime.fromisoformat("1971-01-01"), max_value=datetime.fromisoformat("9990-01-01")),
    zone=st.sampled_from(sorted(available_timezones())),
)
def test_reading_what_was_written_gives_the_moment_or_its_earlier_twin(moment: datetime, zone: str) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    read = to_moment(to_wall(moment, ZoneInfo(zone)), ZoneInfo(zone))
    assert read <= moment
    assert to_wall(read, ZoneInfo(zone)) == to_wall(moment, ZoneInfo(zone))


@given(
    wall=st.datetimes(min_value=datetime.fromisoformat("1971-01-01"), max_value=datetime.fromisoformat("2037-01-01")),
    zone=st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tehran", "Africa/Casablanca"]
    ),
    data=st.data(),
)
def test_what_no_clock_of_the_zone_shows_is_refused_and_nothing_else(
    wall: datetime, zone: str, data: st.DataObject
) -> None:
    there = ZoneInfo(zone)
    # Close to where the clocks change, when they do in that year.
    hours = [wall.replace(month=1, day=1, hour=0) + timedelta(hours=hour) for hour in range(0, 366 * 24, 6)]
    changes = [two for one, two in pairwise(hours) if there.utcoffset(one) != there.utcoffset(two)]
    if changes:
        wall = data.draw(st.sampled_from(changes)) + timedelta(minutes=data.draw(st.integers(-12 * 60, 60)))
    wall = wall.replace(microsecond=0)
    shown = wall.replace(tzinfo=there).astimezone(UTC).astimezone(there).replace(tzinfo=None) == wall

    try:
        moment = to_moment(f"{wall:%Y-%m-%d %H:%M:%S}", there)
    except BadTime:
        assert not shown
    else:
        assert shown
        assert moment == wall.replace(tzinfo=there).astimezone(UTC)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "Europe/Moscow\0", "/etc/localtime"])
def test_what_is_no_zone_is_none(name: str) -> None:
    assert zone_of(name) is None
