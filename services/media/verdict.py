"""What media says of a recording: a fault in the contract's codes, and a report of what was measured (docs/contract.md 6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from services.media.talk import Segment


class ErrorCode(StrEnum):
    """The contract's codes, also those that others give a recording; proto `RecordingErrorCode`."""

    DOWNLOAD_ERROR = "download_error"
    CONNECTION = "connection_download_error"
    HTTP_STATUS = "http_status_download_error"
    CONTENT_TYPE = "http_content_type_download_error"
    MAX_FILE_SIZE = "max_file_size_download_error"
    TIMEOUT = "timeout_download_error"
    DECODE = "decode_error"
    WAV_CHANNELS = "wav_channels_processing_error"
    WAV_PROCESSING = "wav_processing_error"
    WAV_MIN_DURATION = "wav_min_duration_processing_error"
    PROCESSING = "processing_error"
    INTERNAL = "internal_error"


class RecordingFormat(StrEnum):
    """What kind of file a recording is; proto `RecordingFormat`."""

    WAV = "wav"
    MP3 = "mp3"


class AudioRule(StrEnum):
    """What is asked of the sound itself; proto `AudioRule`."""

    CHANNEL_COUNT = "channel_count"
    ENCODING = "encoding"
    SAMPLE_RATE = "sample_rate"
    DURATION = "duration"
    BAND = "band"
    SIGNAL_TO_NOISE = "signal_to_noise"
    SPEECH = "speech"
    DISTINCT_CHANNELS = "distinct_channels"


class RulePolicy(StrEnum):
    """What comes of a rule that a recording does not keep; proto `RulePolicy`."""

    REJECT = "reject"
    WARN = "warn"
    OFF = "off"


class AudioChannel(StrEnum):
    """One channel of a two-channel file; proto `AudioChannel`."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that the sound does not keep: the measured value and the limit in words, and the channel where it is about one."""

    rule: AudioRule
    message: str
    channel: AudioChannel | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a recording is refused: the rule, the measured value and the limit, in words that begin in lower case."""

    code: ErrorCode
    message: str
    is_transient: bool = False
    """True for trouble of a download that may pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioRules:
    """The account's limits. Size in bytes, duration in seconds, signal over noise in dB."""

    version: int
    max_size_bytes: int
    min_duration_s: float
    min_snr_db: float
    content_types: Mapping[RecordingFormat, frozenset[str]] = field(default_factory=dict)
    """Content-Types beside the contract's, in lower case."""
    takes_mp3_without_id3: bool = False
    policies: Mapping[AudioRule, RulePolicy] = field(default_factory=dict)
    """What comes of rules that are not kept; one that is not named refuses."""


CONTRACT_RULES = AudioRules(version=1, max_size_bytes=50 * 1024 * 1024, min_duration_s=16, min_snr_db=15)
"""The limits of docs/contract.md 6, for a file that is checked without a call."""


@dataclass(slots=True, kw_only=True)
class ChannelReport:
    """What was measured of one channel; proto `ChannelReport`."""

    is_judged: bool = False
    snr_db: float | None = None
    speech_s: float | None = None
    low_edge_db: float | None = None
    high_edge_db: float | None = None
    level_dbfs: float | None = None
    clipping_share: float | None = None
    dc_offset: float | None = None
    is_dead: bool = False
    speech_share: float | None = None
    segments: list[Segment] = field(default_factory=list)
    peaks: bytes = b""


@dataclass(slots=True, kw_only=True)
class AudioReport:
    """What was measured of a recording, as far as the checks came; proto `AudioReport`."""

    rules_version: int
    codec: str = ""
    sample_rate_hz: int | None = None
    bits_per_sample: int | None = None
    channel_count: int | None = None
    duration_s: float | None = None
    snr_db: float | None = None
    has_identical_channels: bool | None = None
    overlap_share: float | None = None
    silence_share: float | None = None
    channels: list[ChannelReport] = field(default_factory=list)
    failure: Finding | None = None
    warnings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """The outcome for one file. `mp3` is there for a WAV that was accepted."""

    fault: Fault | None
    report: AudioReport
    mp3: bytes | None = None
    cpu_s: float = 0.0
    """CPU time that it took."""
