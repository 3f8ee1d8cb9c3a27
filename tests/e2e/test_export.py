"""`calldock calls export`: what comes out is what was uploaded, goes in again elsewhere, and is a vCon of the draft."""

import base64
import csv
import hashlib
import json
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from services.cli.demo.speech import conversation
from services.cli.export_csv import UPLOADED
from services.media.encode import encode_mp3
from services.media.id3 import id3_tag
from tests.support.audio import fmt_chunk, good_wav, riff
from tests.support.hosts import Host
from tests.support.makers import NOON, a_json_call
from tests.support.running import Account, Calldock, until
from tests.support.vcon_schema import VCON_SCHEMA, dangling

WAV = good_wav(17)
MONO = riff([(b"fmt ", fmt_chunk(channels=1)), (b"data", bytes(16_000))])
MP3 = id3_tag(NOON, {}) + encode_mp3(conversation(5), 8000)
HOSTILE = '=cmd|\' /C calc\'!A0;"=1"\r\n@x, "quoted" \u202e'
CHECK = Draft202012Validator(VCON_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


@dataclass(frozen=True)
class Day:
    """An account with a day of calls that have ended."""

    calldock: Calldock
    account: Account

    def export(self, *arguments: object, account: Account | None = None) -> "subprocess.CompletedProcess[str]":
        token = (account or self.account).token
        return self.calldock.cli("calls", "export", *map(str, arguments), "--token", token)

    def call(self, ext_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.calldock.http(
            "GET", f"/v1/calls:lookup?ext_id={ext_id}", token=self.account.token
        ).json
        return found


def an_account(calldock: Calldock, name: str) -> Account:
    account = calldock.account(name)
    made = calldock.cli("campaigns", "create", "autumn", "--id", "8101", "--token", account.token)
    assert made.returncode == 0, made.stderr
    return account


def a_wav_record(url: str, channel: str = "left", name: str = "Anna") -> dict[str, str]:
    return {"employee_name": name, "employee_channel": channel, "record_url": url}


def ended(calldock: Calldock, account: Account) -> bool:
    calls = calldock.http("GET", "/v1/calls?page_size=100", token=account.token).json["calls"]
    return all(call["status"] in ("CALL_STATUS_PROCESSED", "CALL_STATUS_ERROR") for call in calls)


@pytest.fixture(scope="module")
def day(calldock: Calldock, host: Host) -> Day:
    account = an_account(calldock, "Exports")
    good = host.serve("/export/good.wav", "audio/wav", WAV)
    mono = host.serve("/export/mono.wav", "audio/wav", MONO)
    mp3 = host.serve("/export/good.mp3", "audio/mpeg", MP3)
    put = calldock.http("POST", "/v1/recordings:put", WAV, account.token, content_type="audio/wav")
    calls = [
        a_json_call(ext_id="lost", is_lost=True, comment=HOSTILE, tags=[{"tag_name": "=new"}, {"tag_name": "a|b"}]),
        a_json_call(ext_id="=1+1", calling_phone_number="", comment="'quoted'", campaign_id=8101),
        a_json_call(ext_id="wav", is_transfer=True, talk_duration=17.25, tags=[{"tag_name": "vip"}],
                    wav_records=[a_wav_record(good), a_wav_record(good, "right", "@Boris")]),
        a_json_call(ext_id="mono", wav_records=[a_wav_record(mono)]),
        a_json_call(ext_id="dead", wav_records=[a_wav_record(f"{host.url}/export/none.wav")]),
        a_json_call(ext_id="mp3", direction="out", mp3_records=[{"record_url": mp3}]),
        a_json_call(ext_id="handed", wav_records=[a_wav_record(put.json["record_url"])]),
    ]  # fmt: skip
    uploaded = calldock.upload(account, *calls)
    assert uploaded.status == 200, uploaded.body
    until(lambda: ended(calldock, account))
    return Day(calldock, account)


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["ext_id"]: row for row in csv.DictReader(file)}


def lines(path: Path) -> dict[str, dict[str, Any]]:
    return {call["ext_id"]: call for call in map(json.loads, path.read_text().splitlines())}


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_is_uploaded_into_another_account_and_comes_out_the_same(day: Day, tmp_path: Path, form: str) -> None:
    first, second = tmp_path / f"first.{form}", tmp_path / "second.csv"
    other = an_account(day.calldock, f"Imports {form}")

    told = day.export(first, "--json")
    uploaded = day.calldock.cli("upload", str(first), "--token", other.token, "--json")
    until(lambda: ended(day.calldock, other))
    day.export(tmp_path / "same.csv")
    again = day.export(second, account=other)

    assert json.loads(told.stdout) == {
        "calls": 7, "recordings": 6, "recordings_without_content": 0, "file": str(first),
    }, told.stderr  # fmt: skip
    # A file that was handed over belongs to the account that has it.
    assert json.loads(uploaded.stdout)["created"] == 6, uploaded.stderr
    assert "handed over no such file" in (tmp_path / f"first.refused.{form}").read_text()
    assert again.returncode == 0, again.stderr
    was, came = rows(tmp_path / "same.csv"), rows(second)
    del was["handed"]
    names = [*UPLOADED, "tags.0.tag_name", "tags.1.tag_name", "status", "error_code", "mp3_records.0.record_url"]
    names += [f"wav_records.{place}.{name}" for place in (0, 1) for name in ("employee_name", "employee_channel", "record_url", "recording.source_sha512")]  # fmt: skip
    assert {ext_id: [row[name] for name in names] for ext_id, row in was.items()} == {
        ext_id: [row[name] for name in names] for ext_id, row in came.items()
    }
    assert day.calldock.http("GET", "/v1/calls:lookup?ext_id=lost", token=other.token).json["comment"] == HOSTILE


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_call_with_a_sale_moves_without_it(calldock: Calldock, tmp_path: Path, form: str) -> None:
    seller, other = calldock.account("Sells"), calldock.account("Takes over")
    uploaded = calldock.upload(seller, a_json_call(ext_id="sold", tags=[{"tag_name": "vip"}]))
    sale = {"access_token": seller.token, "communication_id": int(uploaded.json["calls"][0]["call_session_id"]),
            "communication_type": "call", "date_time": "2026-11-03 10:00:00", "transaction_value": 100}  # fmt: skip
    asked = {"jsonrpc": "2.0", "id": 1, "method": "set.tag_sales", "params": sale}
    assert "result" in calldock.http("POST", "/v2.0", json.dumps(asked)).json
    path = tmp_path / f"sold.{form}"

    told = calldock.cli("calls", "export", str(path), "--token", seller.token)
    moved = calldock.cli("upload", str(path), "--token", other.token, "--json")
    repeated = calldock.cli("upload", str(path), "--token", seller.token, "--json")

    assert told.returncode == 0, told.stderr
    assert "Sale" in path.read_text()
    assert json.loads(moved.stdout) == {"created": 1, "refused": 0, "report": None}
    assert json.loads(repeated.stdout) == {"duplicate": 1, "refused": 0, "report": None}
    call = calldock.http("GET", "/v1/calls:lookup?ext_id=sold", token=other.token).json
    assert [tag["tag_name"] for tag in call["tags"]] == ["vip"]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_files_move_with_their_calls_and_are_fetched_once(day: Day, tmp_path: Path, host: Host, form: str) -> None:
    path, folder = tmp_path / f"calls.{form}", tmp_path / "calls.recordings"
    other = an_account(day.calldock, f"Moves {form}")

    told = day.export(path, "--recordings", "files", "--json")
    written = {each.name: each.stat().st_mtime_ns for each in folder.iterdir()}
    hits = dict(host.hits)
    uploaded = day.calldock.cli("upload", str(path), "--token", other.token, "--json")
    again = day.export(path, "--recordings", "files", "--json")

    # Of the six, the dead link gave nothing.
    assert json.loads(told.stdout)["recordings_without_content"] == 1, told.stderr
    assert sorted(each.read_bytes() for each in folder.iterdir()) == sorted([WAV, WAV, WAV, MONO, MP3])
    assert json.loads(uploaded.stdout)["created"] == 7, uploaded.stderr
    assert again.returncode == 0, again.stderr
    assert {each.name: each.stat().st_mtime_ns for each in folder.iterdir()} == written
    until(lambda: ended(day.calldock, other))
    assert {name for name in host.hits if host.hits[name] != hits.get(name, 0)} == {"/export/none.wav"}
    moved = day.calldock.http("GET", "/v1/calls:lookup?ext_id=handed", token=other.token).json
    assert moved["wav_records"][0]["recording"]["status"] == "RECORDING_STATUS_ACCEPTED"


def test_a_csv_runs_nothing_in_a_spreadsheet_and_is_for_its_owner_alone(day: Day, tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    assert day.export(path).returncode == 0

    found = rows(path)
    assert set(found) == {"lost", "'=1+1", "wav", "mono", "dead", "mp3", "handed"}
    assert found["lost"]["comment"].startswith("'=cmd")
    assert found["wav"]["wav_records.1.employee_name"] == "'@Boris"
    assert found["wav"]["called_phone_number"].startswith("+")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["calls.csv"]


def test_json_lines_are_calls_as_rest_answers_them(day: Day, tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    assert day.export(path).returncode == 0

    found = lines(path)
    for ext_id in ("lost", "mp3"):
        listed = day.call(ext_id)
        for record in listed["mp3_records"]:
            # Not in lists of calls.
            for channel in record["recording"]["audio_report"]["channels"]:
                channel.update(segments=[], peaks="")
        assert found[ext_id] == listed


def test_filters_choose_the_calls_and_none_leaves_recordings_out(day: Day, tmp_path: Path) -> None:
    def chosen(*filters: str) -> set[str]:
        done = day.export("-", "--format", "jsonl", *filters)
        assert done.returncode == 0, done.stderr
        return {json.loads(line)["ext_id"] for line in done.stdout.splitlines()}

    assert chosen("--lost") == {"lost"}
    assert chosen("--answered", "--status", "error") == {"mono", "dead"}
    assert chosen("--status", "error", "--status", "processed", "--direction", "out") == {"mp3"}
    assert chosen("--before", "2026-11-02T00:00:00Z") == chosen("--from", "2099-01-01") == set()
    assert chosen("--uploaded-before", "2000-01-01") == set()
    assert len(chosen("--from", "2026-11-01", "--uploaded-from", "1d")) == 7
    bare = day.export(tmp_path / "bare.csv", "--recordings", "none", "--json")
    assert json.loads(bare.stdout)["recordings"] == 0
    assert not any(name.startswith(("wav", "mp3")) for name in next(iter(rows(tmp_path / "bare.csv").values())))


def vcons(path: Path) -> dict[str, dict[str, Any]]:
    found = {}
    for line in path.read_text().splitlines():
        vcon = json.loads(line)
        assert [error.message for error in CHECK.iter_errors(vcon)] == []
        assert dangling(vcon) == []
        found[vcon["attachments"][0]["body"]["ext_id"]] = vcon
    return found


def recordings(vcon: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in vcon["dialog"] if each["type"] == "recording"]


def test_vcons_link_recordings_with_the_hash_of_what_the_link_gives(day: Day, tmp_path: Path, host: Host) -> None:
    path = tmp_path / "calls.vcon.jsonl"
    done = day.export(path)

    found = vcons(path)
    assert len(found) == 7
    served = {"wav": ("/export/good.wav", WAV), "mono": ("/export/mono.wav", MONO), "mp3": ("/export/good.mp3", MP3)}
    for ext_id, (page, data) in served.items():
        digest = base64.urlsafe_b64encode(hashlib.sha512(data).digest()).decode().rstrip("=")
        for dialog in recordings(found[ext_id]):
            assert (dialog["url"], dialog["content_hash"]) == (host.url + page, f"sha512-{digest}")
    for ext_id in ("dead", "handed"):
        (dialog,) = recordings(found[ext_id])
        assert "url" not in dialog
    assert found["lost"]["dialog"][0]["type"] == "incomplete"
    assert [each["type"] for each in found["wav"]["dialog"]] == ["recording", "recording", "transfer"]
    assert found["wav"]["analysis"][0]["body"]["channels"][0]["segments"] != []
    assert "2 recordings are there without a link" in done.stdout


def test_vcons_take_recordings_in_the_mp3_where_there_is_one_and_else_as_they_came(day: Day, tmp_path: Path) -> None:
    path = tmp_path / "calls.vcon.jsonl"
    done = day.export(path, "--recordings", "inline", "--json")

    assert json.loads(done.stdout)["recordings_without_content"] == 1, done.stderr
    found = vcons(path)
    for ext_id in ("wav", "mp3", "handed"):
        call = day.call(ext_id)
        numbers = [record["recording"]["recording_id"] for record in [*call["wav_records"], *call["mp3_records"]]]
        for number, dialog in zip(numbers, recordings(found[ext_id]), strict=True):
            heard = day.calldock.http("GET", f"/v1/recordings/{number}/audio", token=day.account.token).body
            assert base64.urlsafe_b64decode(dialog["body"] + "==") == heard
            assert (dialog["mediatype"], dialog["filename"]) == ("audio/x-mp3", f"{number}.mp3")
    (mono,) = recordings(found["mono"])
    assert base64.urlsafe_b64decode(mono["body"] + "==") == MONO
    assert (mono["mediatype"], mono["parties"]) == ("audio/x-wav", [0, 1])
    (dead,) = recordings(found["dead"])
    assert "body" not in dead


def test_vcons_may_come_a_file_each_and_are_the_same_at_every_export(day: Day, tmp_path: Path) -> None:
    folder = tmp_path / "vcons"
    folder.mkdir()
    assert day.export(folder).returncode == 0
    first = {each.name: each.read_text() for each in folder.iterdir()}
    assert day.export(folder).returncode == 0

    assert {each.name: each.read_text() for each in folder.iterdir()} == first
    assert len(first) == 7
    number = day.call("wav")["call_session_id"]
    one = tmp_path / "one.vcon"
    assert day.export(one, "wav", "--ext-id").returncode == 0
    assert one.read_text() == first[f"{number}.vcon.json"]
    named = day.export("-", number, "--format", "vcon", "--domain", "calls.example.com")
    assert json.loads(named.stdout)["uuid"] != json.loads(one.read_text())["uuid"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["calls.txt"], 2, "say --format csv, jsonl or vcon"),
        (["-"], 2, "say which, csv, jsonl or vcon"),
        (["calls.vcon"], 2, "several go into a .vcon.jsonl"),
        (["calls.csv", "--recordings", "inline"], 2, "inline is for vCons"),
        (["calls.vcon.jsonl", "--recordings", "files"], 2, "inline puts them into the vCons"),
        (["-", "--format", "csv", "--recordings", "files"], 2, "has no folder beside it"),
        (["calls.csv", "1", "--lost"], 2, "needs no filter"),
        (["calls.csv", "--ext-id"], 2, "Name the call after the file"),
        (["calls.csv", "--from", "noon"], 2, "is no moment such as"),
        (["calls.csv", "--wait", "long"], 2, "is no span of time such as"),
        (["calls.csv", "999999999"], 1, "no such call"),
        (["calls.csv", "none", "--ext-id"], 1, "no such call"),
        (["calls.csv", "none"], 2, "add --ext-id"),
        (["no/folder/calls.csv"], 1, "cannot be written: No such file or directory"),
        (["/dev/null", "--format", "csv"], 1, "is no regular file"),
    ],
    ids=str,
)
def test_what_cannot_be_exported_says_why_and_leaves_no_file(
    day: Day, tmp_path: Path, arguments: list[str], code: int, told: str
) -> None:
    name, *more = arguments
    done = day.export(name if name in ("-", "/dev/null") else tmp_path / name, *more)

    words = " ".join(done.stderr.replace("│", " ").split())
    assert done.returncode == code, words
    assert told in words
    assert list(tmp_path.iterdir()) == []
