"""Between intake's messages and its domain values. No rule lives here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import TypeVar

from calldock.intake.v1 import call_pb2, call_service_pb2
from calldock.media.v1.audio_pb2 import AudioReport, RecordingErrorCode
from calldock.media.v1.audio_pb2 import RecordingFormat as RecordingFormatMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import ParseDict
from google.protobuf.timestamp_pb2 import Timestamp

from services.intake.attribution import NOTHING_NAMED, Attribution
from services.intake.call_filter import ACCEPTED, CallFilter
from services.intake.call_rules import MAX_EVENTS, MAX_RECORDINGS, MAX_SPAN, MAX_TAGS, SPAN_LIMITS
from services.intake.draft import (
    CallbackDraft,
    CallDraft,
    Direction,
    EmployeeChannel,
    ReadDraft,
    RecordDraft,
    RecordingFormat,
    TagDraft,
    Unknown,
)
from services.intake.names import name_key
from services.intake.overview import WAIT_BOUNDS, Overview
from services.intake.phone_search import tidy_number
from services.intake.recording import RecordingStatus
from services.intake.status import CallEvent, CallStatus, Outcome, UploadedCall
from services.intake.store.change_log import DELETED, Change
from services.intake.store.reading import StoredCall, StoredRecording
from services.intake.store.uploads import Priority
from services.intake.text_search import words_of
from services.shared.clock import EPOCH
from services.shared.errors import Mnemonic, Path, Refusal, Refusals
from services.shared.rpc.status import spelled
from services.shared.rpc.values import read_moment, timestamp, value_of, word_of

Word = TypeVar("Word")

_MAX_SPAN_NS = MAX_SPAN // timedelta(microseconds=1) * 1000

_DIRECTIONS: Mapping[int, Direction] = {call_pb2.DIRECTION_IN: Direction.IN, call_pb2.DIRECTION_OUT: Direction.OUT}
_CHANNELS: Mapping[int, EmployeeChannel] = {
    call_pb2.EMPLOYEE_CHANNEL_LEFT: EmployeeChannel.LEFT,
    call_pb2.EMPLOYEE_CHANNEL_RIGHT: EmployeeChannel.RIGHT,
}
_EVENTS: Mapping[int, CallEvent] = {
    call_pb2.CALL_EVENT_PROCESSED: CallEvent.PROCESSED,
    call_pb2.CALL_EVENT_IN_PROCESS: CallEvent.IN_PROCESS,
    call_pb2.CALL_EVENT_ERROR: CallEvent.ERROR,
}

_VERDICT_CODES = frozenset(word_of(RecordingErrorCode, each) for each in RecordingErrorCode.values() if each)
_OUTCOMES = {outcome: value_of(call_service_pb2.UploadedCall.Outcome, outcome) for outcome in Outcome}


def read_draft(message: call_pb2.CallDraft, index: int) -> ReadDraft:
    """A draft as it came over gRPC."""
    refusals: list[Refusal] = []
    has = message.HasField
    draft = CallDraft(
        ext_id=message.ext_id or None,
        direction=_word(message.direction, _DIRECTIONS),
        calling_phone_number=message.calling_phone_number if has("calling_phone_number") else None,
        called_phone_number=message.called_phone_number if has("called_phone_number") else None,
        start_time=_time(message, "start", "start_time", index, refusals),
        finish_time=_time(message, "finish", "finish_time", index, refusals),
        is_lost=message.is_lost if has("is_lost") else None,
        is_transfer=message.is_transfer,
        wait_duration=_span(message.wait_duration, "wait_duration", index, refusals) if has("wait_duration") else None,
        talk_duration=_span(message.talk_duration, "talk_duration", index, refusals) if has("talk_duration") else None,
        attribution=_attribution(message),
        comment=message.comment,
        callback=_callback(message.callback) if has("callback") else None,
        tags=[_tag(tag) for tag in message.tags[: MAX_TAGS + 1]] if message.tags else (),
        wav_records=[_wav_record(record) for record in message.wav_records[: MAX_RECORDINGS + 1]]
        if message.wav_records
        else (),
        mp3_records=[_mp3_record(record) for record in message.mp3_records[: MAX_RECORDINGS + 1]]
        if message.mp3_records
        else (),
    )
    return ReadDraft(draft, refusals)


@dataclass(frozen=True)
class TypedCalls:
    """The calls of an UploadCallsRequest; `data` is the request as it travels. Without slots, which make pickling dear."""

    data: bytes
    count: int

    @property
    def size_bytes(self) -> int:
        """As `SentCalls.size_bytes`."""
        return len(self.data)

    def read(self) -> list[ReadDraft]:
        """As `SentCalls.read`."""
        calls = call_service_pb2.UploadCallsRequest.FromString(self.data).calls
        return [read_draft(call, index) for index, call in enumerate(calls)]

    def answer(self, uploaded: Sequence[UploadedCall]) -> bytes:
        """As `SentCalls.answer`: an UploadCallsResponse as it travels."""
        return upload_response(uploaded).SerializeToString()


def name_as_typed(refused: Refusal | Refusals, request: call_service_pb2.UploadCallsRequest) -> Refusals:
    """The refusals with the times named by the fields that came: `start_wall_time` where that one was chosen."""
    refusals = refused.refusals if isinstance(refused, Refusals) else (refused,)
    return Refusals([_renamed(refusal, request) for refusal in refusals])


def _renamed(refusal: Refusal, request: call_service_pb2.UploadCallsRequest) -> Refusal:
    match refusal.path:
        case ("calls", int(index), "start_time" | "finish_time" as name):
            chosen = request.calls[index].WhichOneof("start" if name == "start_time" else "finish")
            path: Path = ("calls", index, chosen or name)
            return Refusal(refusal.mnemonic, path=path, value=refusal.value, why=refusal.why, params=refusal.params)
    return refusal


def upload_response(calls: Sequence[UploadedCall]) -> call_service_pb2.UploadCallsResponse:
    """What an upload did, call by call."""
    return call_service_pb2.UploadCallsResponse(
        calls=[
            call_service_pb2.UploadedCall(
                ext_id=call.ext_id,
                call_session_id=call.call_session_id,
                outcome=_OUTCOMES[call.outcome],
                differs=call.differs,
            )
            for call in calls
        ]
    )


def violations_response(refusals: Sequence[Refusal]) -> call_service_pb2.UploadCallsResponse:
    """All that is wrong with an upload that was only to be checked."""
    return call_service_pb2.UploadCallsResponse(
        violations=[
            call_service_pb2.UploadViolation(
                field=spelled(refusal.path), reason=refusal.mnemonic.upper(), description=refusal.why
            )
            for refusal in refusals
        ]
    )


def read_priority(value: int) -> Priority:
    """An upload's priority. Raises Refusal for a number that is none."""
    if value in (call_service_pb2.UPLOAD_PRIORITY_UNSPECIFIED, call_service_pb2.UPLOAD_PRIORITY_LIVE):
        return Priority.LIVE
    if value == call_service_pb2.UPLOAD_PRIORITY_BACKFILL:
        return Priority.BACKFILL
    raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("priority",), value=value, why="live or backfill is due")


def read_filter(request: call_service_pb2.ListCallsRequest | call_service_pb2.DeleteCallsRequest) -> CallFilter:
    """Which calls are asked for. Raises Refusal for a verdict or number that is none, and for words by which calls are to be erased."""
    if request.text and isinstance(request, call_service_pb2.DeleteCallsRequest):
        why = "no call is erased because a word stands in it: ListCalls finds such calls, DeleteCall erases each"
        raise Refusal(Mnemonic.UNEXPECTED_PARAMETERS, path=("text",), why=why)

    def moment(name: str) -> datetime | None:
        if not request.HasField(name):  # type: ignore[arg-type]
            return None
        return read_moment(getattr(request, name), name)

    return CallFilter(
        statuses=tuple(sorted({CallStatus(word_of(call_pb2.CallStatus, each)) for each in request.statuses})),
        direction=_DIRECTIONS.get(request.direction),
        is_lost=request.is_lost if request.HasField("is_lost") else None,
        start_time_from=moment("start_time_from"),
        start_time_before=moment("start_time_before"),
        upload_time_from=moment("upload_time_from"),
        upload_time_before=moment("upload_time_before"),
        verdicts=tuple(sorted({_verdict(code, place) for place, code in enumerate(request.verdict_codes)})),
        employee_ids=tuple(sorted(set(request.employee_ids))),
        employee_keys=tuple(sorted({name_key(name) for name in request.employee_names})),
        tag_ids=tuple(sorted(set(request.tag_ids))),
        tag_names=tuple(sorted(set(request.tag_names))),
        number=tidy_number(request.number) if request.HasField("number") else "",
        words=words_of(request.text),
    )


def overview_message(overview: Overview) -> call_service_pb2.Overview:
    """The account's calls in numbers."""
    message = call_service_pb2.Overview(open_calls=overview.open_calls, is_cut=overview.is_cut)
    for begin, hour in overview.hours.items():
        message.hours.add(begin_time=timestamp(begin), calls=hour.calls, errors=hour.errors, lost=hour.lost)
    for code, calls in overview.verdicts.most_common():
        message.verdicts.add(error_code=value_of(RecordingErrorCode, code), calls=calls)
    for bound, calls in zip_longest(WAIT_BOUNDS, overview.waits):
        wait = message.waits.add(calls=calls)
        if bound is not None:
            wait.at_most.FromTimedelta(bound)
    if overview.oldest_open is not None:
        message.oldest_open_time.CopyFrom(timestamp(overview.oldest_open))
    return message


def _verdict(code: str, place: int) -> str:
    if code != ACCEPTED and code not in _VERDICT_CODES:
        why = f"{ACCEPTED} is due, or the code of a refusal such as decode_error"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("verdict_codes", place), value=code, why=why)
    return code


def change_message(cursor: str, change: Change | None) -> call_service_pb2.WatchCallsResponse:
    """A change of a call, or a sign of life."""
    if change is None:
        return call_service_pb2.WatchCallsResponse(cursor=cursor)
    is_deleted = change.status == DELETED
    return call_service_pb2.WatchCallsResponse(
        cursor=cursor,
        change_time=timestamp(change.change_time),
        status=value_of(call_pb2.CallStatus, None if is_deleted else change.status),
        call=None if change.call is None else call_message(change.call),
        call_session_id=change.call_session_id,
        is_deleted=is_deleted,
    )


def call_row_message(stored: StoredCall) -> call_pb2.Call:
    """A stored call in a list: without who talks when and the outlines, which weigh more than all the rest."""
    message = call_message(stored)
    for record in message.wav_records:
        for channel in record.recording.audio_report.channels:
            channel.ClearField("segments")
            channel.ClearField("peaks")
    return message


def call_message(stored: StoredCall) -> call_pb2.Call:
    """A stored call."""
    row = stored.row
    message = call_pb2.Call(
        call_session_id=row.call_session_id or 0,
        ext_id=row.ext_id,
        direction=value_of(call_pb2.Direction, row.direction),
        calling_phone_number=row.calling_phone_number,
        called_phone_number=row.called_phone_number,
        start_time=timestamp(row.start_time),
        finish_time=timestamp(row.finish_time),
        is_lost=row.is_lost,
        is_transfer=row.is_transfer,
        wait_duration=_duration(row.wait_ms),
        talk_duration=_duration(row.talk_ms),
        visitor_session_id=row.visitor_session_id,
        campaign_id=row.campaign_id,
        source_id=row.source_id,
        site_id=row.site_id,
        comment=row.comment,
        tags=[call_pb2.CallTag(tag_id=tag_id, tag_name=name) for tag_id, name in stored.tags],
        status=value_of(call_pb2.CallStatus, row.status),
        error_code=value_of(RecordingErrorCode, row.error_code),
        error_message=row.error_message,
        upload_time=timestamp(row.upload_time),
        ext_request_id=row.ext_request_id,
        status_time=timestamp(row.status_time),
        upload_count=row.uploads,
        record_type=_record_type(stored),
    )
    if row.callback_url is not None:
        events = [value_of(call_pb2.CallEvent, event) for event in row.callback_events.split(",")]
        message.callback.CopyFrom(call_pb2.Callback(url=row.callback_url, events=events))
    for recording in stored.recordings:
        _add_record(message, recording)
    return message


def _add_record(message: call_pb2.Call, recording: StoredRecording) -> None:
    row = recording.row
    known = call_pb2.Recording(
        recording_id=row.recording_id or 0,
        status=value_of(call_pb2.RecordingStatus, row.status),
        error_code=value_of(RecordingErrorCode, row.error_code),
        error_message=row.error_message,
        audio_report=None
        if row.audio_report is None
        else ParseDict(row.audio_report, AudioReport(), ignore_unknown_fields=True),
        source_size_bytes=row.source_size_bytes,
        source_sha256=row.source_sha256,
        source_sha512=row.source_sha512,
        audio_size_bytes=row.audio_size_bytes,
        failed_download_count=row.fetch_failures,
        next_download_time=timestamp(row.next_fetch_time)
        if row.next_fetch_time is not None and row.status == RecordingStatus.WAITING
        else None,
    )
    if row.format == RecordingFormat.WAV:
        message.wav_records.add(
            employee_id=row.employee_id,
            employee_name=recording.employee_name,
            employee_channel=value_of(call_pb2.EmployeeChannel, row.employee_channel),
            record_url=row.url,
            recording=known,
        )
    else:
        message.mp3_records.add(
            employee_id=row.employee_id, employee_name=recording.employee_name, record_url=row.url, recording=known
        )


def _record_type(stored: StoredCall) -> RecordingFormatMessage.ValueType:
    return value_of(RecordingFormatMessage, stored.recordings[0].row.format if stored.recordings else None)


def _callback(message: call_pb2.Callback) -> CallbackDraft:
    events = [_EVENTS.get(event, Unknown(event)) for event in message.events[: MAX_EVENTS + 1]]
    return CallbackDraft(url=message.url or None, events=events or None)


def _tag(tag: call_pb2.CallTag) -> TagDraft:
    return TagDraft(tag_id=tag.tag_id if tag.HasField("tag_id") else None, tag_name=tag.tag_name or None)


def _wav_record(record: call_pb2.WavRecord) -> RecordDraft:
    return RecordDraft(
        employee_id=record.employee_id if record.HasField("employee_id") else None,
        employee_name=record.employee_name or None,
        employee_channel=_word(record.employee_channel, _CHANNELS),
        record_url=record.record_url or None,
    )


def _mp3_record(record: call_pb2.Mp3Record) -> RecordDraft:
    return RecordDraft(
        employee_id=record.employee_id if record.HasField("employee_id") else None,
        employee_name=record.employee_name or None,
        record_url=record.record_url or None,
    )


def _attribution(message: call_pb2.CallDraft) -> Attribution:
    has = message.HasField
    if not (has("visitor_session_id") or has("campaign_id") or has("source_id") or has("site_id")):
        return NOTHING_NAMED
    return Attribution(
        visitor_session_id=message.visitor_session_id if has("visitor_session_id") else None,
        campaign_id=message.campaign_id if has("campaign_id") else None,
        source_id=message.source_id if has("source_id") else None,
        site_id=message.site_id if has("site_id") else None,
    )


def _time(
    message: call_pb2.CallDraft, choice: str, name: str, index: int, refusals: list[Refusal]
) -> datetime | str | None:
    chosen = message.WhichOneof(choice)  # type: ignore[call-overload]
    if chosen is None:
        return None
    if chosen != name:
        return str(getattr(message, chosen))
    stamp: Timestamp = getattr(message, name)
    seconds, nanos = stamp.seconds, stamp.nanos
    try:
        moment = EPOCH + timedelta(0, seconds)
    except OverflowError:
        moment = None
    if moment is not None and nanos == 0:
        return moment
    refusals.append(
        Refusal(
            Mnemonic.INVALID_DATE_TIME,
            path=("calls", index, name),
            value=f"{seconds} s {nanos} ns",
            why="times are whole seconds of the years 1970-9998",
        )
    )
    return None


def _span(span: Duration, name: str, index: int, refusals: list[Refusal]) -> timedelta | None:
    seconds, nanos = span.seconds, span.nanos
    is_valid = abs(nanos) < 1_000_000_000 and seconds * nanos >= 0
    if is_valid and 0 <= seconds * 1_000_000_000 + nanos <= _MAX_SPAN_NS:
        return timedelta(0, seconds, nanos / 1000 if nanos % 1000 else nanos // 1000)
    refusals.append(
        Refusal(
            Mnemonic.INVALID_PARAMETER_VALUE,
            path=("calls", index, name),
            value=f"{seconds} s {nanos} ns",
            why=SPAN_LIMITS,
        )
    )
    return None


def _duration(milliseconds: int | None) -> Duration | None:
    if milliseconds is None:
        return None
    return Duration(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)


def _word(value: int, words: Mapping[int, Word]) -> Word | Unknown | None:
    return None if value == 0 else words.get(value, Unknown(value))
