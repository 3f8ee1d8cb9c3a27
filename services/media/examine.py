"""One file from first byte to verdict, in the contract's order (docs/contract.md 6). Runs in a worker process."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from services.media.decode import CannotDecode, decode_mp3, decode_pcm16
from services.media.encode import encode_mp3
from services.media.id3 import id3_tag
from services.media.measure import SAMPLE_RATE_HZ, measure_channel
from services.media.riff import BadRiff, read_header
from services.media.rules import check_duration, check_header, check_sound, describe_channels
from services.media.verdict import AudioReport, AudioRules, ErrorCode, Examination, Fault, RecordingFormat

_ID3 = b"ID3"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTags:
    """What the MP3 says of its call."""

    ext_id: str
    call_session_id: int
    start_time: datetime


def examine(path: Path, kind: RecordingFormat, rules: AudioRules, tags: AudioTags) -> Examination:
    """The verdict on a file, with its report, and its MP3 when it is a WAV that was accepted. The first rule that fails is the verdict."""
    if kind is RecordingFormat.WAV:
        return _examine_wav(path, rules, tags)
    return _examine_mp3(path, rules)


def _examine_wav(path: Path, rules: AudioRules, tags: AudioTags) -> Examination:
    report = AudioReport(rules_version=rules.version)
    with path.open("rb") as file:
        try:
            header = read_header(file)
        except BadRiff as bad:
            return Examination(fault=Fault(ErrorCode.DECODE, str(bad)), report=report)
        report.codec = header.codec
        report.sample_rate_hz = header.sample_rate_hz
        report.bits_per_sample = header.bits_per_sample
        report.channel_count = header.channel_count
        if fault := check_header(header):
            return Examination(fault=fault, report=report)
        try:
            samples = decode_pcm16(file)
        except CannotDecode as failed:
            return Examination(fault=Fault(ErrorCode.DECODE, str(failed)), report=report)
    frames = samples.shape[1]
    report.codec = "pcm_s16le"
    report.duration_s = frames / SAMPLE_RATE_HZ
    if frames != header.data_bytes // header.block_bytes:
        told = f"{frames:,} samples could be decoded of {header.data_bytes // header.block_bytes:,}"
        return Examination(fault=Fault(ErrorCode.DECODE, told), report=report)
    if fault := check_duration(frames, rules):
        return Examination(fault=fault, report=report)
    describe_channels(report, samples, [measure_channel(channel) for channel in samples])
    if fault := check_sound(report, rules):
        return Examination(fault=fault, report=report)
    facts = {"ext_id": tags.ext_id, "call_session_id": str(tags.call_session_id)}
    return Examination(
        fault=None, report=report, mp3=id3_tag(tags.start_time, facts) + encode_mp3(samples, SAMPLE_RATE_HZ)
    )


def _examine_mp3(path: Path, rules: AudioRules) -> Examination:
    report = AudioReport(rules_version=rules.version)
    with path.open("rb") as file:
        head = file.read(len(_ID3))
        if head != _ID3:
            return Examination(fault=Fault(ErrorCode.DECODE, f"first bytes are {head!r}, ID3 is needed"), report=report)
        try:
            facts = decode_mp3(file)
        except CannotDecode as failed:
            return Examination(fault=Fault(ErrorCode.DECODE, str(failed)), report=report)
    report.codec = "mp3"
    report.sample_rate_hz = facts.sample_rate_hz
    report.channel_count = facts.channel_count
    report.duration_s = facts.duration_s
    return Examination(fault=None, report=report)
