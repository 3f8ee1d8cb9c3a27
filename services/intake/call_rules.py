"""Every rule of a call that needs nothing but the call itself (docs/contract.md 1, 5, 6).

The drafts of all doors pass here once. What a door could not read is not judged again.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from services.intake.attribution import NOTHING_NAMED, UNKNOWN_SOURCE_ID, Attribution
from services.intake.call import NO_CLOCK, AccountClock, Callback, CheckedCall, Record, TagName
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
from services.intake.handed_over import NAMED
from services.intake.names import name_key, tidy
from services.intake.phone import as_written, to_e164
from services.intake.status import CallEvent
from services.intake.wall_time import BadTime, check_moment, to_moment
from services.shared.addresses import AddressPolicy, AddressRefused
from services.shared.errors import MISSING, Mnemonic, Path, Refusal
from services.shared.host_port import host_port_of

Word = TypeVar("Word", bound=StrEnum)

MAX_EXT_ID = 255
MAX_NAME = 255
MAX_COMMENT = 4000
MAX_URL = 2048
MAX_PHONE = 64
MAX_RECORDINGS = 20
MAX_TAGS = 50
MAX_EVENTS = 3
MAX_ID = 2**63 - 1
MAX_SPAN = timedelta(days=3650)
_NO_SPAN = timedelta(0)
SPAN_LIMITS = "0 seconds to 10 years are taken"

ONLY_PUBLIC = AddressPolicy((), setting="CALLDOCK_EGRESS_ALLOW_WEBHOOKS")
"""Webhooks to public addresses alone."""

FIELDS = (
    "ext_id",
    "direction",
    "calling_phone_number",
    "called_phone_number",
    "start_time",
    "finish_time",
    "is_lost",
    "is_transfer",
    "wait_duration",
    "talk_duration",
    "visitor_session_id",
    "campaign_id",
    "source_id",
    "site_id",
    "comment",
    "callback",
    "tags",
    "wav_records",
    "mp3_records",
)
"""The order of the contract's table, which decides which wrong field is the first."""
_PART_FIELDS = ("url", "events", "tag_id", "tag_name", "employee_id", "employee_name", "employee_channel", "record_url")
_RANK = {name: rank for rank, name in enumerate((*FIELDS, *_PART_FIELDS))}

_REST_OF_URL = r"://[^/?#\x00-\x20\x7f][^\x00-\x20\x7f]*"
_HTTP = re.compile(r"(?i:https?)" + _REST_OF_URL)
_HTTPS = re.compile(r"(?i:https)" + _REST_OF_URL)


def sort_out(
    drafts: Sequence[ReadDraft],
    clock: AccountClock,
    repeats: Collection[int] = (),
    *,
    takes_handed_over: bool = True,
    webhooks: AddressPolicy = ONLY_PUBLIC,
) -> tuple[list[CheckedCall], list[Refusal]]:
    """The calls that keep every rule of their own, and all that is wrong with the others, in the contract's order. The drafts at the places `repeats` are judged
    apart from the account's clock and from where webhooks may go: they are stored already. Without `takes_handed_over` a recording needs a link."""
    calls: list[CheckedCall] = []
    refusals: list[Refusal] = []
    for index, read in enumerate(drafts):
        call, refused = check_call(
            read.draft,
            index,
            NO_CLOCK if index in repeats else clock,
            read.unread,
            takes_handed_over=takes_handed_over,
            webhooks=None if index in repeats else webhooks,
        )
        refusals += [*read.refusals, *refused]
        if call is not None:
            calls.append(call)
    return calls, in_contract_order(refusals)


def check_call(
    draft: CallDraft,
    index: int,
    clock: AccountClock,
    unread: Collection[Path] = (),
    *,
    takes_handed_over: bool = True,
    webhooks: AddressPolicy | None = ONLY_PUBLIC,
) -> tuple[CheckedCall | None, list[Refusal]]:
    """The checked call, or its refusals. Nothing at or below an `unread` path is judged: the door has refused it already."""
    check = _Check(("calls", index), unread, takes_handed_over=takes_handed_over, webhooks=webhooks)
    ext_id = check.text("ext_id", draft.ext_id, MAX_EXT_ID)
    direction = check.word("direction", draft.direction, Direction) or Direction.IN
    calling = check.phone(
        "calling_phone_number", draft.calling_phone_number, clock.region, may_hide=direction is Direction.IN
    )
    called = check.phone(
        "called_phone_number", draft.called_phone_number, clock.region, may_hide=direction is Direction.OUT
    )
    start = check.moment("start_time", draft.start_time, clock.zone)
    finish = check.moment("finish_time", draft.finish_time, clock.zone)
    if start is not None and finish is not None and finish < start:
        check.refuse(
            "finish_time",
            Mnemonic.INVALID_PARAMETER_VALUE,
            draft.finish_time,
            "the call ended before it began (start_time)",
        )
    if draft.is_lost is None:
        check.refuse("is_lost", Mnemonic.REQUIRED_PARAMETER_MISSED)
    wait = check.span("wait_duration", draft.wait_duration)
    talk = check.span("talk_duration", draft.talk_duration)
    attribution = check.attribution(draft.attribution)
    check.length("comment", draft.comment, MAX_COMMENT)
    callback = check.callback(draft.callback)
    tags = tuple(check.tags(draft.tags)) if draft.tags else ()
    records: tuple[Record, ...] = ()
    if draft.wav_records:
        records = tuple(check.records("wav_records", draft.wav_records, RecordingFormat.WAV))
    if draft.mp3_records:
        records = (*records, *check.records("mp3_records", draft.mp3_records, RecordingFormat.MP3))
    if draft.wav_records and draft.mp3_records:
        check.refuse(
            "mp3_records", Mnemonic.INVALID_PARAMETERS_COMBINATION, why="wav_records and mp3_records exclude each other"
        )
    if check.refusals or unread or start is None or finish is None or draft.is_lost is None:
        return None, check.refusals
    return CheckedCall(
        place=index,
        ext_id=ext_id,
        direction=direction,
        calling_phone_number=calling,
        called_phone_number=called,
        start_time=start,
        finish_time=finish,
        is_lost=draft.is_lost,
        is_transfer=bool(draft.is_transfer),
        wait_duration=wait,
        talk_duration=talk,
        attribution=attribution,
        comment=draft.comment or "",
        callback=callback,
        tags=tags,
        records=records,
        is_only_repeat=clock is NO_CLOCK,
    ), []


def in_contract_order(refusals: Sequence[Refusal]) -> list[Refusal]:
    """Refusals sorted as the contract counts them: calls in order, fields in the order of its table, unknown members last."""
    return sorted(refusals, key=lambda refusal: [_rank(part) for part in refusal.path])


def _rank(part: str | int) -> int:
    return part if isinstance(part, int) else _RANK.get(part, len(_RANK))


def _names_a_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


@lru_cache(maxsize=1024)
def _why_never_posted(url: str, webhooks: AddressPolicy) -> str:
    """Why no notification can ever go to a link, as far as the link tells; empty when one may."""
    at = host_port_of(url, ("http", "https"))
    if at is None:
        return "not a link that can be posted to"
    try:
        webhooks.check_written(at.host, at.port)
    except AddressRefused as refused:
        return str(refused)
    return ""


class _Check:
    """Gathers the refusals of one call."""

    def __init__(
        self, path: Path, unread: Collection[Path], *, takes_handed_over: bool, webhooks: AddressPolicy | None
    ) -> None:
        self._path = path
        self._takes_handed_over = takes_handed_over
        self._webhooks = webhooks
        self._unread = unread
        self.refusals: list[Refusal] = []

    def refuse(self, name: str | Path, mnemonic: Mnemonic, value: object = MISSING, why: str = "") -> None:
        path = (*self._path, name) if isinstance(name, str) else (*self._path, *name)
        if not any(path[:length] in self._unread for length in range(1, len(path) + 1)):
            self.refusals.append(Refusal(mnemonic, path=path, value=value, why=why))

    def text(self, name: str | Path, value: str | None, most: int) -> str:
        if not value:
            self.refuse(
                name,
                Mnemonic.REQUIRED_PARAMETER_MISSED if value is None else Mnemonic.INVALID_PARAMETER_VALUE,
                MISSING if value is None else value,
            )
        self.length(name, value, most)
        return value or ""

    def length(self, name: str | Path, value: str | None, most: int) -> None:
        if value is not None and len(value) > most:
            self.refuse(
                name, Mnemonic.INVALID_PARAMETER_VALUE, value, f"{len(value):,} characters, at most {most:,} are taken"
            )
        elif value is not None and "\0" in value:
            self.refuse(name, Mnemonic.INVALID_PARAMETER_VALUE, value, "a NUL character is not taken")

    def word(self, name: str | Path, value: Word | Unknown | None, words: type[Word]) -> Word | None:
        if isinstance(value, Unknown):
            self.refuse(name, Mnemonic.INVALID_PARAMETER_VALUE, value.raw, f"one of {', '.join(words)} is due")
            return None
        return value

    def phone(self, name: str, value: str | None, region: str, *, may_hide: bool) -> str:
        if value is None:
            self.refuse(name, Mnemonic.REQUIRED_PARAMETER_MISSED)
            return ""
        if value == "":
            if not may_hide:
                self.refuse(name, Mnemonic.INVALID_PARAMETER_VALUE, value, "the account's own number cannot be empty")
            return ""
        number = None
        if len(value) <= MAX_PHONE:
            number = to_e164(value, region) if region or value.startswith("+") else as_written(value)
        if number is None:
            self.refuse(
                name,
                Mnemonic.INVALID_PARAMETER_VALUE,
                value,
                f"not a telephone number in E.164 or in the national form of {region}",
            )
        return number or ""

    def moment(self, name: str, value: datetime | str | None, zone: ZoneInfo) -> datetime | None:
        if value is None:
            self.refuse(name, Mnemonic.REQUIRED_PARAMETER_MISSED)
            return None
        try:
            return to_moment(value, zone) if isinstance(value, str) else check_moment(value)
        except BadTime as bad:
            self.refuse(name, Mnemonic.INVALID_DATE_TIME, value, str(bad))
            return None

    def span(self, name: str, value: timedelta | None) -> timedelta | None:
        if value is None:
            return None
        if not _NO_SPAN <= value <= MAX_SPAN:
            self.refuse(name, Mnemonic.INVALID_PARAMETER_VALUE, value.total_seconds(), SPAN_LIMITS)
        if value.microseconds % 1000 == 0:
            return value
        return timedelta(milliseconds=round(value / timedelta(milliseconds=1)))

    def attribution(self, named: Attribution) -> Attribution:
        if named is NOTHING_NAMED:
            return named
        for name in ("visitor_session_id", "campaign_id", "source_id", "site_id"):
            self.id(name, getattr(named, name), and_unknown=name == "source_id")
        if named.visitor_session_id is None:
            return named
        return Attribution(visitor_session_id=named.visitor_session_id)

    def id(self, name: str | Path, value: int | None, *, and_unknown: bool = False) -> None:
        if value is not None and not 1 <= value <= MAX_ID and not (and_unknown and value == UNKNOWN_SOURCE_ID):
            self.refuse(name, Mnemonic.INVALID_PARAMETER_VALUE, value, "an id is 1 to 2^63-1")

    def callback(self, draft: CallbackDraft | None) -> Callback | None:
        if draft is None:
            return None
        url = self.url(("callback", "url"), draft.url, _HTTP, "http or https")
        if url and self._webhooks is not None and (why := _why_never_posted(url, self._webhooks)):
            self.refuse(("callback", "url"), Mnemonic.INVALID_PARAMETER_VALUE, url, why)
        if draft.events is None or not draft.events:
            missing = draft.events is None
            self.refuse(
                ("callback", "events"),
                Mnemonic.REQUIRED_PARAMETER_MISSED if missing else Mnemonic.INVALID_PARAMETER_VALUE,
                MISSING if missing else [],
                "at least one of processed, in_process, error is due",
            )
        events: list[CallEvent] = []
        for place, came in enumerate(draft.events or ()):
            event = self.word(("callback", "events", place), came, CallEvent)
            if event is not None:
                if event in events:
                    self.refuse(
                        ("callback", "events", place),
                        Mnemonic.INVALID_PARAMETER_VALUE,
                        event.value,
                        "this event is named twice",
                    )
                events.append(event)
        return Callback(url=url, events=tuple(sorted(events)))

    def url(self, path: Path, value: str | None, form: re.Pattern[str], schemes: str) -> str:
        if value is None:
            self.refuse(path, Mnemonic.REQUIRED_PARAMETER_MISSED)
            return ""
        self.length(path, value, MAX_URL)
        if len(value) > MAX_URL:
            return ""
        if not (form.fullmatch(value) and _names_a_host(value)):
            self.refuse(path, Mnemonic.INVALID_PARAMETER_VALUE, value, f"not a link of scheme {schemes}")
            return ""
        return value

    def tags(self, drafts: Sequence[TagDraft]) -> Iterator[TagName]:
        if len(drafts) > MAX_TAGS:
            self.refuse("tags", Mnemonic.INVALID_PARAMETER_VALUE, why=f"more than {MAX_TAGS} tags")
        for place, draft in enumerate(drafts):
            self.id(("tags", place, "tag_id"), draft.tag_id)
            self.length(("tags", place, "tag_name"), draft.tag_name, MAX_NAME)
            if draft.tag_id is None and not draft.tag_name:
                self.refuse(
                    ("tags", place, "tag_name"), Mnemonic.REQUIRED_PARAMETER_MISSED, why="tag_id or tag_name is due"
                )
            yield TagName(tag_id=draft.tag_id, name="" if draft.tag_id is not None else draft.tag_name or "")

    def records(self, name: str, drafts: Sequence[RecordDraft], kind: RecordingFormat) -> Iterator[Record]:
        if len(drafts) > MAX_RECORDINGS:
            self.refuse(
                name,
                Mnemonic.INVALID_PARAMETER_VALUE,
                why=f"more than {MAX_RECORDINGS} recordings",
            )
        for place, draft in enumerate(drafts):
            yield self.record((name, place), draft, kind)

    def record(self, path: Path, draft: RecordDraft, kind: RecordingFormat) -> Record:
        is_wav = kind is RecordingFormat.WAV
        self.id((*path, "employee_id"), draft.employee_id)
        self.length((*path, "employee_name"), draft.employee_name, MAX_NAME)
        named = tidy(draft.employee_name or "")
        if is_wav and draft.employee_id is None and not name_key(named):
            self.refuse(
                (*path, "employee_name"), Mnemonic.REQUIRED_PARAMETER_MISSED, why="employee_id or employee_name is due"
            )
        channel = self.word((*path, "employee_channel"), draft.employee_channel, EmployeeChannel)
        if is_wav and draft.employee_channel is None:
            self.refuse((*path, "employee_channel"), Mnemonic.REQUIRED_PARAMETER_MISSED, why="left or right is due")
        url = draft.record_url or ""
        if not self._takes_handed_over or not NAMED.fullmatch(url):
            link, schemes = (_HTTPS, "https") if is_wav else (_HTTP, "http or https")
            url = self.url((*path, "record_url"), draft.record_url, link, schemes)
        return Record(
            employee_id=draft.employee_id,
            employee_name="" if draft.employee_id is not None else named,
            employee_channel=channel,
            url=url,
            format=kind,
        )
