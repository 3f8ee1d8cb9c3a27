"""docs/contract.md 6: band and signal-to-noise ratio, on real speech with noise at a known level."""

import numpy as np
import pytest

from services.cli.demo.speech import conversation, with_noise
from services.media.measure import ChannelFigures, measure_channel
from services.media.rules import (
    MIN_HIGH_EDGE_DB,
    MIN_LOW_EDGE_DB,
    check_duration,
    check_sound,
    describe_channels,
    describe_levels,
    fault_of,
    judged_channels,
)
from services.media.verdict import AudioReport, AudioRules
from tests.support.audio import cliff, speech_with_noise

RULES = AudioRules(version=1, max_size_bytes=50 * 1024 * 1024, min_duration_s=16, min_snr_db=15)


@pytest.mark.parametrize("kind", ["white", "pink", "hum"])
@pytest.mark.parametrize("true_db", [10, 15, 20, 25, 30])
def test_the_snr_of_real_speech_is_found_within_2_5_db(kind: str, true_db: float) -> None:
    errors = []
    for seed in range(4):
        figures = measure_channel(speech_with_noise(true_db, kind, voice=seed % 2, seed=seed))
        assert figures.snr_db is not None
        errors.append(abs(figures.snr_db - true_db))

    assert max(errors) < 2.5


def test_digital_silence_between_phrases_is_clean() -> None:
    figures = measure_channel(conversation(20)[0])

    assert figures.snr_db is not None
    assert figures.snr_db > 25


@pytest.mark.parametrize(
    ("low_hz", "high_hz", "passes"),
    [
        pytest.param(0, 4000, True, id="6 band whole"),
        pytest.param(330, 3400, True, id="6 band of the telephone"),
        pytest.param(0, 3000, False, id="6 band low-pass at 3 kHz"),
        pytest.param(0, 3200, False, id="6 band low-pass at 3.2 kHz"),
        pytest.param(0, 2000, False, id="6 band low-pass at 2 kHz"),
        pytest.param(500, 4000, False, id="6 band high-pass at 500 Hz"),
        pytest.param(800, 4000, False, id="6 band high-pass at 800 Hz"),
    ],
)
def test_a_cliff_inside_the_band_is_seen(low_hz: float, high_hz: float, passes: bool) -> None:
    for voice in (0, 1):
        figures = measure_channel(cliff(conversation(20)[voice], below_hz=low_hz, above_hz=high_hz))

        assert figures.low_edge_db is not None
        assert figures.high_edge_db is not None
        assert (figures.low_edge_db >= MIN_LOW_EDGE_DB and figures.high_edge_db >= MIN_HIGH_EDGE_DB) == passes


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(np.zeros(0, np.int16), id="nothing"),
        pytest.param(np.zeros(100, np.int16), id="less than a frame"),
        pytest.param(np.zeros(160_000, np.int16), id="zeros"),
        pytest.param(np.tile(np.array([1, -1], np.int16), 80_000), id="one bit of dither"),
    ],
)
def test_a_channel_without_sound_gives_none_never_nan(samples: "np.ndarray[tuple[int], np.dtype[np.int16]]") -> None:
    figures = measure_channel(samples)

    assert figures.snr_db is None
    assert figures.low_edge_db is None
    assert figures.speech_s == 0


@pytest.mark.contract("6 16 seconds")
def test_sixteen_seconds_less_one_sample_are_too_short() -> None:
    assert list(check_duration(16 * 8000, RULES)) == []
    (fault,) = check_duration(16 * 8000 - 1, RULES)
    assert fault is not None
    assert fault.message == "duration 15.999 s, at least 16 s needed"


def figures(
    snr_db: float | None, *, speech_s: float = 10, power: float = 1.0, low: float = 0.0, high: float = 0.0
) -> ChannelFigures:
    return ChannelFigures(
        snr_db=snr_db,
        speech_s=speech_s,
        active_power=power,
        low_edge_db=low,
        high_edge_db=high,
        speaking=np.zeros(0, np.bool_),
    )


@pytest.mark.parametrize(
    ("other", "is_judged"),
    [
        pytest.param(figures(20.0), True, id="speaks"),
        pytest.param(figures(None, speech_s=0, power=0), False, id="no sound"),
        pytest.param(figures(-3.0), False, id="noise only"),
        pytest.param(figures(20.0, speech_s=0.9), False, id="hardly speaks"),
        pytest.param(figures(20.0, power=10**-2.6), False, id="echo 26 dB down"),
        pytest.param(figures(20.0, power=10**-2.4), True, id="quiet, 24 dB down"),
    ],
)
def test_which_channels_are_judged(other: ChannelFigures, is_judged: bool) -> None:
    assert judged_channels([figures(30.0), other]) == [True, is_judged]


@pytest.mark.parametrize(
    ("channels", "told"),
    [
        pytest.param([figures(30.0), figures(15.0)], None, id="6 SNR just enough"),
        pytest.param(
            [figures(30.0), figures(14.99)], "right channel: signal-to-noise ratio 14.9 dB", id="6 SNR too little"
        ),
        pytest.param(
            [figures(30.0, low=-20.1), figures(5.0)],
            "left channel: too narrow a band, speech at 375-406 Hz lies 20.1 dB",
            id="6 band before SNR",
        ),
        pytest.param(
            [figures(30.0), figures(30.0, high=-29)],
            "right channel: too narrow a band, speech at 3250-3312 Hz lies 29.0 dB",
            id="6 band upper edge",
        ),
        pytest.param(
            [figures(None, speech_s=0), figures(-2.0, speech_s=3, power=0)],
            "no speech found (left no sound, right -2.0 dB over noise, 3.0 s of speech)",
            id="6 SNR no speech",
        ),
    ],
)
def test_the_verdict_names_the_channel_the_figure_and_the_limit(
    channels: list[ChannelFigures], told: str | None
) -> None:
    report = AudioReport(rules_version=1)
    silence = np.zeros((2, 10), np.int16)
    describe_levels(report, silence)
    describe_channels(report, silence, channels)

    fault = next(check_sound(report, RULES), None)

    if told is None:
        assert fault is None
    else:
        assert fault is not None
        assert fault_of(fault).code == "wav_processing_error"
        assert told in fault_of(fault).message


def test_identical_channels_are_a_warning() -> None:
    one = with_noise(conversation(20), -62)[0]
    report = AudioReport(rules_version=1)

    describe_levels(report, np.stack([one, one]))
    describe_channels(report, np.stack([one, one]), [measure_channel(one)] * 2)

    assert report.has_identical_channels
    assert "record the employee and the customer apart" in report.warnings[0].message
