"""Moments and spans of time as a person types them."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from services.cli.moments import moment_of, shown, span_of
from tests.support.makers import NOON


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("24h", timedelta(hours=24)),
        ("3d", timedelta(days=3)),
        ("0", timedelta()),
        ("0h", timedelta()),
    ],
)
def test_a_span_is_a_number_with_its_unit(text: str, span: timedelta) -> None:
    assert span_of(text) == span


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1.5h", "1h30m", "2\th", "2H", "3w", "٣d", "9999999d", "3d\n"])
def test_anything_else_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match="is no span of time such as 30m, 2h or 3d"):
        span_of(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        pytest.param("2026-11-02T10:00:00Z", datetime(2026, 11, 2, 10, tzinfo=UTC), id="in UTC"),
        pytest.param("2026-11-02T10:00:00+03:00", datetime(2026, 11, 2, 7, tzinfo=UTC), id="in a zone"),
        pytest.param("2026-11-02 10:00", datetime(2026, 11, 2, 10, tzinfo=UTC), id="no zone"),
        pytest.param("2026-11-02", datetime(2026, 11, 2, tzinfo=UTC), id="a day"),
        pytest.param("30m", NOON - timedelta(minutes=30), id="minutes back"),
        pytest.param("2h", NOON - timedelta(hours=2), id="hours back"),
        pytest.param("3d", NOON - timedelta(days=3), id="days back"),
        pytest.param("0s", NOON, id="now"),
    ],
)
def test_a_moment_is_named_or_counted_back_from_now(text: str, moment: datetime) -> None:
    found = moment_of(text, NOON)

    assert found == moment
    assert found.utcoffset() == timedelta()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("yesterday", id="a word"),
        pytest.param("2026-13-01", id="no such month"),
        pytest.param("2026-11-02T25:00:00Z", id="no such hour"),
        pytest.param("3", id="no unit"),
        pytest.param("999999d", id="before the first year"),
        pytest.param("0001-01-01T00:00:00+14:00", id="before the first year in UTC"),
    ],
)
def test_anything_else_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match="is no moment such as"):
        moment_of(text, NOON)


def test_a_moment_is_shown_in_utc_to_the_second() -> None:
    assert shown(Timestamp(seconds=1_793_613_600, nanos=999_000_000)) == "2026-11-02 10:00:00"
