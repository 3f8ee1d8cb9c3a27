"""What comes of a rule that a WAV does not keep, by the account's policies: whole files through the real examination."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from services.cli.demo.speech import conversation, wav_bytes, with_noise
from services.media.examine import examine
from services.media.verdict import AudioRule, RecordingFormat, RulePolicy
from tests.integration.test_examine import ORDER, RULES
from tests.support.audio import cliff

NOISY = wav_bytes(with_noise(conversation(20), -24))
NARROW = wav_bytes(np.stack([cliff(channel, above_hz=3000) for channel in conversation(20)]))
SHORT = wav_bytes(conversation(10))
SILENT = wav_bytes(np.zeros((2, 160_000), np.int16))
EMPTY = wav_bytes(conversation(20)[:, :0])
TINY = wav_bytes(conversation(20)[:, :1])


def judged(data: bytes, policies: Mapping[AudioRule, RulePolicy]) -> tuple[AudioRule | None, list[AudioRule], bool]:
    """The rule that refused, those that warned about the sound, and whether there is an MP3."""
    found = examine(data, RecordingFormat.WAV, replace(RULES, policies=policies), ORDER)
    failure = found.report.failure
    assert (failure is None) == (found.fault is None)
    asked = (AudioRule.DURATION, AudioRule.BAND, AudioRule.SIGNAL_TO_NOISE, AudioRule.SPEECH)
    warned = [
        warning.rule
        for warning in found.report.warnings
        if warning.rule in asked and not warning.message.startswith("not judged")
    ]
    return (failure.rule if failure else None), warned, found.mp3 is not None


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        pytest.param(NOISY, AudioRule.SIGNAL_TO_NOISE, id="noisy"),
        pytest.param(NARROW, AudioRule.BAND, id="narrow"),
        pytest.param(SHORT, AudioRule.DURATION, id="short"),
        pytest.param(SILENT, AudioRule.SPEECH, id="silent"),
    ],
)
def test_a_rule_refuses_warns_or_is_not_asked(data: bytes, rule: AudioRule) -> None:
    assert judged(data, {}) == (rule, [], False)
    assert judged(data, {rule: RulePolicy.REJECT}) == (rule, [], False)
    refused, warned, has_mp3 = judged(data, {rule: RulePolicy.WARN})
    assert (refused, set(warned), has_mp3) == (None, {rule}, True)
    assert judged(data, {rule: RulePolicy.OFF}) == (None, [], True)


def test_a_rule_that_only_warns_lets_the_next_one_refuse() -> None:
    short_and_noisy = wav_bytes(with_noise(conversation(10), -24))

    assert judged(short_and_noisy, {AudioRule.DURATION: RulePolicy.WARN}) == (
        AudioRule.SIGNAL_TO_NOISE, [AudioRule.DURATION], False,
    )  # fmt: skip


def test_a_file_of_one_sample_passes_when_nothing_is_asked_of_the_sound() -> None:
    off = dict.fromkeys(
        (AudioRule.DURATION, AudioRule.BAND, AudioRule.SIGNAL_TO_NOISE, AudioRule.SPEECH), RulePolicy.OFF
    )

    assert judged(TINY, off) == (None, [], True)
    assert judged(EMPTY, off) == (None, [], True)
