"""Calls as vCons of draft-ietf-vcon-vcon-core-04, against a schema of its text."""

import hashlib
from typing import Any

import pytest
from calldock.intake.v1.call_pb2 import Call
from jsonschema import Draft202012Validator

from services.cli.vcon import MP3, Content, Inlined, Linked, call_uuid, content_hash, vcon_of
from tests.support.calls import a_call
from tests.support.vcon_schema import VCON_SCHEMA, dangling

CHECK = Draft202012Validator(VCON_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
REPORT = {"duration": "21.500s", "channel_count": 2, "channels": [{"is_judged": True, "segments": [{"start_offset": "1.5s", "duration": "2s"}]}, {}]}  # fmt: skip
SHA512 = hashlib.sha512(b"file").hexdigest()


def a_record(number: int, name: str = "Anna", **fields: Any) -> dict[str, Any]:
    recording = {"recording_id": str(number), "status": "RECORDING_STATUS_ACCEPTED", "audio_report": REPORT}
    return {"employee_id": "4", "employee_name": name, "record_url": f"https://r/{number}", "recording": recording, **fields}  # fmt: skip


def a_wav(number: int, channel: str = "LEFT", **fields: Any) -> dict[str, Any]:
    return a_record(number, employee_channel=f"EMPLOYEE_CHANNEL_{channel}", **fields)


def good_vcon(call: Call, contents: dict[int, Content] | None = None) -> dict[str, Any]:
    vcon = vcon_of(call, contents or {})
    assert [error.message for error in CHECK.iter_errors(vcon)] == []
    assert dangling(vcon) == []
    return vcon


def test_an_inbound_wav_by_link() -> None:
    call = a_call(comment="from the form", tags=["new"], wav_records=[a_wav(9)], visitor_session_id="5")
    linked = Linked(url="https://r/9", sha512=SHA512)

    vcon = good_vcon(call, {9: linked})

    assert vcon["parties"] == [
        {"tel": "tel:+79262444397"},
        {"tel": "tel:+74955140576", "name": "Anna", "validation": "none", "type": "person", "uuid": "4"},
        {"name": "calldock", "validation": "none", "type": "bot"},
    ]
    # The employee is left, and the customer, who is right, dialled.
    assert vcon["dialog"] == [
        {"type": "recording", "start": "2026-11-02T07:00:00Z", "parties": [1, 0], "originator": 0, "duration": 21.5,
         "mediatype": "audio/x-wav", "url": "https://r/9", "content_hash": content_hash(SHA512)},
    ]  # fmt: skip
    (report,) = vcon["analysis"]
    assert (report["vendor"], report["schema"], report["dialog"]) == ("calldock", "calldock.media.v1.AudioReport", 0)
    assert report["body"]["channels"][0]["segments"] == [{"start_offset": "1.500s", "duration": "2s"}]
    facts, tags = vcon["attachments"]
    assert (facts["body"]["ext_id"], facts["body"]["visitor_session_id"]) == ("call-1", "5")
    assert "audio_report" not in facts["body"]["wav_records"][0]["recording"]
    assert (tags["purpose"], tags["body"]) == ("tags", ["new"])
    assert (vcon["subject"], vcon["created_at"]) == ("from the form", "2026-11-02T08:00:00.250Z")


def test_the_hash_of_a_link_is_base64url_of_sha_512() -> None:
    # FIPS 180-4, "abc".
    digest = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    assert content_hash(digest) == "sha512-3a81oZNherrMQXNJriBBMRLm-k6JqX6iCp7u5ktV05ohkpkqJ0_BqDa6PCOj_uu9RU1EI2Q86A4qmslPpUyknw"  # fmt: skip


def test_an_inline_mp3_of_an_outbound_call() -> None:
    call = a_call(direction="DIRECTION_OUT", mp3_records=[a_record(9)])

    vcon = good_vcon(call, {9: Inlined(body="AAAA", mediatype=MP3, filename="9.mp3")})

    # Nobody knows who of the two is in which channel of an MP3; the employee, who dialled, is first.
    (dialog,) = vcon["dialog"]
    assert dialog["parties"] == [[0, 1], [0, 1]]
    assert "originator" not in dialog
    assert (dialog["body"], dialog["encoding"], dialog["mediatype"]) == ("AAAA", "base64url", "audio/x-mp3")
    assert [party.get("name") for party in vcon["parties"]] == ["Anna", None, "calldock"]


def test_a_transferred_call_has_its_recordings_and_a_transfer() -> None:
    records = [a_wav(9), a_wav(10, "RIGHT", employee_id="5", employee_name="Boris")]

    vcon = good_vcon(a_call(is_transfer=True, wav_records=records))

    first, second, transfer = vcon["dialog"]
    assert (first["parties"], second["parties"]) == ([1, 0], [0, 2])
    assert (first["originator"], "originator" in second) == (0, False)
    assert {name: transfer[name] for name in ("type", "transferee", "transferor", "transfer_target", "original", "target_dialog")} == {
        "type": "transfer", "transferee": 0, "transferor": 1, "transfer_target": 2, "original": 0, "target_dialog": 1,
    }  # fmt: skip
    assert [report["dialog"] for report in vcon["analysis"]] == [0, 1]


def test_one_employee_twice_is_no_transfer_and_one_party() -> None:
    vcon = good_vcon(a_call(is_transfer=True, wav_records=[a_wav(9), a_wav(10)]))

    assert [each["type"] for each in vcon["dialog"]] == ["recording", "recording"]
    assert len(vcon["parties"]) == 3


@pytest.mark.parametrize(
    ("fields", "dialog"),
    [
        pytest.param({"is_lost": True}, {"type": "incomplete", "disposition": "failed"}, id="lost"),
        pytest.param({}, {"type": "recording"}, id="answered, not recorded"),
    ],
)
def test_a_call_without_recordings_has_a_dialog_without_content(fields: dict[str, Any], dialog: dict[str, Any]) -> None:
    vcon = good_vcon(a_call(**fields))

    assert vcon["dialog"] == [{"start": "2026-11-02T07:00:00Z", "duration": 90, "parties": [0, 1], **dialog}]
    assert vcon["analysis"] == []


def test_a_hidden_caller_and_a_nameless_employee_are_parties_too() -> None:
    record = a_record(9, name="")
    del record["employee_id"], record["employee_name"]

    vcon = good_vcon(a_call(calling_phone_number="", mp3_records=[record]))

    assert vcon["parties"][:2] == [{}, {"tel": "tel:+74955140576"}]


@pytest.mark.parametrize(("channels", "parties"), [(1, [0, 1]), (3, [[0, 1], [0, 1], [0, 1]])])
def test_a_wav_of_other_channels_says_who_is_in_it_as_a_whole(channels: int, parties: object) -> None:
    record = a_wav(9)
    record["recording"] = {**record["recording"], "audio_report": {"channel_count": channels}}

    (dialog,) = good_vcon(a_call(wav_records=[record]))["dialog"]

    assert dialog["parties"] == parties


def test_a_uuid_is_of_version_8_and_the_same_for_the_same_call_alone() -> None:
    first = call_uuid(a_call(), "calls.example.com")

    assert (first.version, first.variant) == (8, "specified in RFC 4122")
    assert first.int >> 80 == 1793602800000
    assert call_uuid(a_call(comment="other", status="CALL_STATUS_ERROR"), "calls.example.com") == first
    others = [a_call(call_session_id="18"), a_call(ext_id="call-2"), a_call(start_time="2026-11-02T07:00:01Z")]
    assert len({first, call_uuid(a_call(), "other.example.com"), *(call_uuid(each, "calls.example.com") for each in others)}) == 5  # fmt: skip


def test_the_schema_refuses_what_the_draft_forbids() -> None:
    vcon = good_vcon(a_call(wav_records=[a_wav(9)]), {9: Linked(url="https://r/9", sha512=SHA512)})
    (dialog,) = vcon["dialog"]

    for wrong in (
        {"url": "http://r/9"},
        {"content_hash": "sha512-abc="},
        {"type": "incomplete", "disposition": "failed"},
        {"body": "AAAA", "encoding": "base64url"},
    ):
        assert not CHECK.is_valid({**vcon, "dialog": [{**dialog, **wrong}]}), wrong
    assert not CHECK.is_valid({**vcon, "dialog": [{k: v for k, v in dialog.items() if k != "content_hash"}]})
    assert dangling({**vcon, "dialog": [{**dialog, "parties": [0, 7]}]}) != []
