"""Who talks when, and how loud a channel is (docs/audio.md)."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.demo.speech import conversation, with_noise
from services.media.level import PARTS, measure_level
from services.media.measure import measure_channel
from services.media.rules import describe_channels, describe_levels
from services.media.talk import Segment, segments, shares
from services.media.verdict import AudioReport


def mask(text: str) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    return np.array([each == "#" for each in text], np.bool_)


def test_full_scale_and_offset_are_measured() -> None:
    level = measure_level(
        np.concatenate([np.full(8000, 32767, np.int16), np.full(8000, -32768, np.int16), np.zeros(16000, np.int16)])
    )

    assert level.clipping_share == pytest.approx(0.5)
    assert level.dc_offset == pytest.approx(0, abs=1e-4)
    assert level.level_dbfs == pytest.approx(-3.01, abs=0.01)
    assert not level.is_dead


def test_a_constant_is_an_offset_and_no_dead_channel() -> None:
    level = measure_level(np.full(16_000, 3277, np.int16))

    assert level.dc_offset == pytest.approx(0.1, abs=1e-3)
    assert (level.is_dead, level.clipping_share) == (False, 0.0)


@pytest.mark.parametrize(
    ("samples", "is_dead"),
    [
        pytest.param(np.zeros(0, np.int16), True, id="nothing"),
        pytest.param(np.zeros(16_000, np.int16), True, id="zeros"),
        pytest.param(np.tile(np.array([1, -1], np.int16), 8000), True, id="dither"),
        pytest.param(np.append(np.zeros(16_000, np.int16), np.int16(2)), False, id="one step more, once"),
    ],
)
def test_a_channel_without_sound_is_dead(samples: "np.ndarray[tuple[int], np.dtype[np.int16]]", is_dead: bool) -> None:
    assert measure_level(samples).is_dead is is_dead


def test_the_outline_has_the_loudest_sample_of_each_part() -> None:
    samples = np.zeros(PARTS * 10, np.int16)
    samples[5] = -32768
    samples[15] = 16384
    samples[-1] = 1

    peaks = measure_level(samples).peaks

    assert len(peaks) == PARTS
    assert (peaks[0], peaks[1], peaks[2], peaks[-1]) == (255, 128, 0, 1)
    assert measure_level(samples[: PARTS - 1]).peaks == b""


def test_spans_have_their_short_pauses_inside() -> None:
    # A frame is 32 ms.
    active = mask("#" * 10 + "." * 15 + "#" * 10 + "." * 16 + "#" * 5)

    assert segments(active) == [Segment(0.0, 1.12), Segment(1.632, 1.792)]
    assert segments(mask("....")) == segments(mask("")) == []


@given(st.text(alphabet="#.", max_size=300))
def test_spans_cover_what_is_active_and_lie_half_a_second_apart(text: str) -> None:
    found = segments(mask(text))

    assert all(later.start_s - earlier.end_s >= 0.5 for earlier, later in pairwise(found))
    for place, each in enumerate(text):
        if each == "#":
            assert any(span.start_s <= place * 0.032 < span.end_s for span in found)


def test_shares_of_both_and_of_none() -> None:
    assert shares([mask("##.."), mask("#.#.")]) == (0.25, 0.25)
    assert shares([mask(""), mask("")]) == (0.0, 1.0)


def test_a_conversation_in_turns_hardly_overlaps_and_its_spans_are_its_phrases() -> None:
    samples = with_noise(conversation(30), -62)
    report = AudioReport(rules_version=1)

    describe_levels(report, samples)
    describe_channels(report, samples, [measure_channel(np.ascontiguousarray(channel)) for channel in samples])

    assert report.overlap_share is not None
    assert report.silence_share is not None
    assert report.overlap_share < 0.03
    assert 0.01 < report.silence_share < 0.3
    left, right = report.channels
    assert 3 < len(left.segments) < 30
    assert left.speech_share == pytest.approx((left.speech_s or 0) / 30, abs=0.01)
    # The right one answers when the left one is done.
    assert right.segments[0].start_s >= left.segments[0].end_s - 0.3
