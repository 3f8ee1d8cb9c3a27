"""`calldock upload` of a folder: recordings beside a file of calls."""

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.audio import good_wav
from tests.support.running import CALLDOCK, Account, Calldock, until

WAV = good_wav(17)


@pytest.fixture
def owner(calldock: Calldock) -> Account:
    return calldock.account("Folder")


def run(calldock: Calldock, account: Account, *arguments: str) -> dict[str, Any]:
    command = [CALLDOCK, "upload", *arguments, "--url", calldock.url, "--token", account.token, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode in (0, 1), done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def write_calls(path: Path, *names: str) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["ext_id", "calling_phone_number", "called_phone_number", "start_time", "finish_time", "is_lost",
             "wav_records.0.employee_name", "wav_records.0.employee_channel", "wav_records.0.record_url"]
        )  # fmt: skip
        for number, name in enumerate(names):
            writer.writerow(
                [f"f-{number}", "89262444397", "+74955140576", "2026-11-02 10:00:00", "2026-11-02 10:01:00", "false", "Anna", "left", name]
            )  # fmt: skip


def call(calldock: Calldock, account: Account, ext_id: str) -> dict[str, Any]:
    found: dict[str, Any] = calldock.http("GET", f"/v1/calls:lookup?ext_id={ext_id}", token=account.token).json
    return found


def test_a_folder_is_uploaded_and_a_repeat_hands_nothing_over_again(
    calldock: Calldock, owner: Account, tmp_path: Path
) -> None:
    folder = tmp_path / "day"
    (folder / "morning").mkdir(parents=True)
    (folder / "morning" / "1.wav").write_bytes(WAV)
    (folder / "2.wav").write_bytes(good_wav(18))
    write_calls(folder / "calls.csv", "morning/1.wav", "2.wav", "none.wav", "../secret.wav")
    (tmp_path / "secret.wav").write_bytes(WAV)

    dry = run(calldock, owner, str(folder), "--dry-run")
    first = run(calldock, owner, str(folder))
    until(lambda: all(call(calldock, owner, each)["status"] == "CALL_STATUS_PROCESSED" for each in ("f-0", "f-1")))
    stored = calldock.data_dir / "recordings" / str(owner.account_id) / "uploads"
    handed_over = {path.name for path in stored.iterdir()}
    second = run(calldock, owner, str(folder))

    assert (dry["good"], dry["refused"]) == (2, 2)
    assert (first["created"], first["refused"]) == (2, 2)
    assert (second["duplicate"], second.get("duplicates_that_differ", 0)) == (2, 0)
    assert {path.name for path in stored.iterdir()} == handed_over
    assert len(handed_over) == 2
    report = (folder / "calls.refused.csv").read_text()
    assert "there is no such file" in report
    assert "lies outside" in report


def test_a_csv_beside_its_folder_is_found_and_a_changed_file_differs(
    calldock: Calldock, owner: Account, tmp_path: Path
) -> None:
    folder = tmp_path / "day"
    folder.mkdir()
    (folder / "1.wav").write_bytes(WAV)
    write_calls(tmp_path / "day.csv", "1.wav")

    assert run(calldock, owner, str(folder))["created"] == 1
    (folder / "1.wav").write_bytes(good_wav(19))
    again = run(calldock, owner, str(folder))

    assert (again["duplicate"], again["duplicates_that_differ"]) == (1, 1)


def test_a_folder_without_its_file_of_calls_says_so(calldock: Calldock, owner: Account, tmp_path: Path) -> None:
    command = [CALLDOCK, "upload", str(tmp_path), "--url", calldock.url, "--token", owner.token]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert "one file of calls is due" in done.stderr
