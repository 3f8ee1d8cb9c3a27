"""gRPC and REST beyond the contract: dry runs, filters, cancelling, reprocessing."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from calldock.intake.v1.call_pb2 import CALL_STATUS_ERROR

from tests.support.audio import good_wav
from tests.support.hosts import Host, reply
from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, Reply, until


def upload(calldock: Calldock, account: Account, body: dict[str, Any]) -> Any:
    return calldock.http("POST", "/v1/calls:upload", json.dumps(body), account.token)


@pytest.mark.contract("8 validate_only")
def test_a_dry_run_names_everything_and_stores_nothing(calldock: Calldock) -> None:
    account = calldock.account("Dry")
    calls = [a_json_call(ext_id=str(number), is_lost=None) for number in range(30)]
    calls += [a_json_call(ext_id="x", campaign_id=5), a_json_call(ext_id="y", tags=[{"tag_id": 9999}])]

    answer = upload(calldock, account, {"calls": calls, "validate_only": True})

    fields = [violation["field"] for violation in answer.json["violations"]]
    assert answer.status == 200
    assert fields == [
        *(f"calls[{number}].is_lost" for number in range(30)),
        "calls[30].campaign_id",
        "calls[31].tags[0].tag_id",
    ]
    assert {violation["reason"] for violation in answer.json["violations"]} == {
        "REQUIRED_PARAMETER_MISSED",
        "ENTITY_NOT_FOUND",
    }
    assert answer.json["calls"] == []
    good = upload(calldock, account, {"calls": [a_json_call(tags=[{"tag_name": "new"}])], "validate_only": True})
    assert good.json == {"calls": [], "violations": []}
    assert calldock.http("GET", "/v1/calls", token=account.token).json["calls"] == []


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ({"validate_only": "yes"}, "validate_only"),
        ({"priority": "now"}, "priority"),
        ({"priority": 1}, "priority"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_wrong_option_is_named(calldock: Calldock, account: Account, extra: dict[str, Any], field: str) -> None:
    answer = upload(calldock, account, {"calls": [a_json_call(ext_id="option")], **extra})

    assert answer.status == 400
    assert answer.json["message"].startswith(field)


@pytest.mark.parametrize("priority", ["live", "backfill", "UPLOAD_PRIORITY_BACKFILL"])
def test_a_priority_is_taken(calldock: Calldock, account: Account, priority: str) -> None:
    assert (
        upload(calldock, account, {"calls": [a_json_call(ext_id=f"p {priority}")], "priority": priority}).status == 200
    )


def test_calls_are_listed_by_typed_filters(calldock: Calldock) -> None:
    account = calldock.account("Filters")
    calldock.upload(
        account,
        a_json_call(ext_id="in"),
        a_json_call(ext_id="out", direction="out", is_lost=True),
        a_json_call(ext_id="later", start_time="2026-11-03 10:00:00", finish_time="2026-11-03 10:01:00"),
    )

    def listed(query: str) -> list[str]:
        answer = calldock.http("GET", f"/v1/calls?{query}", token=account.token)
        assert answer.status == 200, answer.body
        return [call["ext_id"] for call in answer.json["calls"]]

    assert listed("direction=DIRECTION_OUT") == ["out"]
    assert listed("is_lost=false") == ["later", "in"]
    assert listed("start_time_from=2026-11-03T00:00:00Z") == ["later"]
    assert listed("start_time_before=2026-11-03T00:00:00Z") == ["out", "in"]
    assert listed("statuses=CALL_STATUS_PROCESSED&statuses=CALL_STATUS_NEW") == ["later", "out", "in"]
    assert listed("statuses=CALL_STATUS_ERROR") == []
    assert listed("upload_time_from=2100-01-01T00:00:00Z") == []
    page = calldock.http("GET", "/v1/calls?page_size=1", token=account.token).json["next_page_token"]
    assert (
        calldock.http("GET", f"/v1/calls?page_size=1&is_lost=false&page_token={page}", token=account.token).status
        == 400
    )


def test_a_call_that_failed_is_judged_anew_when_its_link_is_mended(
    calldock: Calldock, account: Account, host: Host
) -> None:
    host.pages["/mended.wav"] = lambda request: reply(request, 404, "text/plain", b"")
    record = {"employee_name": "Anna", "employee_channel": "left", "record_url": f"{host.url}/mended.wav"}
    callback = {"url": host.hook, "events": ["processed", "in_process", "error"]}
    number = calldock.upload(account, a_json_call(ext_id="mended", wav_records=[record], callback=callback)).json[
        "calls"
    ][0]["call_session_id"]
    host.wait(lambda: [told["status"] for told in host.heard["mended"]] == ["in_process", "error"])
    host.serve("/mended.wav", "audio/wav", good_wav())

    answer = calldock.http("POST", f"/v1/calls/{number}:reprocess", "{}", account.token)

    assert answer.status == 200
    until(
        lambda: (
            calldock.http("GET", f"/v1/calls/{number}", token=account.token).json["status"] == "CALL_STATUS_PROCESSED"
        )
    )
    host.wait(lambda: "processed" in [told["status"] for told in host.heard["mended"]])


def test_an_ended_call_cannot_be_cancelled(calldock: Calldock, account: Account) -> None:
    number = calldock.upload(account, a_json_call(ext_id="ended")).json["calls"][0]["call_session_id"]

    answer = calldock.http("POST", f"/v1/calls/{number}:cancel", "{}", account.token)

    assert answer.status == 400
    assert answer.json["code"] == 9
    assert "only a call that waits can be cancelled" in answer.json["message"]


def searched(calldock: Calldock, host: Host) -> Account:
    """An account with three calls: Anna's, Boris', and one of nobody; there are no recordings behind their links."""
    account = calldock.account("Searches")
    host.pages["/gone.mp3"] = lambda request: reply(request, 404, "text/plain", b"")
    records = [{"employee_name": name, "record_url": f"{host.url}/gone.mp3"} for name in ("Анна  Петрова", "Boris")]
    calldock.upload(
        account,
        a_json_call(ext_id="anna", comment="перезвонить: скидка 100%", mp3_records=records[:1], tags=[{"tag_name": "VIP"}], start_time="2026-11-01 10:00:00"),
        a_json_call(ext_id="boris", mp3_records=records[1:], calling_phone_number="+4930123456"),
        a_json_call(ext_id="nobody", calling_phone_number="", tags=[{"tag_name": "new customer"}]),
    )  # fmt: skip
    for ext_id in ("anna", "boris"):
        until(lambda ext_id=ext_id: calldock.lookup(account, ext_id).status == CALL_STATUS_ERROR)  # type: ignore[misc]
    return account


def test_calls_are_found_by_what_people_know_of_them(calldock: Calldock, host: Host) -> None:
    account = searched(calldock, host)

    def listed(**asked: str) -> list[str]:
        answer = calldock.http("GET", f"/v1/calls?{urlencode(asked, quote_via=quote)}", token=account.token)
        assert answer.status == 200, answer.body
        return [call["ext_id"] for call in answer.json["calls"]]

    assert listed(employee_names="АННА петрова") == ["anna"]
    assert listed(tag_names="new customer") == ["nobody"]
    assert listed(number="8 (926) 244-43-97") == ["anna"]
    assert listed(number="+49 30") == ["boris"]
    assert listed(number="0576") == ["nobody", "boris", "anna"]
    assert listed(text="СКИДКА vip") == ["anna"]
    assert listed(text="%") == ["anna"]
    assert listed(text="o_") == []
    assert listed(verdict_codes="accepted") == []
    assert listed(verdict_codes="http_status_download_error", order_by="upload_time desc") == ["boris", "anna"]
    assert listed(order_by="start_time") == ["anna", "boris", "nobody"]


def test_an_ordered_page_goes_on_where_it_ended_and_its_token_is_for_no_other_order(
    calldock: Calldock, host: Host
) -> None:
    account = searched(calldock, host)

    def page(query: str) -> Reply:
        return calldock.http("GET", f"/v1/calls?page_size=1&{query}", token=account.token)

    first = page("order_by=start_time").json
    second = page(f"order_by=start_time&page_token={first['next_page_token']}").json
    other = page(f"order_by=start_time%20desc&page_token={first['next_page_token']}")

    assert [each["calls"][0]["ext_id"] for each in (first, second)] == ["anna", "boris"]
    assert (other.status, other.json["message"].split(":")[0]) == (400, "page_token")
    assert first["watch_cursor"]
    assert not second["watch_cursor"]


def test_commands_have_the_filters(calldock: Calldock, host: Host, tmp_path: Path) -> None:
    account = searched(calldock, host)

    def run(*arguments: str) -> str:
        done = calldock.cli("calls", *arguments, "--token", account.token)
        assert done.returncode == 0, done.stderr
        return done.stdout

    one = ("--employee", "анна ПЕТРОВА", "--tag", "VIP", "--number", "89262444397", "--verdict", "http_status_download_error")  # fmt: skip
    listed = run("list", "--json", "--sort", "start_time", "--limit", "2")
    run("export", str(tmp_path / "a.jsonl"), *one, "--text", "скидка")
    counted = run("delete", *one, "--dry-run", "--json")

    assert [json.loads(line)["ext_id"] for line in listed.splitlines()] == ["anna", "boris"]
    assert [json.loads(line)["ext_id"] for line in run("list", *one, "--text", "100%", "--status", "error", "--json").splitlines()] == ["anna"]  # fmt: skip
    assert [json.loads(line)["ext_id"] for line in (tmp_path / "a.jsonl").read_text().splitlines()] == ["anna"]
    assert json.loads(counted) == {"matching": 1, "deleted": 0}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("verdict_codes=fine", "verdict_codes"), ("number=12", "number"), ("number=", "number"), ("number=anna", "number"), ("order_by=ext_id", "order_by"),
        ("employee_ids=0", "employee_ids"), (f"text={'x' * 201}", "text"), ("tag_names=", "tag_names"),
    ],
)  # fmt: skip
def test_what_finds_nothing_for_it_is_none_is_refused(
    calldock: Calldock, account: Account, query: str, field: str
) -> None:
    answer = calldock.http("GET", f"/v1/calls?{query}", token=account.token)

    assert answer.status == 400
    assert answer.json["message"].startswith(field)


def test_calls_of_a_number_are_erased_and_none_for_a_word(calldock: Calldock, host: Host) -> None:
    account = searched(calldock, host)

    def erase(**body: object) -> Reply:
        return calldock.http("POST", "/v1/calls:delete", json.dumps(body), token=account.token)

    refused = erase(text="скидка", start_time_before="2030-01-01T00:00:00Z", expected_count=3)
    assert (refused.status, refused.json["message"].split(":")[0]) == (400, "text")
    assert erase(number="", start_time_before="2030-01-01T00:00:00Z", expected_count=3).status == 400
    assert erase(number="+7 926 244 43 97", validate_only=True).json == {"matching_count": "1", "deleted_count": "0"}
    erased = erase(number="+7 926 244 43 97", tag_names=["VIP"], verdict_codes=["http_status_download_error"], expected_count=1)  # fmt: skip
    left = calldock.http("GET", "/v1/calls", token=account.token).json["calls"]

    assert (erased.status, [call["ext_id"] for call in left]) == (200, ["nobody", "boris"]), erased.body
