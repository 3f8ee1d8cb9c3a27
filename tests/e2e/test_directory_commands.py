"""`calldock tags`, `employees`, `sites`, `campaigns`, `sources` and `calls watch`, as a person runs them."""

import json
import os
import queue
import signal
import subprocess
import threading
from typing import Any

import pytest

from tests.support.makers import a_json_call
from tests.support.running import CALLDOCK, INTERRUPTIBLE, Account, Calldock


@pytest.fixture(scope="module")
def owner(calldock: Calldock) -> Account:
    return calldock.account("Commands")


def run(calldock: Calldock, account: Account, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return calldock.cli(*arguments, "--token", account.token)


def made(calldock: Calldock, account: Account, *arguments: str) -> dict[str, Any]:
    done = run(calldock, account, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(
    ("kind", "number", "name_field"),
    [("tags", "tag_id", "name"), ("employees", "employee_id", "full_name"), ("sources", "source_id", "name")],
)
def test_an_entry_is_created_renamed_and_listed(
    calldock: Calldock, owner: Account, kind: str, number: str, name_field: str
) -> None:
    entry = made(calldock, owner, kind, "create", "[red]один")
    renamed = made(calldock, owner, kind, "rename", entry[number], "два")
    listed = run(calldock, owner, kind, "list", "--json")
    table = run(calldock, owner, kind, "list")

    assert entry[name_field] == "[red]один"
    assert renamed == {**entry, name_field: "два"}
    assert renamed in [json.loads(line) for line in listed.stdout.splitlines()]
    assert "два" in table.stdout


def test_a_site_is_created_with_its_number_and_changed(calldock: Calldock, owner: Account) -> None:
    site = made(calldock, owner, "sites", "create", "shop", "--id", "77", "--number", "84955140576")
    renamed = made(calldock, owner, "sites", "update", "77", "--name", "store")
    cleared = made(calldock, owner, "sites", "update", "77", "--no-numbers")
    nothing = run(calldock, owner, "sites", "update", "77")

    assert (site["site_id"], site["phone_numbers"]) == ("77", ["+74955140576"])
    assert renamed == {**site, "name": "store"}
    assert cleared == {**renamed, "phone_numbers": []}
    assert nothing.returncode == 2
    assert "store" in run(calldock, owner, "sites", "list").stdout


def test_a_campaign_is_paused(calldock: Calldock, owner: Account) -> None:
    campaign = made(calldock, owner, "campaigns", "create", "autumn")
    paused = made(calldock, owner, "campaigns", "update", campaign["campaign_id"], "--inactive")

    assert (campaign["is_active"], paused["is_active"], paused["name"]) == (True, False, "autumn")
    assert "inactive" in run(calldock, owner, "campaigns", "list").stdout


def test_what_is_refused_says_why(calldock: Calldock, owner: Account) -> None:
    assert run(calldock, owner, "tags", "create", "twice").returncode == 0
    twice = run(calldock, owner, "tags", "create", "twice")

    assert twice.returncode == 1
    assert "another tag of this name" in twice.stderr


def test_watching_shows_calls_as_they_come_and_change(calldock: Calldock) -> None:
    account = calldock.account("Watched")
    calldock.upload(account, a_json_call(ext_id="before"), a_json_call(ext_id="just before"))
    command = [*INTERRUPTIBLE, CALLDOCK, "calls", "watch", "--last", "1", "--json", "--url", calldock.url]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "CALLDOCK_TOKEN": account.token},
    ) as watching:
        lines: queue.Queue[str] = queue.Queue()

        def read() -> None:
            for line in watching.stdout or ():
                lines.put(line)

        reader = threading.Thread(target=read)
        reader.start()

        def next_call() -> tuple[str, str]:
            told = json.loads(lines.get(timeout=30))
            return told["call"]["ext_id"], told["status"]

        assert next_call() == ("just before", "CALL_STATUS_PROCESSED")
        record = {"employee_name": "A", "employee_channel": "left", "record_url": "https://10.0.0.1/x.wav"}
        calldock.upload(account, a_json_call(ext_id="later", wav_records=[record]))
        heard = [next_call()]
        while heard[-1] != ("later", "CALL_STATUS_ERROR"):
            heard.append(next_call())
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 0
        reader.join(30)

    assert [status for _, status in heard] == ["CALL_STATUS_NEW", "CALL_STATUS_IN_PROCESS", "CALL_STATUS_ERROR"]
    assert {ext_id for ext_id, _ in heard} == {"later"}
    assert lines.empty()
