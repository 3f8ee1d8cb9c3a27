"""A call as a vCon, the IETF's container of a conversation: draft-ietf-vcon-vcon-core-04 of 7 September 2026, syntax 0.4.0, unsigned form.

Section numbers below are those of the draft. docs/export.md says in a user's words what goes where.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from calldock.intake.v1.call_pb2 import Call, Direction, EmployeeChannel, Mp3Record, WavRecord
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

DRAFT = "draft-ietf-vcon-vcon-core-04"
SYNTAX = "0.4.0"
"""Its value of `vcon` (4.1.1)."""
WAV, MP3 = "audio/x-wav", "audio/x-mp3"
"""Its words for the kinds of recordings (4.3.8)."""
NO_DOMAIN = "calldock.invalid"
"""What stands for the domain in uuids of an installation that names none; no real name ends so (RFC 2606)."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """A recording that stays where it is: its https link, and the SHA-512 of what the link gave, in hexadecimal digits."""

    url: str
    sha512: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inlined:
    """A recording within the vCon. `body` is what goes into its place: the file in base64url, or a mark by which a writer finds the place."""

    body: str
    mediatype: str
    filename: str


Content = Linked | Inlined


def content_hash(sha512: str) -> str:
    """ContentHash (2.2): `sha512-` and the digest in base64url without padding."""
    return f"sha512-{base64.urlsafe_b64encode(bytes.fromhex(sha512)).decode().rstrip('=')}"


def mediatype(record: WavRecord | Mp3Record) -> str:
    """The draft's word for a recording's kind (4.3.8)."""
    return WAV if isinstance(record, WavRecord) else MP3


def vcon_of(call: Call, contents: Mapping[int, Content], domain: str = NO_DOMAIN) -> Json:
    """The vCon of a call. `contents` is what there is of its recordings, by recording_id; one that is not there has a dialog without content. The same call gives the same vCon."""
    people = _People(call)
    dialog = _dialog(call, people, contents)
    made = _moment(call.upload_time)
    vcon: Json = {
        "vcon": SYNTAX,
        "uuid": str(call_uuid(call, domain)),
        "created_at": made,
        "updated_at": _moment(call.status_time),
        "parties": [*people.parties, {"name": "calldock", "validation": "none", "type": "bot"}],
        "dialog": dialog,
        "analysis": _analysis(call, dialog),
        "attachments": _attachments(call, party=len(people.parties), start=made),
    }
    if call.comment:
        vcon["subject"] = call.comment
    return vcon


def call_uuid(call: Call, domain: str) -> UUID:
    """The uuid (4.1.2): version 8, made as version 7 of the call's start, with the beginning of the SHA-1 of a DNS name for its random tail. The name is one of the call's own below
    the domain, so that each call has another. It stays the same while the call's number, ext_id and start do."""
    own = hashlib.sha256(f"{call.call_session_id}\n{call.ext_id}".encode("utf-8", "surrogatepass")).digest()
    name = f"{own.hex()[:32]}.{call.call_session_id}.{domain}"
    tail = int.from_bytes(hashlib.sha1(name.encode(), usedforsecurity=False).digest()[:8], "big") >> 2
    milliseconds = call.start_time.ToMilliseconds() & (2**48 - 1)
    custom_b = int.from_bytes(own[-2:], "big") >> 4
    return UUID(int=milliseconds << 80 | 0x8 << 76 | custom_b << 64 | 0b10 << 62 | tail)


class _People:
    """The parties of a call and their places: who dialled first, then who was dialled; the account's side is its employees, or its number alone."""

    def __init__(self, call: Call) -> None:
        is_outbound = call.direction == Direction.DIRECTION_OUT
        customer = _person(call.called_phone_number if is_outbound else call.calling_phone_number)
        number = call.calling_phone_number if is_outbound else call.called_phone_number
        self._keys = list(dict.fromkeys(_employee_key(record) for record in records_of(call)))
        staff = [_employee(record, number) for record in _first_of_each(call)] or [_person(number)]
        self.customer = len(staff) if is_outbound else 0
        self._first_of_staff = 0 if is_outbound else 1
        self.parties = [*staff, customer] if is_outbound else [customer, *staff]
        self.all = list(range(len(self.parties)))

    def employee(self, record: WavRecord | Mp3Record) -> int:
        """The place of a recording's employee."""
        return self._first_of_staff + self._keys.index(_employee_key(record))

    def originator(self, employee: int) -> int:
        """Who dialled, in a talk with this employee."""
        return employee if self._first_of_staff == 0 else self.customer


def records_of(call: Call) -> list[WavRecord | Mp3Record]:
    """The call's recordings of either kind, in upload order."""
    return [*call.wav_records, *call.mp3_records]


def _first_of_each(call: Call) -> Sequence[WavRecord | Mp3Record]:
    firsts: dict[tuple[int, str], WavRecord | Mp3Record] = {}
    for record in records_of(call):
        firsts.setdefault(_employee_key(record), record)
    return list(firsts.values())


def _employee_key(record: WavRecord | Mp3Record) -> tuple[int, str]:
    return record.employee_id, record.employee_name


def _person(number: str) -> Json:
    """A party of whom the number is known; an empty one for a hidden caller (4.2)."""
    return {"tel": f"tel:{number}"} if number else {}


def _employee(record: WavRecord | Mp3Record, number: str) -> Json:
    party = _person(number)
    if record.employee_name:
        # Nobody checked who spoke: the name is the uploader's word.
        party |= {"name": record.employee_name, "validation": "none", "type": "person"}
    if record.HasField("employee_id"):
        party["uuid"] = str(record.employee_id)
    return party


def _dialog(call: Call, people: _People, contents: Mapping[int, Content]) -> list[Json]:
    start = _moment(call.start_time)
    whole: Json = {"start": start, "duration": _call_duration_s(call), "parties": people.all}
    records = records_of(call)
    if not records:
        if call.is_lost:
            # The contract does not say why nobody spoke: `failed` is what stands for an unknown reason (4.3.11).
            return [{"type": "incomplete", **whole, "disposition": "failed"}]
        return [{"type": "recording", **whole}]
    recordings = [_recording(record, people, start, contents.get(record.recording.recording_id)) for record in records]
    return [*recordings, *(_transfers(records, people, start) if call.is_transfer else ())]


def _recording(record: WavRecord | Mp3Record, people: _People, start: str, content: Content | None) -> Json:
    employee = people.employee(record)
    parties, channels = _heard(record, employee, people.customer)
    dialog: Json = {"type": "recording", "start": start, "parties": parties, "mediatype": mediatype(record)}
    originator = people.originator(employee)
    if channels[0] != originator:
        dialog["originator"] = originator
    report = record.recording.audio_report
    if report.HasField("duration"):
        dialog["duration"] = report.duration.ToMilliseconds() / 1000
    match content:
        case Linked():
            dialog |= {"url": content.url, "content_hash": content_hash(content.sha512)}
        case Inlined():
            dialog |= {"mediatype": content.mediatype, "filename": content.filename}
            dialog |= {"encoding": "base64url", "body": content.body}
        case None:
            pass
    return dialog


def _heard(
    record: WavRecord | Mp3Record, employee: int, customer: int
) -> tuple[list[int] | list[list[int]], list[int]]:
    """Who is heard, a party for each channel of a WAV (4.3.4); and the same in a row. Of an MP3, or a WAV of another number of channels, nobody knows who is in which."""
    channels = record.recording.audio_report.channel_count
    if isinstance(record, WavRecord) and channels in (0, 2):
        is_left = record.employee_channel == EmployeeChannel.EMPLOYEE_CHANNEL_LEFT
        pair = [employee, customer] if is_left else [customer, employee]
        return pair, pair
    both = sorted((employee, customer))
    if channels > 1:
        return [both] * channels, both
    return both, both


def _transfers(records: Sequence[WavRecord | Mp3Record], people: _People, start: str) -> list[Json]:
    """A transfer (4.3.14) for each employee that followed another one. The recordings stand first in the dialog."""
    found = []
    for place, (before, after) in enumerate(pairwise(records)):
        transferor, target = people.employee(before), people.employee(after)
        if transferor != target:
            roles = {"transferee": people.customer, "transferor": transferor, "transfer_target": target}
            talks = {"original": place, "target_dialog": place + 1}
            found.append({"type": "transfer", "start": start, **roles, **talks})
    return found


def _analysis(call: Call, dialog: Sequence[Json]) -> list[Json]:
    """What was measured of each recording, who talks when included (4.5)."""
    places = [place for place, each in enumerate(dialog) if each["type"] == "recording"]
    return [
        {
            "type": "report",
            "dialog": place,
            "mediatype": "application/json",
            "vendor": "calldock",
            "product": "calldock",
            "schema": "calldock.media.v1.AudioReport",
            "encoding": "json",
            "body": _json(record.recording.audio_report),
        }
        for place, record in zip(places, records_of(call), strict=False)
        if record.recording.HasField("audio_report")
    ]


def _attachments(call: Call, party: int, start: str) -> list[Json]:
    """The call as calldock keeps it, without what stands in the analysis, and its tags by themselves (4.4)."""
    kept = Call()
    kept.CopyFrom(call)
    for record in records_of(kept):
        record.recording.ClearField("audio_report")
    common = {"start": start, "party": party, "dialog": 0, "mediatype": "application/json", "encoding": "json"}
    attachments = [{"purpose": "the call as calldock keeps it, calldock.intake.v1.Call", **common, "body": _json(kept)}]
    if call.tags:
        attachments.append({"purpose": "tags", **common, "body": [tag.tag_name for tag in call.tags]})
    return attachments


def _call_duration_s(call: Call) -> int:
    return max(0, call.finish_time.seconds - call.start_time.seconds)


def _moment(stamp: Timestamp) -> str:
    """A Date (2.2) of RFC 3339."""
    moment: datetime = stamp.ToDatetime(tzinfo=UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


def _json(message: Message) -> Json:
    """A message as REST JSON has it."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
