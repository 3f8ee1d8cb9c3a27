"""Judging a fetched recording: examined in a worker process, its MP3 stored when it is fit (docs/contract.md 6)."""

from dataclasses import dataclass

import structlog

from services.media.examine import AudioTags, Mp3Order, examine
from services.media.metrics import MediaMetrics
from services.media.sandbox import Sandbox, WorkerFailed
from services.media.verdict import (
    AudioChannel,
    AudioReport,
    AudioRules,
    ErrorCode,
    Examination,
    Fault,
    RecordingFormat,
)
from services.shared.errors import Busy
from services.shared.objects import ObjectStore

log = structlog.get_logger()

_NO_RESULT = {RecordingFormat.WAV: ErrorCode.WAV_PROCESSING, RecordingFormat.MP3: ErrorCode.PROCESSING}
"""The contract's "any other failure to process": a worker that crashed or ran out of time or memory did not say at which step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """A verdict. An accepted recording has an MP3: its key and size in bytes."""

    fault: Fault | None
    report: AudioReport
    audio_key: str = ""
    audio_size_bytes: int = 0


class Processing:
    """Examines recordings, so many at once, waiting ones included: each is held in memory meanwhile."""

    def __init__(
        self, sandbox: Sandbox, objects: ObjectStore, metrics: MediaMetrics, *, most: int, bit_rate_kbps: int
    ) -> None:
        """`bit_rate_kbps` is that of the MP3s that are made."""
        self._metrics = metrics
        self._sandbox = sandbox
        self._bit_rate_kbps = bit_rate_kbps
        self._objects = objects
        self._free = most

    async def process(
        self,
        source_key: str,
        kind: RecordingFormat,
        target_key: str,
        rules: AudioRules,
        tags: AudioTags,
        employee_channel: AudioChannel | None = None,
    ) -> Processed:
        """The verdict. Raises Busy when no more fit, Trouble when the object store is away, ObjectMissing when the source is gone."""
        if self._free == 0:
            raise Busy("no worker is free")
        self._free -= 1
        try:
            source = await self._objects.get(source_key)
            order = Mp3Order(tags=tags, bit_rate_kbps=self._bit_rate_kbps)
            found = await judge(self._sandbox, source, kind, rules, order, employee_channel)
            self._tell(found, tags)
            if found.fault is not None:
                return Processed(fault=found.fault, report=found.report)
            if found.mp3 is None:
                return Processed(fault=None, report=found.report, audio_key=source_key, audio_size_bytes=len(source))
            await self._objects.put(target_key, found.mp3)
            return Processed(fault=None, report=found.report, audio_key=target_key, audio_size_bytes=len(found.mp3))
        finally:
            self._free += 1

    def _tell(self, found: Examination, tags: AudioTags) -> None:
        audio_s = found.report.duration_s or 0.0
        self._metrics.judged(audio_s, found.cpu_s)
        log.info(
            "recording.examined",
            call_session_id=tags.call_session_id,
            outcome=found.fault.code.value if found.fault else "ok",
            audio_s=round(audio_s, 1),
            cpu_ms=round(found.cpu_s * 1000),
        )


async def judge(
    sandbox: Sandbox,
    source: bytes,
    kind: RecordingFormat,
    rules: AudioRules,
    order: Mp3Order | None = None,
    employee_channel: AudioChannel | None = None,
) -> Examination:
    """The verdict of a worker, which is one also when the worker comes to none."""
    try:
        return await sandbox.run(examine, source, kind, rules, order, employee_channel)
    except WorkerFailed as failed:
        fault = Fault(_NO_RESULT[kind], str(failed))
        return Examination(fault=fault, report=AudioReport(rules_version=rules.version))
