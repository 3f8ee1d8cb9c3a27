"""Calls as CSV that `calldock upload` reads back (docs/export.md): the fields of the contract, then what calldock says of the call, then the recordings.

How many columns of recordings there are is known at the end alone, so that rows are kept in a file of their own until then.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from typing import IO

from calldock.intake.v1.call_pb2 import (
    Call,
    CallEvent,
    CallStatus,
    Direction,
    EmployeeChannel,
    Mp3Record,
    Recording,
    RecordingStatus,
    WavRecord,
)
from calldock.media.v1.audio_pb2 import RecordingErrorCode, RecordingFormat
from google.protobuf.duration_pb2 import Duration

from services.cli.formula_guard import guarded
from services.shared.rpc.values import word_of

UPLOADED = (
    "ext_id", "direction", "calling_phone_number", "called_phone_number", "start_time", "finish_time", "is_lost", "is_transfer",
    "wait_duration", "talk_duration", "visitor_session_id", "campaign_id", "source_id", "site_id", "comment", "tags",
    "callback.url", "callback.events",
)  # fmt: skip
"""What an upload reads."""
SAID = (
    "call_session_id", "status", "error_code", "error_message", "upload_time", "status_time", "upload_count", "ext_request_id", "record_type",
)  # fmt: skip
"""What calldock says of a call, passed over by an upload."""
_KNOWN = (
    "recording_id",
    "status",
    "error_code",
    "error_message",
    "duration_s",
    "source_size_bytes",
    "source_sha256",
    "source_sha512",
)
_WAV = ("employee_name", "employee_channel", "record_url", *(f"recording.{name}" for name in _KNOWN))
_MP3 = ("employee_name", "record_url", *(f"recording.{name}" for name in _KNOWN))


class CsvRows:
    """Takes calls, and writes them when all are there. `spool` is a file of text that holds them until then."""

    def __init__(self, spool: IO[str]) -> None:
        self._spool = spool
        self._tags = self._wavs = self._mp3s = 0

    def add(self, call: Call) -> None:
        """Takes a call."""
        tags = [tag.tag_name for tag in call.tags]
        if _fit_one_cell(tags):
            joined, apart = "|".join(tags), []
        else:
            joined, apart = "", tags
        self._tags = max(self._tags, len(apart))
        self._wavs = max(self._wavs, len(call.wav_records))
        self._mp3s = max(self._mp3s, len(call.mp3_records))
        parts = (
            [*_uploaded(call, joined), *_said(call)],
            [guarded(tag) for tag in apart],
            [cell for record in call.wav_records for cell in _wav_cells(record)],
            [cell for record in call.mp3_records for cell in _mp3_cells(record)],
        )
        self._spool.write(json.dumps(parts, ensure_ascii=True) + "\n")

    def write(self, target: IO[str]) -> None:
        """Writes the line of names and all calls."""
        writer = csv.writer(target)
        writer.writerow(
            [
                *UPLOADED,
                *SAID,
                *(f"tags.{place}.tag_name" for place in range(self._tags)),
                *(f"wav_records.{place}.{name}" for place in range(self._wavs) for name in _WAV),
                *(f"mp3_records.{place}.{name}" for place in range(self._mp3s) for name in _MP3),
            ]
        )
        self._spool.seek(0)
        widths = (len(UPLOADED) + len(SAID), self._tags, self._wavs * len(_WAV), self._mp3s * len(_MP3))
        for line in self._spool:
            writer.writerow(list(_padded(json.loads(line), widths)))


def _padded(parts: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for part, width in zip(parts, widths, strict=True):
        yield from part
        yield from [""] * (width - len(part))


def _fit_one_cell(tags: Sequence[str]) -> bool:
    """Whether an upload reads the same tags out of one cell, where they stand between bars, that they were made of."""
    return all("|" not in tag and tag == tag.strip() for tag in tags)


def _uploaded(call: Call, tags: str) -> list[str]:
    events = " ".join(word_of(CallEvent, event) for event in call.callback.events)
    return [
        guarded(call.ext_id),
        word_of(Direction, call.direction),
        # A plus and digits, by the rules of an upload: no formula.
        call.calling_phone_number,
        call.called_phone_number,
        call.start_time.ToJsonString(),
        call.finish_time.ToJsonString(),
        _truth(call.is_lost),
        _truth(call.is_transfer),
        _seconds(call.wait_duration) if call.HasField("wait_duration") else "",
        _seconds(call.talk_duration) if call.HasField("talk_duration") else "",
        *(
            str(getattr(call, name)) if call.HasField(name) else ""
            for name in ("visitor_session_id", "campaign_id", "source_id", "site_id")
        ),
        guarded(call.comment),
        guarded(tags),
        guarded(call.callback.url),
        events,
    ]


def _said(call: Call) -> list[str]:
    return [
        str(call.call_session_id),
        word_of(CallStatus, call.status),
        word_of(RecordingErrorCode, call.error_code) if call.error_code else "",
        guarded(call.error_message),
        call.upload_time.ToJsonString(),
        call.status_time.ToJsonString(),
        str(call.upload_count),
        guarded(call.ext_request_id),
        word_of(RecordingFormat, call.record_type) if call.record_type else "",
    ]


def _wav_cells(record: WavRecord) -> list[str]:
    channel = word_of(EmployeeChannel, record.employee_channel)
    return [guarded(record.employee_name), channel, guarded(record.record_url), *_known(record.recording)]


def _mp3_cells(record: Mp3Record) -> list[str]:
    return [guarded(record.employee_name), guarded(record.record_url), *_known(record.recording)]


def _known(recording: Recording) -> list[str]:
    report = recording.audio_report
    return [
        str(recording.recording_id),
        word_of(RecordingStatus, recording.status),
        word_of(RecordingErrorCode, recording.error_code) if recording.error_code else "",
        guarded(recording.error_message),
        _seconds(report.duration) if report.HasField("duration") else "",
        str(recording.source_size_bytes) if recording.HasField("source_size_bytes") else "",
        recording.source_sha256,
        recording.source_sha512,
    ]


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _seconds(duration: Duration) -> str:
    """Seconds to the millisecond, as the contract has them."""
    return f"{duration.ToMilliseconds() / 1000:.3f}".rstrip("0").rstrip(".")
