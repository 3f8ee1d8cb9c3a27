"""The contract's rules for a WAV, each a pure function of what was found (docs/contract.md 6). The caller asks them in the contract's order."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from services.media.level import measure_level
from services.media.measure import ChannelFigures
from services.media.riff import PCM, WavHeader
from services.media.spectrum import SAMPLE_RATE_HZ
from services.media.talk import segments, shares
from services.media.verdict import (
    AudioChannel,
    AudioReport,
    AudioRule,
    AudioRules,
    ChannelReport,
    ErrorCode,
    Fault,
    Finding,
    RulePolicy,
)

CHANNEL_COUNT = 2
BITS_PER_SAMPLE = 16

MIN_LOW_EDGE_DB = -10.5
"""Between a sharp high-pass at 400 Hz with hum (-10.4 at worst) and a soft one at 500 Hz (Butterworth of order 10: -11.0); speech reads -5 or more (measured on 17 voices)."""
MIN_HIGH_EDGE_DB = -26.5
"""Between telephone speech (-25.5 at worst through AMR and in noise, one old GSM-coded voice aside) and a sharp low-pass at 3 kHz under white noise of 20 dB (-26 to
-29; -48 and less without noise; measured on 17 voices)."""

MIN_SPEECH_S = 1.0
MAX_BELOW_LOUDER_DB = 25.0
"""A channel that is quieter than this against the other is echo or silence."""

_CODES = {
    AudioRule.CHANNEL_COUNT: ErrorCode.WAV_CHANNELS,
    AudioRule.DURATION: ErrorCode.WAV_MIN_DURATION,
}


def fault_of(finding: Finding, employee_channel: AudioChannel | None = None) -> Fault:
    """The contract's fault for a rule that was not kept; a finding about one channel begins with whose it is, as far as that is known."""
    told = finding.message
    if finding.channel:
        told = f"{whose(finding.channel, employee_channel)}: {told}"
    return Fault(_CODES.get(finding.rule, ErrorCode.WAV_PROCESSING), told)


def whose(channel: AudioChannel, employee_channel: AudioChannel | None) -> str:
    """A channel in words: `customer's channel (right)`, or `right channel` when nobody said where the employee is."""
    if employee_channel is None:
        return f"{channel} channel"
    return f"{'employee' if channel is employee_channel else 'customer'}'s channel ({channel})"


def check_header(header: WavHeader) -> Finding | None:
    """Channels, then codec, bits and rate."""
    if header.channel_count != CHANNEL_COUNT:
        plural = "" if header.channel_count == 1 else "s"
        told = f"{header.channel_count} channel{plural}, exactly {CHANNEL_COUNT} are needed: the employee in one, the customer in the other"
        return Finding(AudioRule.CHANNEL_COUNT, told)
    if header.format_tag != PCM or header.bits_per_sample != BITS_PER_SAMPLE:
        return Finding(AudioRule.ENCODING, f"encoded as {header.codec}, PCM {BITS_PER_SAMPLE} bit is needed")
    if header.sample_rate_hz != SAMPLE_RATE_HZ:
        told = f"sample rate {header.sample_rate_hz} Hz, {SAMPLE_RATE_HZ} Hz is needed"
        return Finding(AudioRule.SAMPLE_RATE, told)
    frame_bytes = CHANNEL_COUNT * BITS_PER_SAMPLE // 8
    if header.block_bytes != frame_bytes:
        return Finding(AudioRule.ENCODING, f"frames of {header.block_bytes} bytes, {frame_bytes} are needed")
    return None


def check_duration(frames: int, rules: AudioRules) -> Iterator[Finding]:
    """By counted samples: one sample too few is too few."""
    if frames < rules.min_duration_s * SAMPLE_RATE_HZ:
        # Cut, not rounded: 15.9999 s must not read as 16.
        shown = int(frames / SAMPLE_RATE_HZ * 1000) / 1000
        yield Finding(AudioRule.DURATION, f"duration {shown:g} s, at least {rules.min_duration_s:g} s needed")


def judged_channels(channels: list[ChannelFigures]) -> list[bool]:
    """Which channels carry speech of their own and are judged; the rest is silence, noise or echo."""
    loudest = max((channel.active_power for channel in channels), default=0.0)
    return [
        channel.snr_db is not None
        and channel.snr_db >= 0
        and channel.speech_s >= MIN_SPEECH_S
        and channel.active_power >= loudest * 10 ** (-MAX_BELOW_LOUDER_DB / 10)
        for channel in channels
    ]


def refusing(findings: Iterable[Finding], report: AudioReport, rules: AudioRules) -> Finding | None:
    """The first finding whose rule refuses, by the account's policies. One that only warns goes into the report; one that is off is passed over."""
    for finding in findings:
        policy = rules.policies.get(finding.rule, RulePolicy.REJECT)
        if policy is RulePolicy.REJECT:
            return finding
        if policy is RulePolicy.WARN:
            report.warnings.append(finding)
    return None


def check_sound(report: AudioReport, rules: AudioRules) -> Iterator[Finding]:
    """Band, then signal over noise, on the channels that are judged; that anybody speaks at all."""
    judged = [(name, channel) for name, channel in _named(report) if channel.is_judged]
    if not judged:
        figures = ", ".join(f"{name} {_told(channel)}" for name, channel in _named(report))
        told = f"no speech found ({figures}), a signal-to-noise ratio of at least {rules.min_snr_db:g} dB is needed"
        yield Finding(AudioRule.SPEECH, told)
    for name, channel in judged:
        for edge_db, least_db, where in (
            (channel.low_edge_db, MIN_LOW_EDGE_DB, "375-406 Hz"),
            (channel.high_edge_db, MIN_HIGH_EDGE_DB, "3250-3312 Hz"),
        ):
            if edge_db is not None and edge_db < least_db:
                told = (
                    f"too narrow a band, speech at {where} lies {-edge_db:.1f} dB below the middle, "
                    f"at most {-least_db:g} dB are taken (330-3400 Hz is needed)"
                )
                yield Finding(AudioRule.BAND, told, name)
    for name, channel in judged:
        if channel.snr_db is not None and channel.snr_db < rules.min_snr_db:
            # Cut, not rounded: 14.99 dB must not read as 15.
            shown = np.floor(channel.snr_db * 10) / 10
            told = f"signal-to-noise ratio {shown:.1f} dB in 330-3400 Hz, at least {rules.min_snr_db:g} dB needed"
            yield Finding(AudioRule.SIGNAL_TO_NOISE, told, name)


def describe_levels(report: AudioReport, samples: NDArray[np.int16]) -> None:
    """Writes into the report how loud each channel is: what can be told of any file that decodes. `samples` is (channels, n)."""
    for channel in samples:
        level = measure_level(channel)
        report.channels.append(
            ChannelReport(
                level_dbfs=level.level_dbfs,
                clipping_share=level.clipping_share,
                dc_offset=level.dc_offset,
                is_dead=level.is_dead,
                peaks=level.peaks,
            )
        )


def describe_channels(report: AudioReport, samples: NDArray[np.int16], channels: list[ChannelFigures]) -> None:
    """Writes what the spectra tell into the report whose levels are described, and what a person should know of it."""
    are_judged = judged_channels(channels)
    for described, channel, is_judged in zip(report.channels, channels, are_judged, strict=True):
        described.is_judged = is_judged
        described.snr_db = channel.snr_db
        described.speech_s = channel.speech_s
        described.speech_share = float(np.mean(channel.speaking)) if len(channel.speaking) else 0.0
        described.segments = segments(channel.speaking) if is_judged else []
        described.low_edge_db = channel.low_edge_db
        described.high_edge_db = channel.high_edge_db
    # What is noise or echo does not talk.
    speaking = [
        channel.speaking if is_judged else np.zeros_like(channel.speaking)
        for channel, is_judged in zip(channels, are_judged, strict=True)
    ]
    report.overlap_share, report.silence_share = shares(speaking)
    judged = [channel.snr_db for channel in report.channels if channel.is_judged and channel.snr_db is not None]
    report.snr_db = min(judged, default=None)
    report.has_identical_channels = bool(np.array_equal(samples[0], samples[1]))
    if report.has_identical_channels:
        told = "both channels hold the same sound: record the employee and the customer apart"
        report.warnings.append(Finding(AudioRule.DISTINCT_CHANNELS, told))
    for name, described in _named(report):
        if not described.is_judged:
            report.warnings.append(Finding(AudioRule.SPEECH, f"not judged: {_told(described)}", name))


def _named(report: AudioReport) -> list[tuple[AudioChannel, ChannelReport]]:
    return list(zip(AudioChannel, report.channels, strict=True))


def _told(channel: ChannelReport) -> str:
    if channel.snr_db is None:
        return "no sound"
    return f"{channel.snr_db:.1f} dB over noise, {channel.speech_s or 0:.1f} s of speech"
