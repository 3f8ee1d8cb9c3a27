"""One file from first byte to verdict, in the contract's order (docs/contract.md 6). Runs in a worker process."""

import io
import time
import wave
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from services.media.decode import CannotDecode, decode_mp3
from services.media.encode import encode_mp3
from services.media.id3 import BadTag, id3_tag, tags_end
from services.media.measure import measure_channel
from services.media.pcm import read_samples
from services.media.riff import BadRiff, read_header
from services.media.rules import (
    check_duration,
    check_header,
    check_sound,
    describe_channels,
    describe_levels,
    fault_of,
    refusing,
)
from services.media.spectrum import SAMPLE_RATE_HZ
from services.media.verdict import (
    AudioChannel,
    AudioReport,
    AudioRules,
    ErrorCode,
    Examination,
    Fault,
    Finding,
    RecordingFormat,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTags:
    """What the MP3 says of its call."""

    ext_id: str
    call_session_id: int
    start_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Mp3Order:
    """The MP3 to be made of a WAV that is accepted."""

    tags: AudioTags
    bit_rate_kbps: int


def examine(
    data: bytes,
    kind: RecordingFormat,
    rules: AudioRules,
    order: Mp3Order | None,
    employee_channel: AudioChannel | None = None,
) -> Examination:
    """The verdict on a file, with its report, and its MP3 when it is a WAV that was accepted and one is ordered. The first rule that fails is the verdict."""
    began_s = time.process_time()
    if kind is RecordingFormat.WAV:
        found = _examine_wav(data, rules, order, employee_channel)
    else:
        found = _examine_mp3(data, rules)
    return replace(found, cpu_s=time.process_time() - began_s)


def warm_up() -> None:
    """Runs the whole way once on a little sound of our own, so that every library has loaded what it loads late."""
    times = np.arange(SAMPLE_RATE_HZ * 2) / SAMPLE_RATE_HZ
    tone = (10_000 * np.sin(2 * np.pi * 1000 * times)).astype(np.int16)
    tags = AudioTags(ext_id="", call_session_id=0, start_time=datetime(2000, 1, 1, tzinfo=UTC))
    order = Mp3Order(tags=tags, bit_rate_kbps=32)
    rules = AudioRules(version=0, max_size_bytes=0, min_duration_s=0, min_snr_db=-100)
    wav = io.BytesIO()
    with wave.open(wav, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(np.repeat(tone, 2).tobytes())
    examine(wav.getvalue(), RecordingFormat.WAV, rules, order)
    mp3 = id3_tag(tags.start_time, {}) + encode_mp3(np.stack([tone, tone]), SAMPLE_RATE_HZ, order.bit_rate_kbps)
    examine(mp3, RecordingFormat.MP3, rules, order)
    # A file that is refused goes other ways.
    examine(wav.getvalue()[:-9], RecordingFormat.WAV, rules, order)
    examine(mp3[:30], RecordingFormat.MP3, rules, order)


def _examine_wav(
    data: bytes, rules: AudioRules, order: Mp3Order | None, employee_channel: AudioChannel | None
) -> Examination:
    report = AudioReport(rules_version=rules.version)
    try:
        header = read_header(io.BytesIO(data))
    except BadRiff as bad:
        return Examination(fault=Fault(ErrorCode.DECODE, str(bad)), report=report)
    report.codec = header.codec
    report.sample_rate_hz = header.sample_rate_hz
    report.bits_per_sample = header.bits_per_sample
    report.channel_count = header.channel_count
    if finding := check_header(header):
        return _refused(report, finding, employee_channel)
    samples = read_samples(data, header)
    frames = samples.shape[1]
    report.duration_s = frames / SAMPLE_RATE_HZ
    # Each channel in one piece: measuring runs through them many times. The encoder takes them interleaved, as they came.
    apart = np.ascontiguousarray(samples)
    describe_levels(report, apart)
    if finding := refusing(check_duration(frames, rules), report, rules):
        return _refused(report, finding, employee_channel)
    describe_channels(report, apart, [measure_channel(channel) for channel in apart])
    if finding := refusing(check_sound(report, rules), report, rules):
        return _refused(report, finding, employee_channel)
    if order is None:
        return Examination(fault=None, report=report)
    facts = {"ext_id": order.tags.ext_id, "call_session_id": str(order.tags.call_session_id)}
    sound = encode_mp3(samples, SAMPLE_RATE_HZ, order.bit_rate_kbps)
    return Examination(fault=None, report=report, mp3=id3_tag(order.tags.start_time, facts) + sound)


def _refused(report: AudioReport, finding: Finding, employee_channel: AudioChannel | None) -> Examination:
    report.failure = finding
    return Examination(fault=fault_of(finding, employee_channel), report=report)


def _examine_mp3(data: bytes, rules: AudioRules) -> Examination:
    report = AudioReport(rules_version=rules.version)
    head = data[:3]
    if head != b"ID3" and not rules.takes_mp3_without_id3:
        why = f"first bytes are {head.decode('latin-1')!a}, ID3 is needed"
        return Examination(fault=Fault(ErrorCode.DECODE, why), report=report)
    try:
        # The decoder sees the sound alone: it reads tags in quadratic time, so a small file could hold a worker for minutes.
        facts = decode_mp3(io.BytesIO(memoryview(data)[tags_end(data) :]))
    except (BadTag, CannotDecode) as failed:
        return Examination(fault=Fault(ErrorCode.DECODE, str(failed)), report=report)
    report.codec = "MP3"
    report.sample_rate_hz = facts.sample_rate_hz
    report.channel_count = facts.channel_count
    report.duration_s = facts.duration_s
    return Examination(fault=None, report=report)
