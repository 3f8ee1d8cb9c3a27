"""docs/contract.md 1, 5, 6: the rules that need nothing but the call itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.intake.attribution import Attribution
from services.intake.call import AccountClock, CheckedCall
from services.intake.call_rules import check_call, sort_out
from services.intake.draft import Direction, EmployeeChannel, ReadDraft, TagDraft, Unknown
from services.intake.names import name_key
from services.intake.status import CallEvent
from services.shared.addresses import AddressPolicy
from tests.support.makers import MOSCOW, a_callback, a_checked_call, a_draft, a_wav_record

BERLIN = AccountClock(zone=ZoneInfo("Europe/Berlin"), region="DE")


def refused(**fields: Any) -> list[tuple[str, str]]:
    """(path, mnemonic) of what is refused."""
    call, refusals = check_call(a_draft(**fields), 0, MOSCOW)
    assert (call is None) == bool(refusals)
    return [(".".join(map(str, refusal.path)), refusal.mnemonic) for refusal in refusals]


@pytest.mark.contract("1 direction", "1 stored in E.164", "1 fractions", "3 stored as UTC")
def test_a_good_call_is_kept_normalised() -> None:
    call = a_checked_call(
        calling_phone_number="89262444397",
        called_phone_number="74955140576",
        wait_duration=timedelta(seconds=1.2345678),
    )

    assert call.calling_phone_number == "+79262444397"
    assert call.called_phone_number == "+74955140576"
    assert call.start_time == datetime(2026, 11, 2, 7, tzinfo=UTC)
    assert call.direction is Direction.IN
    assert call.wait_duration == timedelta(seconds=1.235)


@pytest.mark.parametrize(
    ("fields", "path", "mnemonic"),
    [
        pytest.param({"ext_id": None}, "ext_id", "required_parameter_missed", id="1 ext_id missing"),
        pytest.param({"ext_id": ""}, "ext_id", "invalid_parameter_value", id="1 size of ext_id, empty"),
        pytest.param({"ext_id": "x" * 256}, "ext_id", "invalid_parameter_value", id="1 size of ext_id, too long"),
        pytest.param({"ext_id": "a\0b"}, "ext_id", "invalid_parameter_value", id="1 ext_id with NUL"),
        pytest.param({"direction": Unknown("sideways")}, "direction", "invalid_parameter_value", id="1 direction"),
        pytest.param(
            {"calling_phone_number": None},
            "calling_phone_number",
            "required_parameter_missed",
            id="1 calling_phone_number missing",
        ),
        pytest.param(
            {"calling_phone_number": "abc"},
            "calling_phone_number",
            "invalid_parameter_value",
            id="1 no number of the caller",
        ),
        pytest.param(
            {"calling_phone_number": "", "direction": Direction.OUT},
            "calling_phone_number",
            "invalid_parameter_value",
            id="1 calling_phone_number empty, outbound",
        ),
        pytest.param(
            {"called_phone_number": ""},
            "called_phone_number",
            "invalid_parameter_value",
            id="1 called_phone_number empty, inbound",
        ),
        pytest.param(
            {"called_phone_number": None},
            "called_phone_number",
            "required_parameter_missed",
            id="1 called_phone_number missing",
        ),
        pytest.param({"start_time": None}, "start_time", "required_parameter_missed", id="1 start_time missing"),
        pytest.param({"start_time": "yesterday"}, "start_time", "invalid_date_time", id="1 start_time no time"),
        pytest.param(
            {"finish_time": "2026-11-02 09:59:59"},
            "finish_time",
            "invalid_parameter_value",
            id="1 finish_time before start",
        ),
        pytest.param({"is_lost": None}, "is_lost", "required_parameter_missed", id="1 is_lost missing"),
        pytest.param({"finish_time": None}, "finish_time", "required_parameter_missed", id="1 finish_time missing"),
        pytest.param(
            {"finish_time": "2026-11-02T10:00:01"}, "finish_time", "invalid_date_time", id="1 finish_time with a T"
        ),
        pytest.param(
            {"called_phone_number": "12"},
            "called_phone_number",
            "invalid_parameter_value",
            id="1 no number of the dialled",
        ),
        pytest.param(
            {"talk_duration": timedelta(seconds=-1)},
            "talk_duration",
            "invalid_parameter_value",
            id="1 talk_duration negative",
        ),
        pytest.param(
            {"wait_duration": timedelta(days=4000)},
            "wait_duration",
            "invalid_parameter_value",
            id="1 wait_duration too long",
        ),
        pytest.param(
            {"attribution": Attribution(visitor_session_id=-1)},
            "visitor_session_id",
            "invalid_parameter_value",
            id="1 visitor_session_id -1",
        ),
        pytest.param(
            {"attribution": Attribution(campaign_id=-1)},
            "campaign_id",
            "invalid_parameter_value",
            id="1 campaign_id -1",
        ),
        pytest.param({"attribution": Attribution(site_id=0)}, "site_id", "invalid_parameter_value", id="1 site_id 0"),
        pytest.param(
            {"attribution": Attribution(source_id=0)}, "source_id", "invalid_parameter_value", id="1 source_id 0"
        ),
        pytest.param({"tags": [TagDraft(tag_id=-1)]}, "tags.0.tag_id", "invalid_parameter_value", id="1 ids tag_id -1"),
        pytest.param(
            {"wav_records": [a_wav_record(employee_id=0)]},
            "wav_records.0.employee_id",
            "invalid_parameter_value",
            id="1 ids employee_id 0",
        ),
        pytest.param(
            {"wav_records": [a_wav_record(employee_name="x" * 256)]},
            "wav_records.0.employee_name",
            "invalid_parameter_value",
            id="1 size of names, employee too long",
        ),
        pytest.param(
            {"callback": a_callback(url="https://x/" + "y" * 2039)},
            "callback.url",
            "invalid_parameter_value",
            id="1 size of URLs, callback too long",
        ),
        pytest.param(
            {"mp3_records": [a_wav_record(employee_channel=None)] * 21},
            "mp3_records",
            "invalid_parameter_value",
            id="1 size of recordings, 21 of MP3",
        ),
        pytest.param(
            {"wait_duration": timedelta(seconds=-1)},
            "wait_duration",
            "invalid_parameter_value",
            id="1 wait_duration negative",
        ),
        pytest.param(
            {"talk_duration": timedelta(days=4000)},
            "talk_duration",
            "invalid_parameter_value",
            id="1 talk_duration too long",
        ),
        pytest.param(
            {"attribution": Attribution(campaign_id=0)},
            "campaign_id",
            "invalid_parameter_value",
            id="1 ids campaign_id 0",
        ),
        pytest.param(
            {"attribution": Attribution(site_id=2**63)}, "site_id", "invalid_parameter_value", id="1 ids site_id 2^63"
        ),
        pytest.param(
            {"attribution": Attribution(source_id=-2)}, "source_id", "invalid_parameter_value", id="1 ids source_id -2"
        ),
        pytest.param({"comment": "x" * 4001}, "comment", "invalid_parameter_value", id="1 size of comment, too long"),
        pytest.param(
            {"callback": a_callback(url=None)}, "callback.url", "required_parameter_missed", id="1 callback.url missing"
        ),
        pytest.param(
            {"callback": a_callback(url="ftp://x/y")},
            "callback.url",
            "invalid_parameter_value",
            id="1 callback.url scheme",
        ),
        pytest.param(
            {"callback": a_callback(events=None)},
            "callback.events",
            "required_parameter_missed",
            id="1 callback.events missing",
        ),
        pytest.param(
            {"callback": a_callback(events=[])},
            "callback.events",
            "invalid_parameter_value",
            id="1 callback.events empty",
        ),
        pytest.param(
            {"callback": a_callback(events=[Unknown("done")])},
            "callback.events.0",
            "invalid_parameter_value",
            id="1 callback.events unknown",
        ),
        pytest.param(
            {"callback": a_callback(events=[CallEvent.ERROR] * 2)},
            "callback.events.1",
            "invalid_parameter_value",
            id="1 callback.events twice",
        ),
        pytest.param(
            {"tags": [TagDraft()]}, "tags.0.tag_name", "required_parameter_missed", id="1 tags without name and id"
        ),
        pytest.param(
            {"tags": [TagDraft(tag_name="x" * 256)]},
            "tags.0.tag_name",
            "invalid_parameter_value",
            id="1 size of names, tag too long",
        ),
        pytest.param(
            {"tags": [TagDraft(tag_name="x")] * 51}, "tags", "invalid_parameter_value", id="1 size of tags, 51"
        ),
        pytest.param(
            {"wav_records": [a_wav_record(employee_name=None)]},
            "wav_records.0.employee_name",
            "required_parameter_missed",
            id="6 wav_records employee_name missing",
        ),
        pytest.param(
            {"wav_records": [a_wav_record(employee_name="  ")]},
            "wav_records.0.employee_name",
            "required_parameter_missed",
            id="6 wav_records employee_name blank",
        ),
        pytest.param(
            {"wav_records": [a_wav_record(employee_channel=None)]},
            "wav_records.0.employee_channel",
            "required_parameter_missed",
            id="6 wav_records employee_channel missing",
        ),
        pytest.param(
            {"wav_records": [a_wav_record(employee_channel=Unknown("middle"))]},
            "wav_records.0.employee_channel",
            "invalid_parameter_value",
            id="6 wav_records employee_channel middle",
        ),
        pytest.param(
            {"wav_records": [a_wav_record(record_url="http://x/1.wav")]},
            "wav_records.0.record_url",
            "invalid_parameter_value",
            id="6 wav_records record_url http",
        ),
        pytest.param(
            {"wav_records": [a_wav_record(record_url=None)]},
            "wav_records.0.record_url",
            "required_parameter_missed",
            id="6 wav_records record_url missing",
        ),
        pytest.param(
            {"wav_records": [a_wav_record(record_url="https://x/" + "y" * 2048)]},
            "wav_records.0.record_url",
            "invalid_parameter_value",
            id="1 size of URLs, recording too long",
        ),
        pytest.param(
            {"wav_records": [a_wav_record()] * 21},
            "wav_records",
            "invalid_parameter_value",
            id="1 size of recordings, 21",
        ),
        pytest.param(
            {"mp3_records": [a_wav_record(record_url="file:///etc/passwd")]},
            "mp3_records.0.record_url",
            "invalid_parameter_value",
            id="6 mp3_records record_url file",
        ),
        pytest.param(
            {"wav_records": [a_wav_record()], "mp3_records": [a_wav_record(employee_channel=None)]},
            "mp3_records",
            "invalid_parameters_combination",
            id="1 mp3_records together with wav_records",
        ),
    ],
)
def test_one_wrong_field_is_refused_by_name(fields: dict[str, Any], path: str, mnemonic: str) -> None:
    assert refused(**fields) == [(f"calls.0.{path}", mnemonic)]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"calling_phone_number": ""}, id="1 calling_phone_number hidden, inbound"),
        pytest.param(
            {"called_phone_number": "", "direction": Direction.OUT}, id="1 called_phone_number empty, outbound"
        ),
        pytest.param({"finish_time": "2026-11-02 10:00:00"}, id="1 finish_time equals start"),
        pytest.param({"attribution": Attribution(source_id=-1)}, id="1 system source -1"),
        pytest.param({"attribution": Attribution(campaign_id=2**63 - 1)}, id="1 ids largest"),
        pytest.param({"ext_id": "я" * 255}, id="1 size of ext_id, longest"),
        pytest.param({"ext_id": "x"}, id="1 size of ext_id, shortest"),
        pytest.param({"comment": "я" * 4000}, id="1 size of comment, longest"),
        pytest.param({"comment": None}, id="1 comment missing"),
        pytest.param({"comment": ""}, id="1 comment empty"),
        pytest.param({"direction": None}, id="1 direction missing"),
        pytest.param({"is_transfer": None}, id="1 is_transfer missing"),
        pytest.param({"wait_duration": timedelta(0)}, id="1 wait_duration 0"),
        pytest.param({"talk_duration": timedelta(0)}, id="1 talk_duration 0"),
        pytest.param({"wait_duration": None, "talk_duration": None}, id="1 talk_duration missing"),
        pytest.param({"callback": a_callback(url="http://x/")}, id="1 callback http"),
        pytest.param({"callback": a_callback(url="https://x/")}, id="1 callback https"),
        pytest.param({"callback": a_callback(url="https://x/" + "y" * 2038)}, id="1 size of URLs, longest callback"),
        pytest.param({"callback": None}, id="1 callback missing"),
        pytest.param({"tags": [TagDraft(tag_name="я" * 255)]}, id="1 size of names, longest tag"),
        pytest.param({"tags": [TagDraft(tag_name=str(n)) for n in range(50)]}, id="1 size of tags, 50"),
        pytest.param({"tags": [TagDraft(tag_id=1)]}, id="1 tags by id"),
        pytest.param({"wav_records": [a_wav_record(employee_name="я" * 255)]}, id="1 size of names, longest employee"),
        pytest.param(
            {"wav_records": [a_wav_record(record_url="https://x/" + "y" * 2038)]},
            id="1 size of URLs, longest recording",
        ),
        pytest.param(
            {"wav_records": [a_wav_record(employee_name=None, employee_id=5)]}, id="6 wav_records employee_id alone"
        ),
        pytest.param(
            {"mp3_records": [a_wav_record(employee_name=None, employee_channel=None, employee_id=5)]},
            id="6 mp3_records employee_id alone",
        ),
        pytest.param(
            {"mp3_records": [a_wav_record(employee_channel=None, record_url="https://x/1.mp3")]},
            id="6 mp3_records record_url https",
        ),
        pytest.param({"mp3_records": [a_wav_record(employee_channel=None)]}, id="1 mp3_records alone"),
        pytest.param(
            {"mp3_records": [a_wav_record(employee_name=None, employee_channel=None, record_url="HTTP://x/1.mp3")]},
            id="6 mp3_records employee_name missing, http",
        ),
        pytest.param(
            {"wav_records": [a_wav_record(employee_channel=EmployeeChannel.RIGHT)] * 20}, id="1 size of recordings, 20"
        ),
    ],
)
def test_what_the_contract_allows_is_taken(fields: dict[str, Any]) -> None:
    assert refused(**fields) == []


@pytest.mark.contract("8 calls in order", "8 fields in order")
def test_calls_count_before_fields_and_fields_in_the_order_of_the_table() -> None:
    drafts = [
        ReadDraft(a_draft(wav_records=[a_wav_record(record_url=None)], is_lost=None)),
        ReadDraft(a_draft(ext_id=None)),
    ]

    _, refusals = sort_out(drafts, MOSCOW)

    paths = [".".join(map(str, refusal.path)) for refusal in refusals]
    assert paths == ["calls.0.is_lost", "calls.0.wav_records.0.record_url", "calls.1.ext_id"]


def test_two_spellings_of_one_call_have_one_fingerprint() -> None:
    written = a_checked_call(calling_phone_number="89262444397", start_time="2026-11-02 10:00:00")
    typed = a_checked_call(
        index=7, calling_phone_number="+79262444397", start_time=datetime(2026, 11, 2, 7, tzinfo=UTC)
    )

    assert written.fingerprint == typed.fingerprint
    assert written.fingerprint != a_checked_call(comment="x").fingerprint


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {
            "direction": Direction.OUT,
            "tags": [TagDraft(tag_name="VIP 'a' \"b\""), TagDraft(tag_id=7)],
            "comment": "a\\b\n",
        },
        {"attribution": Attribution(campaign_id=7, site_id=1), "callback": a_callback()},
        {"wav_records": [a_wav_record(), a_wav_record(employee_name="ANNA  Petrova")], "ext_id": "{} 'x' é"},
        {"wait_duration": timedelta(seconds=4.5), "talk_duration": timedelta(0), "is_transfer": True},
    ],
)
def test_a_fingerprint_is_what_it_was_when_calls_were_stored(fields: dict[str, Any]) -> None:
    call = a_checked_call(**fields)

    said = {name: getattr(call, name) for name in CheckedCall._fields}
    del said["place"], said["is_only_repeat"]
    said["records"] = tuple(replace(record, employee_name=name_key(record.employee_name)) for record in call.records)
    assert call.fingerprint == sha256(repr(said).encode()).digest()


@pytest.mark.contract(
    "1 is_transfer", "1 comment", "1 direction", "1 wait_duration", "1 talk_duration", "1 callback", "1 tags"
)
def test_what_is_not_given_has_the_contracts_default() -> None:
    call = a_checked_call()

    assert (call.direction, call.is_transfer, call.comment) == (Direction.IN, False, "")
    assert (call.wait_duration, call.talk_duration, call.callback) == (None, None, None)
    assert (call.tags, call.records, call.attribution) == ((), (), Attribution())


@pytest.mark.contract("1 is_transfer", "6 several employees")
def test_the_recordings_of_a_transferred_call_keep_their_order() -> None:
    names = ["Boris", "Anna", "Clara"]

    call = a_checked_call(is_transfer=True, wav_records=[a_wav_record(employee_name=name) for name in names])

    assert [record.employee_name for record in call.records] == names


@pytest.mark.parametrize(
    ("seconds", "kept"),
    [
        pytest.param(1.2344, 1.234, id="1 fractions rounded down"),
        pytest.param(1.2346, 1.235, id="1 fractions rounded up"),
        pytest.param(0.001, 0.001, id="1 fractions of one millisecond"),
        pytest.param(90, 90, id="1 fractions none"),
    ],
)
def test_durations_keep_milliseconds(seconds: float, kept: float) -> None:
    call = a_checked_call(wait_duration=timedelta(seconds=seconds), talk_duration=timedelta(seconds=seconds))

    assert (call.wait_duration, call.talk_duration) == (timedelta(seconds=kept), timedelta(seconds=kept))


@pytest.mark.contract("1 campaign_id", "1 source_id", "1 site_id", "1 visitor_session_id", "4 visitor_session_id wins")
def test_other_ids_are_passed_over_beside_a_visitor_session() -> None:
    named = Attribution(visitor_session_id=1, campaign_id=2, source_id=3, site_id=4)

    assert a_checked_call(attribution=named).attribution == Attribution(visitor_session_id=1)


@pytest.mark.parametrize("field", ["start_time", "finish_time"], ids=lambda field: f"3 does not exist: {field}")
def test_a_time_in_the_spring_gap_is_an_invalid_date_time(field: str) -> None:
    times = {"start_time": "2026-03-29 01:00:00", "finish_time": "2026-03-29 04:00:00", field: "2026-03-29 02:30:00"}

    call, refusals = check_call(a_draft(**times), 0, BERLIN)

    assert call is None
    assert [(refusal.path[-1], refusal.mnemonic) for refusal in refusals] == [(field, "invalid_date_time")]


@pytest.mark.contract("3 occurs twice", "3 stored as UTC")
def test_both_times_of_a_call_in_the_autumn_hour_are_the_earlier_ones() -> None:
    draft = a_draft(start_time="2026-10-25 02:00:00", finish_time="2026-10-25 02:59:59")

    call, _ = check_call(draft, 0, BERLIN)

    assert call is not None
    assert call.start_time == datetime(2026, 10, 25, 0, tzinfo=UTC)
    assert call.finish_time == datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "finish"),
    [
        pytest.param("2026-03-29 01:59:59", "2026-03-29 03:00:00", id="3 does not exist: its edges do"),
        pytest.param("2026-10-25 01:59:59", "2026-10-25 03:00:00", id="3 occurs twice: its edges do not"),
    ],
)
def test_a_call_over_a_change_of_the_clocks_lasts_what_it_lasted(start: str, finish: str) -> None:
    call, _ = check_call(a_draft(start_time=start, finish_time=finish), 0, BERLIN)

    assert call is not None
    spring = start.startswith("2026-03")
    assert call.finish_time - call.start_time == timedelta(hours=0 if spring else 2, seconds=1)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/hook", "https://10.1.2.3:8443/hook", "http://[::1]/", "http://169.254.169.254/latest/meta-data", "http://2130706433/", "http://0x7f.1/",
        "http://0177.0.0.1/", "https://localhost/hook", "https://LOCALHOST./hook", "https://app.localhost:99/", "http://user:pw@192.168.1.1/", "http://[::ffff:10.0.0.1]/",
        "http://１２７.0.0.1/", "http://[fe80::1%25nothing9]/", "http://[::1%25lo]/",
    ],
)  # fmt: skip
def test_a_callback_that_can_never_be_posted_is_refused_and_the_setting_named(url: str) -> None:
    _, refusals = check_call(a_draft(callback=a_callback(url=url)), 0, MOSCOW)

    (refusal,) = refusals
    assert (refusal.path, refusal.mnemonic, refusal.value) == (
        ("calls", 0, "callback", "url"), "invalid_parameter_value", url,
    )  # fmt: skip
    assert "CALLDOCK_EGRESS_ALLOW_WEBHOOKS" in refusal.why


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("127.0.0.1:8443", "https://127.0.0.1:8443/hook"),
        ("10.0.0.0/8", "http://10.1.2.3/hook"),
        ("127.0.0.1", "https://localhost/hook"),
        ("localhost", "https://localhost/hook"),
        ("nothing.example", "https://a-name-that-may-be-anything.internal/hook"),
    ],
)
def test_a_callback_that_the_operator_allows_or_that_only_dns_knows_is_taken(entry: str, url: str) -> None:
    allowed = AddressPolicy([entry], setting="CALLDOCK_EGRESS_ALLOW_WEBHOOKS")

    assert check_call(a_draft(callback=a_callback(url=url)), 0, MOSCOW, webhooks=allowed)[1] == []


def test_a_repeat_of_a_stored_call_is_not_refused_for_what_the_operator_changed_since() -> None:
    draft = ReadDraft(a_draft(callback=a_callback(url="http://127.0.0.1/hook")), [])

    assert sort_out([draft], MOSCOW, repeats=[0])[1] == []
