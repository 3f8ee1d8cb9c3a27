"""`calldock upload`: a large file with wrong lines, mended and repeated, ends in exactly its calls."""

import csv
import json
from pathlib import Path

from tests.support.running import Calldock

LINES = 20_000


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def a_row(number: int) -> dict[str, str]:
    return {
        "ext_id": f"file-{number}",
        "calling_phone_number": f"8926{number:07}",
        "called_phone_number": "+74955140576",
        "start_time": "2026-11-02 10:00:00",
        "finish_time": "2026-11-02 10:01:00",
        "is_lost": "true" if number % 5 == 0 else "false",
        "tags": "imported",
    }


def test_twenty_thousand_lines_one_in_a_hundred_wrong_mended_and_repeated(calldock: Calldock, tmp_path: Path) -> None:
    account = calldock.account("File")
    rows = [a_row(number) for number in range(LINES)]
    for number in range(0, LINES, 100):
        wrong = number // 100 % 4
        rows[number]["finish_time"] = "2026-11-02 09:00:00" if wrong == 0 else rows[number]["finish_time"]
        rows[number]["calling_phone_number"] = "nobody" if wrong == 1 else rows[number]["calling_phone_number"]
        rows[number]["is_lost"] = "perhaps" if wrong == 2 else rows[number]["is_lost"]
        rows[number]["start_time"] = "" if wrong == 3 else rows[number]["start_time"]
    path = tmp_path / "day.csv"
    write(path, rows)

    dry = calldock.cli("upload", str(path), "--token", account.token, "--dry-run", "--json")
    first = calldock.cli("upload", str(path), "--token", account.token, "--json")
    report = tmp_path / "day.refused.csv"
    with report.open(newline="") as file:
        refused = list(csv.DictReader(file))
    write(report, [{**row, **a_row(int(row["ext_id"].removeprefix("file-")))} for row in refused])
    mended = calldock.cli("upload", str(report), "--token", account.token, "--json")
    repeated = calldock.cli("upload", str(path), "--token", account.token, "--json")

    assert dry.returncode == 1, dry.stderr
    assert json.loads(dry.stdout) == {"good": LINES - 200, "refused": 200, "report": str(report)}
    assert json.loads(first.stdout) == {"created": LINES - 200, "refused": 200, "report": str(report)}, first.stderr
    assert len(refused) == 200
    assert "finish_time: the call ended before it began" in refused[0]["upload_error"]
    assert "calling_phone_number: not a telephone number" in refused[1]["upload_error"]
    assert "is_lost: true or false is due" in refused[2]["upload_error"]
    assert "start_time: " in refused[3]["upload_error"]
    assert (mended.returncode, json.loads(mended.stdout)) == (0, {"created": 200, "refused": 0, "report": None})
    assert json.loads(repeated.stdout)["duplicate"] == LINES - 200
    asked = {
        "access_token": account.token, "date_from": "2020-01-01 00:00:00", "date_till": "2100-01-01 00:00:00", "limit": 1,
    }  # fmt: skip
    request = {"jsonrpc": "2.0", "id": 1, "method": "get.uploaded_calls", "params": asked}
    counted = calldock.http("POST", "/v2.0", json.dumps(request)).json["result"]["metadata"]["total_items"]
    assert counted == LINES


def test_calls_with_recordings_and_callbacks_come_from_json_lines(calldock: Calldock, tmp_path: Path) -> None:
    account = calldock.account("Lines")
    record = {"employee_name": "Anna", "employee_channel": "left", "record_url": "https://10.0.0.1/x.wav"}
    calls = [
        {"ext_id": "a", "calling_phone_number": "", "called_phone_number": "74955140576", "start_time": "2026-11-02 10:00:00",
         "finish_time": "2026-11-02 10:00:10", "is_lost": False, "direction": "in", "wait_duration": 1.5, "wav_records": [record],
         "callback": {"url": "https://crm.example.com", "events": ["error"]}, "comment": None},
        {"ext_id": "b", "unknown": 1},
        {"ext_id": "c", "is_lost": "false"},
    ]  # fmt: skip
    path = tmp_path / "calls.jsonl"
    path.write_text("".join(json.dumps(call) + "\n" for call in calls))

    done = calldock.cli("upload", str(path), "--token", account.token, "--json", "--backfill")

    assert json.loads(done.stdout)["created"] == 1, done.stderr
    assert json.loads(done.stdout)["refused"] == 2
    lines = [json.loads(line) for line in (tmp_path / "calls.refused.jsonl").read_text().splitlines()]
    assert "unknown" in lines[0]["upload_error"]
    assert "is_lost" in lines[1]["upload_error"]


def test_a_wrong_token_is_said(calldock: Calldock, tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text(json.dumps({"ext_id": "a"}) + "\n")

    done = calldock.cli("upload", str(path), "--token", "nobody")

    assert done.returncode == 1
    assert "Access token is invalid" in done.stderr
