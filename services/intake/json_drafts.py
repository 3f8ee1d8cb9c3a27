"""The one strict reader of JSON drafts, for both JSON upload paths (docs/contract.md 1, 8).

It names every unknown member, every value of a wrong type and every key that occurs twice; what the values mean is judged in `call_rules`.
"""

import json
import math
import pickle
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum, auto
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

from services.intake.attribution import Attribution
from services.intake.call_rules import FIELDS, MAX_EVENTS, MAX_RECORDINGS, MAX_TAGS, SPAN_LIMITS
from services.intake.draft import (
    CallbackDraft,
    CallDraft,
    Direction,
    EmployeeChannel,
    ReadDraft,
    RecordDraft,
    TagDraft,
    Unknown,
)
from services.intake.status import CallEvent, UploadedCall
from services.shared.errors import Mnemonic, Path, Refusal

Json: TypeAlias = Mapping[str, Any]
Word = TypeVar("Word", bound=StrEnum)

_RFC3339 = re.compile(r"(?a)(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})")
_SECONDS = re.compile(r"(?a)-?\d{1,12}(\.\d{1,9})?s")
_DIGITS = re.compile(r"(?a)-?\d{1,20}")
_UNREADABLE = (re.compile(rb"\\u0000"), re.compile(rb"\\u[dD][89a-fA-F]"))

_OUTPUT_ONLY = frozenset(
    [
        "call_session_id",
        "status",
        "error_code",
        "error_message",
        "upload_time",
        "ext_request_id",
        "status_time",
        "record_type",
        "upload_count",
    ]
)
"""Members of a Call that REST answers carry and uploads pass over (AIP-203), so that what GET gave can be uploaded."""

_WALL_TIMES = {"start_time": "start_wall_time", "finish_time": "finish_wall_time"}
_REST_MEMBERS = _OUTPUT_ONLY | set(_WALL_TIMES.values())


MAX_DEPTH = 64


class ExactFloat(float):
    """A number with a point or an exponent, which remembers how it was written."""

    text: str


class Spelling(Enum):
    """How values are spelled: the contract's way alone, or protobuf's JSON too."""

    JSON_RPC = auto()
    REST = auto()


def parse_json(body: bytes) -> Any:
    """The JSON text's value. Raises Refusal parse_error for anything that is not JSON, and for keys that occur twice, NaN, infinities, NUL and lone surrogates."""
    try:
        text = body.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite)
        _refuse_deep(value)
        if any(pattern.search(body) for pattern in _UNREADABLE):
            _refuse_unreadable(value)
    except _NotJson as bad:
        raise Refusal(Mnemonic.PARSE_ERROR, why=str(bad)) from bad
    except UnicodeDecodeError as error:
        raise Refusal(Mnemonic.PARSE_ERROR, why="the body is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise Refusal(
            Mnemonic.PARSE_ERROR, why=f"not JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from error
    except RecursionError as error:
        raise Refusal(Mnemonic.PARSE_ERROR, why="nested too deep") from error
    except ValueError as error:
        raise Refusal(Mnemonic.PARSE_ERROR, why="a number has too many digits") from error
    return value


def read_call(value: Any, index: int, spelling: Spelling) -> ReadDraft:
    """Reads one element of `calls`."""
    reader = _Reader(("calls", index), spelling)
    members = reader.object(value, (), (*FIELDS, *(_REST_MEMBERS if spelling is Spelling.REST else ())))
    if members is None:
        return ReadDraft(CallDraft(), reader.refusals)
    ids = {name: reader.id(members, (), name) for name in ("visitor_session_id", "campaign_id", "source_id", "site_id")}
    draft = CallDraft(
        ext_id=reader.string(members, (), "ext_id"),
        direction=reader.word(members, (), "direction", Direction, "DIRECTION_"),
        calling_phone_number=reader.string(members, (), "calling_phone_number"),
        called_phone_number=reader.string(members, (), "called_phone_number"),
        start_time=reader.time(members, "start_time"),
        finish_time=reader.time(members, "finish_time"),
        is_lost=reader.boolean(members, "is_lost"),
        is_transfer=reader.boolean(members, "is_transfer"),
        wait_duration=reader.span(members, "wait_duration"),
        talk_duration=reader.span(members, "talk_duration"),
        attribution=Attribution(**ids),
        comment=reader.string(members, (), "comment"),
        callback=reader.callback(members),
        tags=reader.each(members, "tags", reader.tag, MAX_TAGS),
        wav_records=reader.each(members, "wav_records", reader.wav_record, MAX_RECORDINGS),
        mp3_records=reader.each(members, "mp3_records", reader.mp3_record, MAX_RECORDINGS),
    )
    return ReadDraft(draft, reader.refusals)


@dataclass(frozen=True)
class JsonCalls:
    """The calls of a JSON text, as `parse_json` has them. Without slots, which make pickling dear."""

    calls: Sequence[Any]
    spelling: Spelling

    @property
    def count(self) -> int:
        """As `SentCalls.count`."""
        return len(self.calls)

    @cached_property
    def size_bytes(self) -> int:
        """As `SentCalls.size_bytes`."""
        return len(pickle.dumps(self.calls, pickle.HIGHEST_PROTOCOL))

    def read(self) -> list[ReadDraft]:
        """As `SentCalls.read`."""
        return [read_call(call, index, self.spelling) for index, call in enumerate(self.calls)]

    def answer(self, uploaded: Sequence[UploadedCall]) -> Sequence[UploadedCall]:
        """As `SentCalls.answer`. They are put into JSON elsewhere, for that takes long."""
        return uploaded


def whole(value: Any) -> int | None:
    """A whole number, also one written with a point (12.0); None for anything else, true and false among it."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else None


def value_at(value: Any, path: Path) -> Any:
    """What stands in a parsed JSON value at a path; raises LookupError when nothing does."""
    for part in path:
        if isinstance(part, int) != isinstance(value, list) or not isinstance(value, dict | list):
            raise LookupError(part)
        value = value[part]  # type: ignore[index]
    return value


class _Reader:
    """Reads members of one call, noting what is of a wrong type. A member that is null did not come."""

    def __init__(self, path: Path, spelling: Spelling) -> None:
        self._path = path
        self._protobuf = spelling is Spelling.REST
        self.refusals: list[Refusal] = []

    def object(self, value: Any, path: Path, known: Sequence[str]) -> Json | None:
        if not isinstance(value, dict):
            self._wrong(path, value, "an object")
            return None
        for name in value:
            if name not in known:
                self._refuse(Mnemonic.UNEXPECTED_PARAMETERS, (*path, name), value[name], "there is no such member")
        return value

    def string(self, members: Json, path: Path, name: str) -> str | None:
        value = members.get(name)
        if value is None or isinstance(value, str):
            return value
        self._wrong((*path, name), value, "a string")
        return None

    def boolean(self, members: Json, name: str) -> bool | None:
        value = members.get(name)
        if value is None or isinstance(value, bool):
            return value
        self._wrong((name,), value, "true or false")
        return None

    def id(self, members: Json, path: Path, name: str) -> int | None:
        value = members.get(name)
        if value is None:
            return None
        number = whole(value)
        if number is not None:
            return number
        if self._protobuf and isinstance(value, str) and _DIGITS.fullmatch(value):
            return int(value)
        self._wrong((*path, name), value, "a whole number")
        return None

    def span(self, members: Json, name: str) -> timedelta | None:
        value = members.get(name)
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._seconds((name,), value)
        if self._protobuf and isinstance(value, str) and _SECONDS.fullmatch(value):
            return self._seconds((name,), float(value[:-1]))
        self._wrong((name,), value, "a number of seconds")
        return None

    def time(self, members: Json, name: str) -> datetime | str | None:
        typed = _WALL_TIMES[name]
        if self._protobuf and members.get(typed) is not None:
            if members.get(name) is not None:
                why = f"{name} and {typed} exclude each other"
                self._refuse(Mnemonic.INVALID_PARAMETERS_COMBINATION, (name,), members[name], why)
            return self.string(members, (), typed)
        value = self.string(members, (), name)
        if value is not None and self._protobuf and (match := _RFC3339.fullmatch(value)):
            return _moment(match) or value
        return value

    def word(self, members: Json, path: Path, name: str, words: type[Word], prefix: str) -> Word | Unknown | None:
        value = self.string(members, path, name)
        return None if value is None else self._word(value, words, prefix)

    def callback(self, members: Json) -> CallbackDraft | None:
        value = members.get("callback")
        if value is None:
            return None
        path = ("callback",)
        inner = self.object(value, path, ("url", "events"))
        if inner is None:
            return None
        url = self.string(inner, path, "url")
        events = inner.get("events")
        if events is None:
            return CallbackDraft(url=url)
        if not isinstance(events, list):
            self._wrong((*path, "events"), events, "an array")
            return CallbackDraft(url=url)
        read: list[CallEvent | Unknown] = []
        for place, event in enumerate(events[: MAX_EVENTS + 1]):
            if isinstance(event, str):
                read.append(self._word(event, CallEvent, "CALL_EVENT_"))
            else:
                self._wrong((*path, "events", place), event, "a string")
                read.append(Unknown(event))
        return CallbackDraft(url=url, events=read)

    def each(self, members: Json, name: str, read: Callable[[Any, Path], Any], most: int) -> list[Any]:
        """Reads a list, one element further than it may be long: the domain counts."""
        value = members.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self._wrong((name,), value, "an array")
            return []
        return [read(item, (name, place)) for place, item in enumerate(value[: most + 1])]

    def tag(self, value: Any, path: Path) -> TagDraft:
        members = self.object(value, path, ("tag_id", "tag_name")) or {}
        return TagDraft(tag_id=self.id(members, path, "tag_id"), tag_name=self.string(members, path, "tag_name"))

    def wav_record(self, value: Any, path: Path) -> RecordDraft:
        return self._record(value, path, ("employee_id", "employee_name", "employee_channel", "record_url"))

    def mp3_record(self, value: Any, path: Path) -> RecordDraft:
        return self._record(value, path, ("employee_id", "employee_name", "record_url"))

    def _record(self, value: Any, path: Path, known: Sequence[str]) -> RecordDraft:
        members = self.object(value, path, (*known, *(("recording",) if self._protobuf else ()))) or {}
        return RecordDraft(
            employee_id=self.id(members, path, "employee_id"),
            employee_name=self.string(members, path, "employee_name"),
            employee_channel=self.word(members, path, "employee_channel", EmployeeChannel, "EMPLOYEE_CHANNEL_")
            if "employee_channel" in known
            else None,
            record_url=self.string(members, path, "record_url"),
        )

    def _word(self, value: str, words: type[Word], prefix: str) -> Word | Unknown:
        spelled = value.removeprefix(prefix).lower() if self._protobuf and value.startswith(prefix) else value
        try:
            return words(spelled)
        except ValueError:
            return Unknown(value)

    def _seconds(self, path: Path, value: float) -> timedelta | None:
        try:
            return timedelta(seconds=value)
        except OverflowError:
            self._refuse(Mnemonic.INVALID_PARAMETER_VALUE, path, value, SPAN_LIMITS)
            return None

    def _wrong(self, path: Path, value: Any, due: str) -> None:
        self._refuse(Mnemonic.DATA_TYPE_ERROR, path, value, f"{due} is due")

    def _refuse(self, mnemonic: Mnemonic, path: Path, value: Any, why: str) -> None:
        self.refusals.append(Refusal(mnemonic, path=(*self._path, *path), value=value, why=why))


class _NotJson(Exception):
    """The text is refused although a lenient parser would take it."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _NotJson(f"the key {name[:64]!r} occurs twice in one object")
            seen.add(name)
    return members


def _no_constant(name: str) -> None:
    raise _NotJson(f"{name} is not JSON")


def _finite(text: str) -> ExactFloat:
    number = ExactFloat(text)
    number.text = text
    if not math.isfinite(number):
        raise _NotJson("a number is too large")
    return number


def _refuse_deep(value: Any) -> None:
    """Nothing here is nested further than a few levels; what is would only exhaust whoever walks it later."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise _NotJson(f"nested deeper than {MAX_DEPTH} levels")


def _refuse_unreadable(value: Any) -> None:
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            rest.extend(item)
            rest.extend(item.values())
        elif isinstance(item, list):
            rest.extend(item)
        elif isinstance(item, str) and ("\0" in item or any("\ud800" <= character <= "\udfff" for character in item)):
            raise _NotJson("a string holds NUL or half of a surrogate pair")


def _moment(match: "re.Match[str]") -> datetime | None:
    day, clock, fraction, offset = match.groups()
    if fraction and fraction.strip(".0"):
        return None
    try:
        return datetime.fromisoformat(f"{day}T{clock}{'+00:00' if offset in 'Zz' else offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
