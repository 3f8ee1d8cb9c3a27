"""docs/contract.md 1, 8: the strict reader of JSON drafts."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.intake.draft import Direction, EmployeeChannel, Unknown
from services.intake.json_drafts import Spelling, parse_json, read_call, value_at
from services.intake.status import CallEvent
from services.shared.errors import Path, Refusal
from tests.support.makers import a_json_call


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut short"),
        pytest.param(b"{} {}", id="two values"),
        pytest.param(b'{"a":1,"a":2}', id="1 key twice"),
        pytest.param(b'{"a":{"b":1,"b":1}}', id="1 key twice, inside"),
        pytest.param(b'{"a":NaN}', id="1 NaN"),
        pytest.param(b'{"a":-Infinity}', id="infinity"),
        pytest.param(b'{"a":1e999}', id="a number too large"),
        pytest.param(b'{"a":"\\u0000"}', id="1 NUL escaped"),
        pytest.param(b'{"a":"\0"}', id="1 NUL raw"),
        pytest.param(b'{"\\ud800":1}', id="1 lone surrogates"),
        pytest.param(b'{"a":"\xff"}', id="not UTF-8"),
        pytest.param(b"[" * 200_000, id="nested without end"),
        pytest.param(b'{"a":' * 5_000 + b"1" + b"}" * 5_000, id="nested deep"),
        pytest.param(b"9" * 5_000, id="five thousand digits"),
        pytest.param(b'{"a":' * 65 + b"1" + b"}" * 65, id="nested 65 levels"),
        pytest.param("\ufeff{}".encode(), id="byte order mark"),
    ],
)
def test_what_is_not_json_is_a_parse_error(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        parse_json(body)
    assert caught.value.mnemonic == "parse_error"


def test_numbers_and_pairs_of_surrogates_are_kept_exactly() -> None:
    assert parse_json(b'{"a":123456789012345678901234567890,"b":"\\ud83d\\ude00"}') == {
        "a": 123456789012345678901234567890,
        "b": "😀",
    }


WRONG_TYPES: list[tuple[str, Any]] = [
    ("ext_id", 5), ("direction", 1), ("calling_phone_number", 79262444397), ("called_phone_number", ["x"]), ("start_time", 0), ("finish_time", {}),
    ("is_lost", "false"), ("is_lost", 0), ("is_transfer", "true"), ("wait_duration", "5"), ("talk_duration", True), ("visitor_session_id", "7"),
    ("campaign_id", 1.5), ("source_id", True), ("site_id", []), ("comment", 1), ("callback", "https://x"), ("tags", {}), ("wav_records", "x"),
    ("mp3_records", {"0": {}}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"), WRONG_TYPES, ids=[f"{name} {json.dumps(value)}" for name, value in WRONG_TYPES]
)
@pytest.mark.contract("1 string never a number")
def test_a_wrong_type_is_named(name: str, value: Any) -> None:
    read = read_call(a_json_call(**{name: value}), 3, Spelling.JSON_RPC)

    assert [(refusal.path, refusal.mnemonic) for refusal in read.refusals] == [(("calls", 3, name), "data_type_error")]


def test_wrong_types_inside_are_named_by_their_whole_path() -> None:
    call = a_json_call(
        callback={"url": 1, "events": ["processed", 2]},
        tags=["vip", {"tag_id": "1"}],
        wav_records=[{"employee_id": "9", "employee_channel": 0, "record_url": None, "extra": 1}],
    )

    read = read_call(call, 0, Spelling.JSON_RPC)

    assert {(".".join(map(str, refusal.path)), str(refusal.mnemonic)) for refusal in read.refusals} == {
        ("calls.0.callback.url", "data_type_error"),
        ("calls.0.callback.events.1", "data_type_error"),
        ("calls.0.tags.0", "data_type_error"),
        ("calls.0.tags.1.tag_id", "data_type_error"),
        ("calls.0.wav_records.0.employee_id", "data_type_error"),
        ("calls.0.wav_records.0.employee_channel", "data_type_error"),
        ("calls.0.wav_records.0.extra", "unexpected_parameters"),
    }


@pytest.mark.parametrize("name", ["mp3_record", "call_session_id", "start_wall_time", "extId", ""])
def test_an_unknown_member_is_named(name: str) -> None:
    read = read_call(a_json_call(**{name: 1}), 0, Spelling.JSON_RPC)

    assert [(refusal.path, refusal.mnemonic) for refusal in read.refusals] == [
        (("calls", 0, name), "unexpected_parameters")
    ]


@pytest.mark.parametrize("value", [5, "x", None, [], True])
def test_a_call_that_is_no_object_is_named(value: Any) -> None:
    read = read_call(value, 1, Spelling.REST)

    assert [(refusal.path, refusal.mnemonic) for refusal in read.refusals] == [(("calls", 1), "data_type_error")]


@pytest.mark.contract("1 null", "1 whole number")
def test_null_means_absent_and_whole_numbers_may_have_a_point() -> None:
    read = read_call(
        a_json_call(comment=None, tags=None, callback=None, campaign_id=12.0, wait_duration=5.25), 0, Spelling.JSON_RPC
    )

    assert read.refusals == []
    assert read.draft.attribution.campaign_id == 12
    assert read.draft.wait_duration == timedelta(seconds=5.25)
    assert read.draft.callback is None


def test_rest_takes_what_get_gave() -> None:
    call = a_json_call(
        direction="DIRECTION_OUT", start_time="2026-11-02T07:00:00Z", finish_time="2026-11-02T10:00:30+03:00", wait_duration="12.5s",
        campaign_id="9007199254740993", callback={"url": "https://x", "events": ["CALL_EVENT_IN_PROCESS"]}, call_session_id="7",
        status="CALL_STATUS_ERROR", upload_time="x",
        wav_records=[{"employee_id": "4", "employee_channel": "EMPLOYEE_CHANNEL_RIGHT", "record_url": "https://x", "recording": {"status": "x"}}],
    )  # fmt: skip

    read = read_call(call, 0, Spelling.REST)

    assert read.refusals == []
    assert read.draft.direction is Direction.OUT
    assert read.draft.start_time == datetime(2026, 11, 2, 7, tzinfo=UTC)
    assert read.draft.finish_time == datetime(2026, 11, 2, 7, 0, 30, tzinfo=UTC)
    assert read.draft.wait_duration == timedelta(seconds=12.5)
    assert read.draft.attribution.campaign_id == 9007199254740993
    assert read.draft.callback is not None
    assert read.draft.callback.events == [CallEvent.IN_PROCESS]
    assert read.draft.wav_records[0].employee_channel is EmployeeChannel.RIGHT


def test_the_json_rpc_door_takes_the_contracts_spelling_only() -> None:
    read = read_call(a_json_call(direction="DIRECTION_OUT", start_time="2026-11-02T07:00:00Z"), 0, Spelling.JSON_RPC)

    assert read.draft.direction == Unknown("DIRECTION_OUT")
    assert read.draft.start_time == "2026-11-02T07:00:00Z"


def test_a_value_is_found_by_its_path() -> None:
    assert value_at({"calls": [{"ext_id": 5}]}, ("calls", 0, "ext_id")) == 5
    missing: list[Path] = [("calls", 1), ("calls", "0"), ("x",), ("calls", 0, "ext_id", "y"), ("calls", 0, 0)]
    for path in missing:
        with pytest.raises(LookupError):
            value_at({"calls": [{"ext_id": 5}]}, path)


def test_a_repeated_key_among_very_many_is_found_at_once() -> None:
    keys = ",".join(f'"{number}":0' for number in range(60_000))

    with pytest.raises(Refusal, match="occurs twice"):
        parse_json(f'{{{keys},"x":0,"x":0}}'.encode())


def test_only_as_many_elements_are_read_as_may_be_there_and_one_more() -> None:
    read = read_call(a_json_call(tags=[1] * 100_000), 0, Spelling.JSON_RPC)

    assert len(read.refusals) == 51
    assert len(read.draft.tags) == 51


@pytest.mark.parametrize(
    ("written", "number"),
    [
        pytest.param("12", 12, id="1 whole number 12"),
        pytest.param("12.0", 12, id="1 whole number 12.0"),
        pytest.param("1.2e1", 12, id="1 whole number 1.2e1"),
        pytest.param("9223372036854775807", 2**63 - 1, id="1 whole number largest"),
    ],
)
def test_a_whole_number_is_read_however_it_is_written(written: str, number: int) -> None:
    text = json.dumps(a_json_call()).replace("{", f'{{"tags": [{{"tag_id": {written}}}], "site_id": {written}, ', 1)

    read = read_call(parse_json(text.encode()), 0, Spelling.JSON_RPC)

    assert read.refusals == []
    assert (read.draft.attribution.site_id, read.draft.tags[0].tag_id) == (number, number)


@pytest.mark.contract("1 null")
@pytest.mark.parametrize("name", sorted(a_json_call()))
def test_a_required_field_that_is_null_did_not_come(name: str) -> None:
    absent, null = (read_call(a_json_call(**{name: value}), 0, Spelling.JSON_RPC) for value in (..., None))

    assert null.draft == absent.draft
    assert null.refusals == absent.refusals == []


NULLS: dict[str, Any] = {
    "callback": {"url": None, "events": None},
    "tags": [{"tag_id": None, "tag_name": None}],
    "wav_records": [{"employee_id": None, "employee_name": None, "employee_channel": None, "record_url": None}],
    "mp3_records": [{"employee_id": None, "employee_name": None, "record_url": None}],
}


@pytest.mark.parametrize("name", NULLS, ids=lambda name: f"1 null inside {name}")
def test_a_null_inside_did_not_come(name: str) -> None:
    empty: Any = {} if name == "callback" else [{}]

    null = read_call(a_json_call(**{name: NULLS[name]}), 0, Spelling.JSON_RPC)

    assert null.draft == read_call(a_json_call(**{name: empty}), 0, Spelling.JSON_RPC).draft
    assert null.refusals == []


@pytest.mark.contract("6 mp3_records employee_channel", "8 unexpected_parameters")
def test_an_mp3_has_no_channel() -> None:
    record = {"record_url": "https://x/1.mp3", "employee_channel": "left"}

    read = read_call(a_json_call(mp3_records=[record]), 0, Spelling.JSON_RPC)

    assert [(refusal.path, refusal.mnemonic) for refusal in read.refusals] == [
        (("calls", 0, "mp3_records", 0, "employee_channel"), "unexpected_parameters")
    ]
