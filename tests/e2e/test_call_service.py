"""gRPC and REST beyond the contract: dry runs, filters, cancelling, reprocessing."""

import json
from typing import Any

import pytest

from tests.support.audio import good_wav
from tests.support.hosts import Host, reply
from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, until


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
