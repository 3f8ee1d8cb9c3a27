"""One file from first byte to verdict, in the contract's order (docs/contract.md 6). Runs in a worker process."""

import io
import wave
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

import numpy as np

from services.media.decode import CannotDecode, decode_mp3, decode_pcm16
from services.media.encode import encode_mp3
from services.media.id3 import id3_tag
from services.media.measure import SAMPLE_RATE_HZ, measure_channel
from services.media.riff import BadRiff, read_header
from services.media.rules import check_duration, check_header, check_sound, describe_channels, fault_of, refusing
from services.media.verdict import AudioReport, AudioRules, ErrorCode, Examination, Fault, Finding, RecordingFormat
from services.media.waveform import waveform

_ID3 = b"ID3"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTags:
    """What the MP3 says of its call."""

    ext_id: str
    call_session_id: int
    start_time: datetime


def examine(data: bytes, kind: RecordingFormat, rules: AudioRules, tags: AudioTags | None) -> Examination:
    """The verdict on a file, with its report, and its MP3 when it is a WAV that was accepted and has tags. The first rule that fails is the verdict."""
    if kind is RecordingFormat.WAV:
        return _examine_wav(io.BytesIO(data), rules, tags)
    return _examine_mp3(io.BytesIO(data), rules)


def warm_up() -> None:
    """Runs the whole way once on a little sound of our own, so that every library has loaded what it loads late."""
    times = np.arange(SAMPLE_RATE_HZ * 2) / SAMPLE_RATE_HZ
    tone = (10_000 * np.sin(2 * np.pi * 1000 * times)).astype(np.int16)
    tags = AudioTags(ext_id="", call_session_id=0, start_time=datetime(2000, 1, 1, tzinfo=UTC))
    rules = AudioRules(version=0, max_size_bytes=0, min_duration_s=0, min_snr_db=-100)
    wav = io.BytesIO()
    with wave.open(wav, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(np.repeat(tone, 2).tobytes())
    examine(wav.getvalue(), RecordingFormat.WAV, rules, tags)
    waveform(wav.getvalue(), 1)
    mp3 = id3_tag(tags.start_time, {}) + encode_mp3(np.stack([tone, tone]), SAMPLE_RATE_HZ)
    examine(mp3, RecordingFormat.MP3, rules, tags)
    # A file that is refused goes other ways.
    examine(wav.getvalue()[:-9], RecordingFormat.WAV, rules, tags)
    examine(mp3[:30], RecordingFormat.MP3, rules, tags)


def _examine_wav(file: BinaryIO, rules: AudioRules, tags: AudioTags | None) -> Examination:
    report = AudioReport(rules_version=rules.version)
    try:
        header = read_header(file)
    except BadRiff as bad:
        return Examination(fault=Fault(ErrorCode.DECODE, str(bad)), report=report)
    report.codec = header.codec
    report.sample_rate_hz = header.sample_rate_hz
    report.bits_per_sample = header.bits_per_sample
    report.channel_count = header.channel_count
    if finding := check_header(header):
        return _refused(report, finding)
    try:
        samples = decode_pcm16(file)
    except CannotDecode as failed:
        return Examination(fault=Fault(ErrorCode.DECODE, str(failed)), report=report)
    frames = samples.shape[1]
    report.duration_s = frames / SAMPLE_RATE_HZ
    if frames != header.data_bytes // header.block_bytes:
        told = f"{frames:,} samples could be decoded of {header.data_bytes // header.block_bytes:,}"
        return Examination(fault=Fault(ErrorCode.DECODE, told), report=report)
    if finding := refusing(check_duration(frames, rules), report, rules):
        return _refused(report, finding)
    describe_channels(report, samples, [measure_channel(channel) for channel in samples])
    if finding := refusing(check_sound(report, rules), report, rules):
        return _refused(report, finding)
    if tags is None:
        return Examination(fault=None, report=report)
    facts = {"ext_id": tags.ext_id, "call_session_id": str(tags.call_session_id)}
    return Examination(
        fault=None, report=report, mp3=id3_tag(tags.start_time, facts) + encode_mp3(samples, SAMPLE_RATE_HZ)
    )


def _refused(report: AudioReport, finding: Finding) -> Examination:
    report.failure = finding
    return Examination(fault=fault_of(finding), report=report)


def _examine_mp3(file: BinaryIO, rules: AudioRules) -> Examination:
    report = AudioReport(rules_version=rules.version)
    head = file.read(len(_ID3))
    if head != _ID3 and not rules.takes_mp3_without_id3:
        return Examination(fault=Fault(ErrorCode.DECODE, f"first bytes are {head!r}, ID3 is needed"), report=report)
    try:
        facts = decode_mp3(file)
    except CannotDecode as failed:
        return Examination(fault=Fault(ErrorCode.DECODE, str(failed)), report=report)
    report.codec = "MP3"
    report.sample_rate_hz = facts.sample_rate_hz
    report.channel_count = facts.channel_count
    report.duration_s = facts.duration_s
    return Examination(fault=None, report=report)
