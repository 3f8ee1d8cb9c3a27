"""A call in the contract's JSON, as the typed message that gRPC takes."""

from collections.abc import Mapping
from typing import Any

from calldock.intake.v1.call_pb2 import CallDraft
from google.protobuf.json_format import ParseDict, ParseError

_DURATIONS = ("wait_duration", "talk_duration")


class NotADraft(Exception):
    """The call cannot be put into a message; the text names the field as far as it is known."""


def call_draft(call: Mapping[str, Any]) -> CallDraft:
    """The message of a call. Members that are null did not come. Raises NotADraft for an unknown member or a wrong type; what values mean is judged by calldock."""
    spelled = {name: value for name, value in call.items() if value is not None}
    try:
        for name in ("start_time", "finish_time"):
            if name in spelled:
                spelled[name.replace("_time", "_wall_time")] = spelled.pop(name)
        if "direction" in spelled:
            spelled["direction"] = _enum("DIRECTION", spelled["direction"])
        for name in _DURATIONS:
            if name in spelled:
                spelled[name] = _duration(name, spelled[name])
        if "callback" in spelled:
            spelled["callback"] = _callback(spelled["callback"])
        if "wav_records" in spelled:
            spelled["wav_records"] = [_wav_record(record) for record in spelled["wav_records"]]
        return ParseDict(spelled, CallDraft())
    except (ParseError, TypeError, AttributeError) as error:
        raise NotADraft(str(error)) from error


def _callback(callback: Mapping[str, Any]) -> dict[str, Any]:
    spelled = dict(callback)
    if "events" in spelled:
        spelled["events"] = [_enum("CALL_EVENT", event) for event in spelled["events"]]
    return spelled


def _wav_record(record: Mapping[str, Any]) -> dict[str, Any]:
    spelled = {name: value for name, value in record.items() if value is not None}
    if "employee_channel" in spelled:
        spelled["employee_channel"] = _enum("EMPLOYEE_CHANNEL", spelled["employee_channel"])
    return spelled


def _enum(prefix: str, word: Any) -> Any:
    return f"{prefix}_{word.upper()}" if isinstance(word, str) else word


def _duration(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotADraft(f"{name}: a number of seconds is due")
    return f"{value:.3f}s"
