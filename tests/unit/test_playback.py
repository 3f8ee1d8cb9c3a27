"""Playback links and ranges: what is made opens, anything else does not."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.media.byte_range import NotSatisfiable, Part, read_range
from services.media.playback import LINK_CHARACTERS, Playback, sign, verify
from services.shared.identity import AccountId

KEY = b"k" * 32
NOW = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
PLAYBACK = Playback(account_id=AccountId(7), recording_id=2**63 - 1, expire_time=NOW + timedelta(minutes=15))


def test_a_link_gives_back_what_it_was_made_for() -> None:
    link = sign(PLAYBACK, KEY)

    assert len(link) == LINK_CHARACTERS
    assert verify(link, KEY, NOW) == PLAYBACK


def test_a_link_opens_until_its_time_is_over() -> None:
    link = sign(PLAYBACK, KEY)

    assert verify(link, KEY, PLAYBACK.expire_time - timedelta(milliseconds=1)) == PLAYBACK
    assert verify(link, KEY, PLAYBACK.expire_time) is None


def test_a_link_of_another_key_does_not_open() -> None:
    assert verify(sign(PLAYBACK, KEY), b"l" * 32, NOW) is None


@given(place=st.integers(0, LINK_CHARACTERS - 1), letter=st.sampled_from("AQgw_-9é="))
def test_a_link_that_was_altered_anywhere_does_not_open(place: int, letter: str) -> None:
    link = sign(PLAYBACK, KEY)
    altered = link[:place] + letter + link[place + 1 :]

    assert altered == link or verify(altered, KEY, NOW) is None


@given(st.text(max_size=200))
def test_no_text_that_we_did_not_sign_opens(text: str) -> None:
    assert verify(text, KEY, NOW) is None


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", Part(0, 1)),
        ("bytes=2-5", Part(2, 6)),
        ("bytes=2-", Part(2, 10)),
        ("Bytes=2-99", Part(2, 10)),
        ("bytes=-3", Part(7, 10)),
        ("bytes=-99", Part(0, 10)),
        ("", None),
        ("bytes=5-2", None),
        ("bytes=0-1,3-4", None),
        ("bytes=-", None),
        ("seconds=1-2", None),
        ("bytes=٣-", None),
    ],
)
def test_a_range_of_ten_bytes(header: str, part: Part | None) -> None:
    assert read_range(header, 10) == part


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_a_range_without_a_byte_of_the_file_is_not_satisfiable(header: str) -> None:
    with pytest.raises(NotSatisfiable):
        read_range(header, 10)
