"""docs/contract.md 1, 5, 6: the rules that need nothing but the call itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.intake.attribution import Attribution
from services.intake.call_rules import check_call, check_calls
from services.intake.draft import Direction, EmployeeChannel, ReadDraft, TagDraft, Unknown
from services.intake.status import CallEvent
from services.shared.errors import Refusals
from tests.support.makers import MOSCOW, a_callback, a_checked_call, a_draft, a_wav_record


def refused(**fields: Any) -> list[tuple[str, str]]:
    """(path, mnemonic) of what is refused."""
    call, refusals = check_call(a_draft(**fields), 0, MOSCOW)
    assert (call is None) == bool(refusals)
    return [(".".join(map(str, refusal.path)), refusal.mnemonic) for refusal in refusals]


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
        pytest.param({"ext_id": ""}, "ext_id", "invalid_parameter_value", id="1 ext_id empty"),
        pytest.param({"ext_id": "x" * 256}, "ext_id", "invalid_parameter_value", id="1 ext_id too long"),
        pytest.param({"ext_id": "a\0b"}, "ext_id", "invalid_parameter_value", id="1 ext_id with NUL"),
        pytest.param({"direction": Unknown("sideways")}, "direction", "invalid_parameter_value", id="1 direction"),
        pytest.param(
            {"calling_phone_number": None}, "calling_phone_number", "required_parameter_missed", id="1 caller missing"
        ),
        pytest.param(
            {"calling_phone_number": "abc"}, "calling_phone_number", "invalid_parameter_value", id="1 caller no number"
        ),
        pytest.param(
            {"calling_phone_number": "", "direction": Direction.OUT},
            "calling_phone_number",
            "invalid_parameter_value",
            id="1 caller empty, outbound",
        ),
        pytest.param(
            {"called_phone_number": ""}, "called_phone_number", "invalid_parameter_value", id="1 dialled empty, inbound"
        ),
        pytest.param(
            {"called_phone_number": None}, "called_phone_number", "required_parameter_missed", id="1 dialled missing"
        ),
        pytest.param({"start_time": None}, "start_time", "required_parameter_missed", id="1 start missing"),
        pytest.param({"start_time": "yesterday"}, "start_time", "invalid_date_time", id="1 start no time"),
        pytest.param(
            {"finish_time": "2026-11-02 09:59:59"}, "finish_time", "invalid_parameter_value", id="1 finish before start"
        ),
        pytest.param({"is_lost": None}, "is_lost", "required_parameter_missed", id="1 is_lost missing"),
        pytest.param(
            {"wait_duration": timedelta(seconds=-1)}, "wait_duration", "invalid_parameter_value", id="1 wait negative"
        ),
        pytest.param(
            {"talk_duration": timedelta(days=4000)}, "talk_duration", "invalid_parameter_value", id="1 talk too long"
        ),
        pytest.param(
            {"attribution": Attribution(campaign_id=0)}, "campaign_id", "invalid_parameter_value", id="1 id zero"
        ),
        pytest.param(
            {"attribution": Attribution(site_id=2**63)}, "site_id", "invalid_parameter_value", id="1 id beyond int64"
        ),
        pytest.param(
            {"attribution": Attribution(source_id=-2)}, "source_id", "invalid_parameter_value", id="1 source -2"
        ),
        pytest.param({"comment": "x" * 4001}, "comment", "invalid_parameter_value", id="1 comment too long"),
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
            {"tags": [TagDraft()]}, "tags.0.tag_name", "required_parameter_missed", id="5 tag without name and id"
        ),
        pytest.param(
            {"tags": [TagDraft(tag_name="x" * 256)]},
            "tags.0.tag_name",
            "invalid_parameter_value",
            id="1 tag name too long",
        ),
        pytest.param({"tags": [TagDraft(tag_name="x")] * 51}, "tags", "invalid_parameter_value", id="1 51 tags"),
        pytest.param(
            {"wav_records": [a_wav_record(employee_name=None)]},
            "wav_records.0.employee_name",
            "required_parameter_missed",
            id="6 wav without employee",
        ),
        pytest.param(
            {"wav_records": [a_wav_record(employee_name="  ")]},
            "wav_records.0.employee_name",
            "required_parameter_missed",
            id="6 wav employee blank",
        ),
        pytest.param(
            {"wav_records": [a_wav_record(employee_channel=None)]},
            "wav_records.0.employee_channel",
            "required_parameter_missed",
            id="6 wav without channel",
        ),
        pytest.param(
            {"wav_records": [a_wav_record(employee_channel=Unknown("middle"))]},
            "wav_records.0.employee_channel",
            "invalid_parameter_value",
            id="6 wav channel",
        ),
        pytest.param(
            {"wav_records": [a_wav_record(record_url="http://x/1.wav")]},
            "wav_records.0.record_url",
            "invalid_parameter_value",
            id="6 wav http",
        ),
        pytest.param(
            {"wav_records": [a_wav_record(record_url=None)]},
            "wav_records.0.record_url",
            "required_parameter_missed",
            id="6 wav without url",
        ),
        pytest.param(
            {"wav_records": [a_wav_record(record_url="https://x/" + "y" * 2048)]},
            "wav_records.0.record_url",
            "invalid_parameter_value",
            id="1 url too long",
        ),
        pytest.param(
            {"wav_records": [a_wav_record()] * 21}, "wav_records", "invalid_parameter_value", id="1 21 recordings"
        ),
        pytest.param(
            {"mp3_records": [a_wav_record(record_url="file:///etc/passwd")]},
            "mp3_records.0.record_url",
            "invalid_parameter_value",
            id="6 mp3 scheme",
        ),
        pytest.param(
            {"wav_records": [a_wav_record()], "mp3_records": [a_wav_record(employee_channel=None)]},
            "mp3_records",
            "invalid_parameters_combination",
            id="6 both kinds",
        ),
    ],
)
def test_one_wrong_field_is_refused_by_name(fields: dict[str, Any], path: str, mnemonic: str) -> None:
    assert refused(**fields) == [(f"calls.0.{path}", mnemonic)]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"calling_phone_number": ""}, id="1 hidden caller, inbound"),
        pytest.param({"called_phone_number": "", "direction": Direction.OUT}, id="1 dialled empty, outbound"),
        pytest.param({"finish_time": "2026-11-02 10:00:00"}, id="1 finish equals start"),
        pytest.param({"attribution": Attribution(source_id=-1)}, id="1 system source"),
        pytest.param({"attribution": Attribution(campaign_id=2**63 - 1)}, id="1 largest id"),
        pytest.param({"ext_id": "я" * 255}, id="1 longest ext_id"),
        pytest.param(
            {"mp3_records": [a_wav_record(employee_name=None, employee_channel=None, record_url="HTTP://x/1.mp3")]},
            id="6 mp3 without employee, http",
        ),
        pytest.param(
            {"wav_records": [a_wav_record(employee_channel=EmployeeChannel.RIGHT)] * 20}, id="1 20 recordings"
        ),
    ],
)
def test_what_the_contract_allows_is_taken(fields: dict[str, Any]) -> None:
    assert refused(**fields) == []


def test_calls_count_before_fields_and_fields_in_the_order_of_the_table() -> None:
    drafts = [
        ReadDraft(a_draft(wav_records=[a_wav_record(record_url=None)], is_lost=None)),
        ReadDraft(a_draft(ext_id=None)),
    ]

    with pytest.raises(Refusals) as caught:
        check_calls(drafts, MOSCOW)

    paths = [".".join(map(str, refusal.path)) for refusal in caught.value.refusals]
    assert paths == ["calls.0.is_lost", "calls.0.wav_records.0.record_url", "calls.1.ext_id"]


def test_two_spellings_of_one_call_have_one_fingerprint() -> None:
    written = a_checked_call(calling_phone_number="89262444397", start_time="2026-11-02 10:00:00")
    typed = a_checked_call(
        index=7, calling_phone_number="+79262444397", start_time=datetime(2026, 11, 2, 7, tzinfo=UTC)
    )

    assert written.fingerprint == typed.fingerprint
    assert written.fingerprint != a_checked_call(comment="x").fingerprint
