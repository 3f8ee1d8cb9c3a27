"""A call in the contract's JSON, as the typed message that gRPC takes; and a call as calldock gave it, on its way into an account again (docs/export.md)."""

import re
from collections.abc import Mapping
from typing import Any

from calldock.intake.v1.call_pb2 import Call, CallDraft
from google.protobuf.json_format import ParseDict, ParseError

_DURATIONS = ("wait_duration", "talk_duration")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\S+(Z|[+-]\d{2}:\d{2})", re.ASCII)
_SPELLED_DURATION = re.compile(r"\d{1,12}(\.\d{1,9})?s", re.ASCII)
_MADE_BY_CALLDOCK = frozenset(Call.DESCRIPTOR.fields_by_name) - frozenset(CallDraft.DESCRIPTOR.fields_by_name)
"""What calldock says of a call beyond what was uploaded."""
_SALES_TAG = "Sale"
"""The system tag of calls that have a sale: calldock's word too, which no upload may say."""


class NotADraft(Exception):
    """The call cannot be put into a message; the text names the field as far as it is known."""


def call_draft(call: Mapping[str, Any]) -> CallDraft:
    """The message of a call. Members that are null did not come. Raises NotADraft for an unknown member or a wrong type; what values mean is judged by calldock.

    Of a call as calldock gave it, known by its call_session_id, what calldock said is passed over, and the names of tags and employees count: their numbers
    are those of the account that it comes from.
    """
    is_given = "call_session_id" in call
    passed_over = _MADE_BY_CALLDOCK if is_given else ()
    spelled = {name: value for name, value in call.items() if value is not None and name not in passed_over}
    try:
        for name in ("start_time", "finish_time"):
            if name in spelled and not _is_moment(spelled[name]):
                spelled[name.replace("_time", "_wall_time")] = spelled.pop(name)
        if "direction" in spelled:
            spelled["direction"] = _enum("DIRECTION", spelled["direction"])
        for name in _DURATIONS:
            if name in spelled:
                spelled[name] = _duration(name, spelled[name])
        if "callback" in spelled:
            spelled["callback"] = _callback(spelled["callback"])
        for name in ("wav_records", "mp3_records"):
            if name in spelled:
                spelled[name] = [_record(record, is_given) for record in spelled[name]]
        if "tags" in spelled and is_given:
            spelled["tags"] = [_by_name(tag, "tag") for tag in spelled["tags"] if tag.get("tag_name") != _SALES_TAG]
        return ParseDict(spelled, CallDraft())
    except (ParseError, TypeError, AttributeError) as error:
        raise NotADraft(str(error)) from error


def _callback(callback: Mapping[str, Any]) -> dict[str, Any]:
    spelled = dict(callback)
    if "events" in spelled:
        spelled["events"] = [_enum("CALL_EVENT", event) for event in spelled["events"]]
    return spelled


def _record(record: Mapping[str, Any], is_given: bool) -> dict[str, Any]:
    spelled = {name: value for name, value in record.items() if value is not None and name != "recording"}
    if is_given:
        spelled = _by_name(spelled, "employee")
    if "employee_channel" in spelled:
        spelled["employee_channel"] = _enum("EMPLOYEE_CHANNEL", spelled["employee_channel"])
    return spelled


def _by_name(named: Mapping[str, Any], kind: str) -> dict[str, Any]:
    has_name = bool(named.get(f"{kind}_name"))
    return {name: value for name, value in named.items() if not (has_name and name == f"{kind}_id")}


def _is_moment(value: Any) -> bool:
    """Whether it is a moment with its zone, as calldock gives it; the contract's times are on the account's clock."""
    return isinstance(value, str) and _MOMENT.fullmatch(value) is not None


def _enum(prefix: str, word: Any) -> Any:
    """The value's name: the contract's word with the prefix, or the name itself as calldock gives it."""
    if not isinstance(word, str):
        return word
    return word if word.startswith(f"{prefix}_") else f"{prefix}_{word.upper()}"


def _duration(name: str, value: Any) -> str:
    if isinstance(value, str) and _SPELLED_DURATION.fullmatch(value):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotADraft(f"{name}: a number of seconds is due")
    return f"{value:.3f}s"
