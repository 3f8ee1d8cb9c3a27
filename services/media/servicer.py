"""media's gRPC edge: messages in, domain values through, messages out."""

from collections.abc import AsyncIterator
from datetime import UTC
from typing import TypeVar

from calldock.media.internal.v1 import processing_service_pb2, processing_service_pb2_grpc
from calldock.media.v1 import audio_pb2, recording_service_pb2, recording_service_pb2_grpc, verdict_pb2
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.duration_pb2 import Duration

from services.media.check import Checking
from services.media.download import Downloaded
from services.media.examine import AudioTags
from services.media.fetch import Fetching
from services.media.hand_over import HandingOver
from services.media.listen import LinkMaker, Listening, Opened
from services.media.listeners import Listeners
from services.media.peers import read_credential, read_rules
from services.media.process import Processing
from services.media.talk import Segment
from services.media.verdict import (
    AudioChannel,
    AudioReport,
    ChannelReport,
    Examination,
    Fault,
    Finding,
    RecordingFormat,
)
from services.shared.errors import MISSING, Mnemonic, Refusal, not_found
from services.shared.objects import ObjectMissing, ObjectStore
from services.shared.rpc.identity import current_identity
from services.shared.rpc.status import Context, header
from services.shared.rpc.values import timestamp, value_of

_FORMATS = {
    audio_pb2.RECORDING_FORMAT_WAV: RecordingFormat.WAV,
    audio_pb2.RECORDING_FORMAT_MP3: RecordingFormat.MP3,
}
BODY_SIZE_HEADER = "x-calldock-body-size"
"""What Envoy read in a REST request's Content-Length."""
MAX_SIZE_DIGITS = 18
_CONTENT_TYPES = {"audio/wav": RecordingFormat.WAV, "audio/mpeg": RecordingFormat.MP3}
_CONTENT_TYPE_OF = {kind: name for name, kind in _CONTENT_TYPES.items()}
_CHANNELS: dict[int, AudioChannel] = {
    audio_pb2.AUDIO_CHANNEL_LEFT: AudioChannel.LEFT,
    audio_pb2.AUDIO_CHANNEL_RIGHT: AudioChannel.RIGHT,
}

_Piece = TypeVar("_Piece", recording_service_pb2.CheckFileRequest, recording_service_pb2.PutRecordingRequest)
"""A message that carries the next bytes of a file; the first one says what file it is."""


class ProcessingServicer(processing_service_pb2_grpc.ProcessingServiceServicer):
    """ProcessingService."""

    def __init__(self, fetching: Fetching, processing: Processing, objects: ObjectStore) -> None:
        self._fetching = fetching
        self._processing = processing
        self._objects = objects

    async def FetchRecording(
        self, request: processing_service_pb2.FetchRecordingRequest, context: Context
    ) -> processing_service_pb2.FetchRecordingResponse:
        credential = read_credential(request.credential) if request.HasField("credential") else None
        found = await self._fetching.fetch(
            request.url, _FORMATS[request.format], request.target_key, read_rules(request.rules), credential
        )
        if isinstance(found, Downloaded):
            source = processing_service_pb2.FetchedSource(
                size_bytes=found.size_bytes, sha256=found.digests.sha256, sha512=found.digests.sha512
            )
            return processing_service_pb2.FetchRecordingResponse(source=source)
        return processing_service_pb2.FetchRecordingResponse(fault=_fault(found))

    async def ProcessRecording(
        self, request: processing_service_pb2.ProcessRecordingRequest, context: Context
    ) -> processing_service_pb2.ProcessRecordingResponse:
        tags = AudioTags(
            ext_id=request.tags.ext_id,
            call_session_id=request.tags.call_session_id,
            start_time=request.tags.start_time.ToDatetime(tzinfo=UTC),
        )
        try:
            found = await self._processing.process(
                request.source_key,
                _FORMATS[request.format],
                request.target_key,
                read_rules(request.rules),
                tags,
                _CHANNELS.get(request.employee_channel),
            )
        except ObjectMissing as missing:
            raise not_found("source_key", request.source_key, "there is no such object") from missing
        answer = processing_service_pb2.ProcessRecordingResponse(report=report_message(found.report))
        if found.fault is not None:
            answer.fault.CopyFrom(_fault(found.fault))
        else:
            audio = processing_service_pb2.StoredAudio(key=found.audio_key, size_bytes=found.audio_size_bytes)
            answer.audio.CopyFrom(audio)
        return answer

    async def DeleteObjects(
        self, request: processing_service_pb2.DeleteObjectsRequest, context: Context
    ) -> processing_service_pb2.DeleteObjectsResponse:
        await self._objects.delete(request.keys)
        return processing_service_pb2.DeleteObjectsResponse()


class RecordingServicer(recording_service_pb2_grpc.RecordingServiceServicer):
    """RecordingService."""

    def __init__(
        self,
        listening: Listening,
        listeners: Listeners,
        links: LinkMaker,
        handing_over: HandingOver,
        checking: Checking,
    ) -> None:
        self._listening = listening
        self._listeners = listeners
        self._links = links
        self._handing_over = handing_over
        self._checking = checking

    async def GetRecordingAudio(
        self, request: recording_service_pb2.GetRecordingAudioRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        account_id = current_identity().account_id
        with self._listeners.one(account_id):
            opened = await self._listening.open_audio(account_id, request.recording_id)
            async for piece in _streamed(opened, context):
                yield piece

    async def GetRecordingSource(
        self, request: recording_service_pb2.GetRecordingSourceRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        account_id = current_identity().account_id
        with self._listeners.one(account_id):
            opened = await self._listening.open_source(account_id, request.recording_id)
            async for piece in _streamed(opened, context):
                yield piece

    async def CreatePlaybackLink(
        self, request: recording_service_pb2.CreatePlaybackLinkRequest, context: Context
    ) -> recording_service_pb2.PlaybackLink:
        path, playback = await self._links.make(current_identity().account_id, request.recording_id)
        return recording_service_pb2.PlaybackLink(path=path, expire_time=timestamp(playback.expire_time))

    async def PutRecording(
        self, requests: AsyncIterator[recording_service_pb2.PutRecordingRequest], context: Context
    ) -> recording_service_pb2.PutRecordingResponse:
        first = await _first(requests)
        taken = await self._handing_over.take(
            current_identity().account_id, _pieces(first, requests), _declared_size(first, context), _format_of(first)
        )
        return recording_service_pb2.PutRecordingResponse(
            record_url=taken.record_url,
            size_bytes=taken.size_bytes,
            sha256=taken.sha256,
            expire_time=timestamp(taken.expire_time),
        )

    async def CheckRecording(
        self, request: recording_service_pb2.CheckRecordingRequest, context: Context
    ) -> recording_service_pb2.CheckRecordingResponse:
        found = await self._checking.check_link(
            current_identity().account_id, request.record_url, _FORMATS[request.format]
        )
        return recording_service_pb2.CheckRecordingResponse(verdict=verdict_message(found))

    async def CheckFile(
        self, requests: AsyncIterator[recording_service_pb2.CheckFileRequest], context: Context
    ) -> recording_service_pb2.CheckFileResponse:
        first = await _first(requests)
        found = await self._checking.check_file(
            current_identity().account_id, _pieces(first, requests), _declared_size(first, context), _format_of(first)
        )
        return recording_service_pb2.CheckFileResponse(verdict=verdict_message(found))


def verdict_message(found: Examination) -> verdict_pb2.RecordingVerdict:
    """A verdict as proto."""
    message = verdict_pb2.RecordingVerdict(is_accepted=found.fault is None, audio_report=report_message(found.report))
    if found.fault is not None:
        message.error_code = value_of(audio_pb2.RecordingErrorCode, found.fault.code)
        message.error_message = found.fault.message
    return message


def report_message(report: AudioReport) -> audio_pb2.AudioReport:
    """A report as proto; figures that were not measured stay absent."""
    message = audio_pb2.AudioReport(
        rules_version=report.rules_version,
        codec=report.codec,
        sample_rate_hz=report.sample_rate_hz,
        bits_per_sample=report.bits_per_sample,
        channel_count=report.channel_count,
        duration=_duration(report.duration_s),
        snr_db=report.snr_db,
        has_identical_channels=report.has_identical_channels,
        overlap_share=report.overlap_share,
        silence_share=report.silence_share,
        channels=map(_channel, report.channels),
        warnings=map(_finding, report.warnings),
    )
    if report.failure is not None:
        message.failure.CopyFrom(_finding(report.failure))
    return message


def _channel(channel: ChannelReport) -> audio_pb2.ChannelReport:
    return audio_pb2.ChannelReport(
        is_judged=channel.is_judged,
        snr_db=channel.snr_db,
        speech_duration=_duration(channel.speech_s),
        low_edge_db=channel.low_edge_db,
        high_edge_db=channel.high_edge_db,
        level_dbfs=channel.level_dbfs,
        clipping_share=channel.clipping_share,
        dc_offset=channel.dc_offset,
        is_dead=channel.is_dead,
        speech_share=channel.speech_share,
        segments=map(_segment, channel.segments),
        peaks=channel.peaks,
    )


def _segment(segment: Segment) -> audio_pb2.SpeechSegment:
    return audio_pb2.SpeechSegment(
        start_offset=_duration(segment.start_s), duration=_duration(segment.end_s - segment.start_s)
    )


def _finding(finding: Finding) -> audio_pb2.AudioFinding:
    return audio_pb2.AudioFinding(
        rule=value_of(audio_pb2.AudioRule, finding.rule),
        channel=value_of(audio_pb2.AudioChannel, finding.channel),
        message=finding.message,
    )


def _duration(seconds: float | None) -> Duration | None:
    # Whole microseconds: a sample lasts 125 of them at 8000 Hz.
    return None if seconds is None else Duration(seconds=int(seconds), nanos=round(seconds % 1 * 1e6) * 1000)


def _fault(fault: Fault) -> processing_service_pb2.Fault:
    code = value_of(audio_pb2.RecordingErrorCode, fault.code)
    return processing_service_pb2.Fault(code=code, message=fault.message, is_transient=fault.is_transient)


async def _streamed(opened: Opened, context: Context) -> AsyncIterator[HttpBody]:
    # A REST caller sees a failure in mid-stream only by a body that is shorter than this; a gRPC one sees the status.
    if header(context, "x-envoy-original-path"):
        await context.send_initial_metadata((("x-calldock-length", str(opened.size_bytes)),))
    async for piece in opened.pieces:
        yield HttpBody(content_type=_CONTENT_TYPE_OF[opened.format], data=piece)


async def _first(requests: AsyncIterator[_Piece]) -> _Piece:
    first = await anext(requests, None)
    if first is None:
        raise Refusal(Mnemonic.REQUIRED_PARAMETER_MISSED, path=("file",), why="there is no file")
    return first


async def _pieces(first: _Piece, rest: AsyncIterator[_Piece]) -> AsyncIterator[bytes]:
    yield first.file.data
    async for request in rest:
        yield request.file.data


def _declared_size(first: _Piece, context: Context) -> int:
    """What the caller says of the file's size; over REST the Content-Length says it."""
    if first.HasField("size_bytes"):
        return first.size_bytes
    told = header(context, BODY_SIZE_HEADER) if header(context, "x-envoy-original-path") else ""
    if told.isascii() and told.isdigit() and len(told) <= MAX_SIZE_DIGITS:
        return int(told)
    why = "how large is the file? A file that was cut on its way could not be told from a whole one"
    raise Refusal(Mnemonic.REQUIRED_PARAMETER_MISSED, path=("size_bytes",), why=why)


def _format_of(first: _Piece) -> RecordingFormat:
    if first.format:
        return _FORMATS[first.format]
    came = first.file.content_type
    kind = _CONTENT_TYPES.get(came.partition(";")[0].strip().lower())
    if kind is None:
        why = "a Content-Type of audio/wav or audio/mpeg is due, or the format by name"
        raise Refusal(Mnemonic.REQUIRED_PARAMETER_MISSED, path=("format",), value=came or MISSING, why=why)
    return kind
