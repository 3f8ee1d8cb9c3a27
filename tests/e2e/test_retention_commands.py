"""`calldock calls delete` and `calldock retention`, as a person runs them, and an account whose audio goes by itself."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.hosts import Host
from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, a_calldock, until


@pytest.fixture
def owner(calldock: Calldock) -> Account:
    return calldock.account("Forgetting")


def run(calldock: Calldock, account: Account, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return calldock.cli(*arguments, "--token", account.token)


def answered(calldock: Calldock, account: Account, *arguments: str) -> Any:
    done = run(calldock, account, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def listed(calldock: Calldock, account: Account) -> set[str]:
    return {call["ext_id"] for call in calldock.http("GET", "/v1/calls", token=account.token).json["calls"]}


def test_one_call_is_erased_by_its_number_or_its_ext_id(calldock: Calldock, owner: Account) -> None:
    calls = calldock.upload(owner, a_json_call(ext_id="a"), a_json_call(ext_id="b"), a_json_call(ext_id="c"))
    number = calls.json["calls"][0]["call_session_id"]

    counted = answered(calldock, owner, "calls", "delete", "b", "--ext-id", "--dry-run")
    by_number = answered(calldock, owner, "calls", "delete", number)
    by_ext_id = answered(calldock, owner, "calls", "delete", "b", "--ext-id")
    again = run(calldock, owner, "calls", "delete", number)

    assert counted == {"matching": 1, "deleted": 0}
    assert by_number == by_ext_id == {"matching": 1, "deleted": 1}
    assert (again.returncode, "there is no such call" in again.stderr) == (1, True)
    assert listed(calldock, owner) == {"c"}


def test_many_are_counted_asked_for_and_erased(calldock: Calldock, owner: Account) -> None:
    calldock.upload(owner, *(a_json_call(ext_id=f"lost {n}", is_lost=True) for n in range(12)))
    calldock.upload(owner, a_json_call(ext_id="kept", is_lost=False))

    counted = answered(calldock, owner, "calls", "delete", "--lost", "--dry-run")
    # Nobody is there to say yes.
    refused = run(calldock, owner, "calls", "delete", "--lost")
    stay = len(listed(calldock, owner))
    erased = answered(calldock, owner, "calls", "delete", "--lost", "--yes")

    assert counted == {"matching": 12, "deleted": 0}
    assert (refused.returncode, stay) == (1, 13)
    assert "12 calls match" in refused.stderr
    assert erased == {"matching": 12, "deleted": 12}
    assert listed(calldock, owner) == {"kept"}


def test_without_a_call_or_a_filter_nothing_is_meant(calldock: Calldock, owner: Account) -> None:
    for arguments in ((), ("7", "--lost")):
        assert run(calldock, owner, "calls", "delete", *arguments).returncode == 2


def test_retention_is_set_shown_and_taken_back(calldock: Calldock, owner: Account) -> None:
    answered(calldock, owner, "retention", "set", "--calls", "180d", "--ext-ids", "30d")
    changed = answered(calldock, owner, "retention", "set", "--calls", "default", "--payloads", "12h")
    shown = run(calldock, owner, "retention", "show")

    assert changed == {
        "calls_s": None,
        "recordings_s": None,
        "sources_s": None,
        "payloads_s": 43_200,
        "ext_ids_s": 2_592_000,
    }
    assert answered(calldock, owner, "retention", "show") == changed
    lines = [line.split("│")[2].strip() for line in shown.stdout.splitlines() if line.startswith("│")]
    assert [line for line in lines if line] == [
        "until they are deleted",
        "as long as their call",
        "as the operator has it",
        "12:00:00",
        "30 days",
    ]
    assert run(calldock, owner, "retention", "set", "--calls", "soon").returncode == 2
    # Not the same as default, and nothing that anybody can want.
    assert run(calldock, owner, "retention", "set", "--payloads", "0").returncode == 1
    assert answered(calldock, owner, "retention", "show") == changed


def test_a_span_by_which_calls_would_go_is_asked_about(calldock: Calldock, owner: Account) -> None:
    calldock.upload(owner, *(a_json_call(ext_id=f"{n}") for n in range(3)))

    # Nobody is there to say yes.
    refused = [run(calldock, owner, "retention", "set", span, "1s") for span in ("--calls", "--recordings")]

    assert [each.returncode for each in refused] == [1, 1]
    assert "3 calls began more than 0:00:01 ago. Have them go for good?" in refused[0].stderr
    assert "3 calls began more than 0:00:01 ago. Have their audio go for good?" in refused[1].stderr
    assert answered(calldock, owner, "retention", "show")["calls_s"] is None
    assert answered(calldock, owner, "retention", "set", "--calls", "36500d")["calls_s"] == 36500 * 86400


@pytest.mark.parametrize("wrong", [{"calls": "0s"}, {"calls": "1.5s"}, {"recordings": "-5s"}, {"sources": "x"}])
def test_a_span_that_cannot_be_is_refused(calldock: Calldock, owner: Account, wrong: dict[str, str]) -> None:
    answer = calldock.http("PATCH", "/v1/account", json.dumps({"retention": wrong}), owner.token)

    assert answer.status == 400
    assert not [span for span in answered(calldock, owner, "retention", "show").values() if span]


def test_calls_audio_and_notifications_go_by_themselves(host: Host, tmp_path: Path) -> None:
    settings = {
        "EGRESS_ALLOW": f"127.0.0.1:{host.port}",
        "EGRESS_CA_FILE": str(host.ca_file),
        "RETENTION_UNCHANGED_S": "0",
    }
    with a_calldock(tmp_path, **settings) as calldock:
        account = calldock.account("Forgetting")
        host.secrets.append(account.secret)
        record = {"employee_name": "Anna", "employee_channel": "left", "record_url": f"{host.url}/good.wav"}
        callback = {"url": host.hook, "events": ["processed"]}
        calldock.upload(account, a_json_call(ext_id="fades", wav_records=[record], callback=callback))
        host.wait(lambda: len(host.heard["fades"]) == 1)
        files = calldock.data_dir / "recordings" / str(account.account_id)
        assert list(files.rglob("*.mp3"))

        answered(calldock, account, "retention", "set", "--recordings", "1s", "--payloads", "1s", "--yes")

        until(lambda: not [path for path in files.rglob("*") if path.is_file()])
        until(lambda: not calldock.http("GET", "/v1/notifications", token=account.token).json["notifications"])
        assert calldock.lookup(account, "fades").wav_records[0].recording.audio_report.HasField("duration")

        answered(calldock, account, "retention", "set", "--calls", "1s", "--yes")
        until(lambda: not listed(calldock, account))
        again = calldock.upload(account, a_json_call(ext_id="fades"))
        assert again.json["calls"][0]["outcome"] == "OUTCOME_RETIRED"
