"""Files of calls: what a line means, and what a report holds."""

import json
from pathlib import Path

import pytest

from services.cli.call_files import FileCall, Report, read_calls, report_path
from services.cli.connect import CommandFailed


def csv_file(folder: Path, *lines: str) -> Path:
    path = folder / "calls.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return path


def test_a_csv_line_becomes_a_call(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path,
        "ext_id,calling_phone_number,is_lost,wait_duration,comment,tags,callback.url,callback.events,wav_records.0.employee_name,wav_records.0.record_url,wav_records.1.employee_id",
        'a,,yes,12.5,"Привет, мир",vip|new customer,https://x,"processed, error",Anna,https://r/1.wav,7',
        "b,+7,false,,,,,,,,",
    )

    first, second = read_calls(path)

    assert first.call == {
        "ext_id": "a", "calling_phone_number": "", "is_lost": True, "wait_duration": 12.5, "comment": "Привет, мир",
        "tags": [{"tag_name": "vip"}, {"tag_name": "new customer"}], "callback": {"url": "https://x", "events": ["processed", "error"]},
        "wav_records": [{"employee_name": "Anna", "record_url": "https://r/1.wav"}, {"employee_id": 7}],
    }  # fmt: skip
    assert (second.place, second.call) == (3, {"ext_id": "b", "calling_phone_number": "+7", "is_lost": False})


def test_semicolons_are_taken_too(tmp_path: Path) -> None:
    (found,) = read_calls(csv_file(tmp_path, "ext_id;wait_duration", "a;1,5"))

    assert found.call == {"ext_id": "a", "wait_duration": 1.5}


@pytest.mark.parametrize(
    ("header", "line", "told"),
    [
        ("ext_id,is_lost", "a,maybe", "is_lost: true or false is due"),
        ("ext_id,site_id", "a,x", "site_id: a number is due"),
        ("ext_id,is_lost", "a,true,more", "more cells"),
        ("ext_id,wav_records.2.employee_name", "a,Anna", "without gaps"),
    ],
)
def test_a_line_that_cannot_be_read_says_why_and_the_next_is_read(
    tmp_path: Path, header: str, line: str, told: str
) -> None:
    wrong, good = read_calls(csv_file(tmp_path, header, line, "b,"))

    assert told in wrong.error
    assert good.call == {"ext_id": "b"}


def test_json_of_either_kind_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"calls": [{"ext_id": "a"}, 5]}')
    (tmp_path / "b.jsonl").write_text('{"ext_id": "a", "upload_error": "x"}\n\n{"ext_id"\n')

    one, two = read_calls(tmp_path / "a.json")
    three, four = read_calls(tmp_path / "b.jsonl")

    assert (one.call, two.error) == ({"ext_id": "a"}, "a call is an object")
    assert (three.call, four.place) == ({"ext_id": "a"}, 3)
    assert four.error.startswith("not JSON")


@pytest.mark.parametrize(
    ("name", "content"), [("a.txt", ""), ("a.json", "{"), ("a.json", "{}"), ("a.csv", "name\nx\n"), ("a.csv", "")]
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)

    with pytest.raises(CommandFailed):
        list(read_calls(tmp_path / name))


def test_a_report_has_the_form_of_its_source_and_can_be_read_again(tmp_path: Path) -> None:
    source = csv_file(tmp_path, "ext_id,is_lost", "a,maybe")
    (wrong,) = read_calls(source)
    report = Report(report_path(source), source)

    report.add(wrong, wrong.error)
    report.close()

    assert report.path.name == "calls.refused.csv"
    assert report.path.read_text().startswith("ext_id,is_lost,upload_error\n")
    report.path.write_text(report.path.read_text().replace("a,maybe", "a,true"))
    (mended,) = read_calls(report.path)
    assert mended.call == {"ext_id": "a", "is_lost": True}
    assert report_path(report.path) != report.path


def test_no_report_is_made_while_nothing_is_refused(tmp_path: Path) -> None:
    report = Report(tmp_path / "r.jsonl", tmp_path / "a.json")
    report.close()
    assert not report.path.exists()
    report = Report(tmp_path / "r.jsonl", tmp_path / "a.json")
    report.add(FileCall(1, {"ext_id": "ю"}, None), "wrong")
    report.close()
    assert json.loads(report.path.read_text()) == {"ext_id": "ю", "upload_error": "wrong"}
