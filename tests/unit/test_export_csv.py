"""Calls as CSV and as JSON: what an upload reads back is what was exported."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from calldock.intake.v1.call_pb2 import Call, CallDraft
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st

from services.cli.call_files import read_calls
from services.cli.connect import as_dict
from services.cli.drafts import NotADraft, call_draft
from services.cli.export_csv import SAID, UPLOADED, CsvRows
from tests.support.calls import a_call

RECORDING = {"recording_id": "9", "status": "RECORDING_STATUS_REFUSED", "error_code": "RECORDING_ERROR_CODE_DECODE_ERROR", "error_message": "=noise", "audio_report": {"duration": "21.5s"}}  # fmt: skip
WAV = {"employee_id": "4", "employee_name": "@Anna", "employee_channel": "EMPLOYEE_CHANNEL_RIGHT", "record_url": "https://r/1.wav?a=1;b=-2", "recording": RECORDING}  # fmt: skip


def as_csv(*calls: Call) -> str:
    target = io.StringIO()
    rows = CsvRows(io.StringIO())
    for call in calls:
        rows.add(call)
    rows.write(target)
    return target.getvalue()


def uploaded_again(folder: Path, name: str, text: str) -> list[CallDraft]:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    drafts = []
    for read in read_calls(path):
        assert read.call is not None, read.error
        drafts.append(call_draft(read.call))
    return drafts


def said_again(call: Call) -> CallDraft:
    """What an upload has to say for the same call to come of it in another account."""
    facts: dict[str, Any] = as_dict(call)
    known = CallDraft.DESCRIPTOR.fields_by_name
    kept = {name: value for name, value in facts.items() if name in known and value != ""}
    kept |= {name: facts[name] for name in ("calling_phone_number", "called_phone_number")}
    kept["tags"] = [{"tag_name": tag["tag_name"]} for tag in facts["tags"]]
    for kind in ("wav_records", "mp3_records"):
        kept[kind] = [
            {name: value for name, value in record.items() if name not in ("recording", "employee_id") and value}
            for record in facts[kind]
        ]
    return ParseDict(kept, CallDraft())


HOSTILE = [
    a_call(ext_id="=cmd|' /C calc'!A0", comment="+1 for \"them\"; =1+1\r\nand\n-2\n", tags=["@new, customer", "'quoted'"]),
    a_call(ext_id="'", comment="'=", tags=["a|b", " outside ", "=x"]),
    a_call(ext_id="wav", direction="DIRECTION_OUT", is_transfer=True, wait_duration="0.250s", talk_duration="61s", wav_records=[WAV, WAV]),
    a_call(ext_id="mp3", calling_phone_number="", campaign_id="8101", source_id="-1", site_id="3", visitor_session_id="5",
           mp3_records=[{"record_url": "https://r/1.mp3", "recording": RECORDING}],
           callback={"url": "https://crm.example.com/?a=-1", "events": ["CALL_EVENT_ERROR", "CALL_EVENT_PROCESSED"]}),
]  # fmt: skip


@pytest.mark.parametrize("call", HOSTILE, ids=lambda call: call.ext_id)
def test_what_was_exported_is_uploaded_as_it_was(tmp_path: Path, call: Call) -> None:
    others = [each for each in HOSTILE if each is not call]

    (from_csv, *_) = uploaded_again(tmp_path, "a.csv", as_csv(call, *others))
    (from_json,) = uploaded_again(tmp_path, "a.jsonl", json.dumps(as_dict(call)) + "\n")

    assert from_csv == said_again(call)
    assert from_json == said_again(call)


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    call = a_call(ext_id=text, comment=text, tags=[text])

    (draft,) = uploaded_again(tmp_path_factory.mktemp("csv"), "a.csv", as_csv(call))

    assert (draft.ext_id, draft.comment, [tag.tag_name for tag in draft.tags]) == (text, text, [text])


def test_every_line_has_a_cell_for_every_name_and_no_cell_is_a_formula() -> None:
    names, *rows = csv.reader(io.StringIO(as_csv(*HOSTILE), newline=""))

    assert names[: len(UPLOADED) + len(SAID)] == [*UPLOADED, *SAID]
    assert [name for name in names if name.startswith(("tags.", "wav_records.1.r"))][:4] == [
        "tags.0.tag_name", "tags.1.tag_name", "tags.2.tag_name", "wav_records.1.record_url",
    ]  # fmt: skip
    assert {len(row) for row in rows} == {len(names)}
    numbers = {"calling_phone_number", "called_phone_number", "source_id"}
    for row in rows:
        for name, cell in zip(names, row, strict=True):
            assert name in numbers or not cell.startswith(tuple("=+-@\t\r\n")), name


def test_what_calldock_says_of_a_call_stands_in_columns_of_its_own() -> None:
    call = HOSTILE[2]
    (row,) = csv.DictReader(io.StringIO(as_csv(call), newline=""))

    assert (row["call_session_id"], row["status"], row["upload_time"]) == (
        "17",
        "processed",
        "2026-11-02T08:00:00.250Z",
    )
    assert (row["wait_duration"], row["talk_duration"], row["start_time"]) == ("0.25", "61", "2026-11-02T07:00:00Z")
    assert row["wav_records.1.recording.status"] == "refused"
    assert row["wav_records.1.recording.error_code"] == "decode_error"
    assert row["wav_records.1.recording.duration_s"] == "21.5"


def test_apostrophes_of_a_file_that_is_no_export_stay(tmp_path: Path) -> None:
    text = "ext_id,calling_phone_number,comment\na,,'quoted'\n"

    (draft,) = uploaded_again(tmp_path, "day.csv", text)

    assert draft.comment == "'quoted'"


def test_a_call_that_nobody_exported_may_not_say_what_calldock_says() -> None:
    with pytest.raises(NotADraft, match="status"):
        call_draft({"ext_id": "a", "status": "processed"})


def test_numbers_of_tags_and_employees_count_where_there_is_no_name_or_no_export() -> None:
    tags = [{"tag_id": 5, "tag_name": "new"}, {"tag_id": 6}]

    own = call_draft({"ext_id": "a", "tags": tags})
    given_ = call_draft({"ext_id": "a", "call_session_id": "1", "tags": tags})

    assert [(tag.tag_id, tag.tag_name) for tag in own.tags] == [(5, "new"), (6, "")]
    assert [(tag.tag_id, tag.tag_name) for tag in given_.tags] == [(0, "new"), (6, "")]
