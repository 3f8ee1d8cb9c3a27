"""Erasing calls through the front door: one, many by a filter, and by an account's retention."""

import json
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from calldock.intake.v1.call_service_pb2 import WatchCallsRequest
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub

from tests.support.audio import good_wav
from tests.support.hosts import Host, reply
from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, until


@pytest.fixture
def erasing(calldock: Calldock, host: Host) -> Account:
    account = calldock.account("Erasing")
    host.secrets.append(account.secret)
    return account


def with_recording(host: Host, ext_id: str, page: str = "/good.wav", **fields: Any) -> dict[str, Any]:
    record = {"employee_name": "Anna", "employee_channel": "left", "record_url": f"{host.url}{page}"}
    return a_json_call(ext_id=ext_id, wav_records=[record], **fields)


def numbers(answer: Any) -> list[int]:
    return [int(call["call_session_id"]) for call in answer.json["calls"]]


def listed(calldock: Calldock, account: Account) -> set[str]:
    return {call["ext_id"] for call in calldock.all_of(account, "calls")}


def delete(calldock: Calldock, account: Account, number: int) -> int:
    return calldock.http("DELETE", f"/v1/calls/{number}", token=account.token).status


def delete_many(calldock: Calldock, account: Account, **asked: Any) -> Any:
    return calldock.http("POST", "/v1/calls:delete", json.dumps(asked), account.token)


def files_of(calldock: Calldock, account: Account) -> list[Path]:
    return [path for path in (calldock.data_dir / "recordings" / str(account.account_id)).rglob("*") if path.is_file()]


def was_late(line: str, number: int) -> bool:
    """Whether a line of the log says that a file of the call came and was not kept."""
    facts = json.loads(line) if line.startswith("{") else {}
    return (facts.get("event"), facts.get("call_session_id"), facts.get("is_kept")) == (
        "recording.fetched",
        number,
        False,
    )


def test_of_an_erased_call_nothing_is_left(calldock: Calldock, erasing: Account, host: Host) -> None:
    callback = {"url": host.hook, "events": ["processed", "in_process", "error"]}
    (number,) = numbers(calldock.upload(erasing, with_recording(host, "gone", callback=callback)))
    host.wait(lambda: len(host.heard["gone"]) == 2)
    until(lambda: len(files_of(calldock, erasing)) > 0)

    assert delete(calldock, erasing, number) == 200

    assert delete(calldock, erasing, number) == 404
    assert calldock.http("GET", f"/v1/calls/{number}", token=erasing.token).status == 404
    assert calldock.http("GET", "/v1/calls:lookup?ext_id=gone", token=erasing.token).status == 404
    assert listed(calldock, erasing) == set()
    until(lambda: not files_of(calldock, erasing))
    until(lambda: not calldock.http("GET", "/v1/notifications", token=erasing.token).json["notifications"])


def test_an_erased_ext_id_comes_again_as_a_new_call(calldock: Calldock, erasing: Account) -> None:
    (number,) = numbers(calldock.upload(erasing, a_json_call(comment="wrong")))
    delete(calldock, erasing, number)

    answer = calldock.upload(erasing, a_json_call(comment="right"))

    assert answer.json["calls"][0]["outcome"] == "OUTCOME_CREATED"
    assert numbers(answer)[0] > number
    assert calldock.http("GET", "/v1/calls:lookup?ext_id=call-1", token=erasing.token).json["comment"] == "right"


def test_a_call_that_is_being_downloaded_is_erased_and_its_file_too(
    calldock: Calldock, erasing: Account, host: Host
) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow(request: BaseHTTPRequestHandler) -> None:
        asked.set()
        go_on.wait(30)
        reply(request, 200, "audio/wav", good_wav())

    host.pages["/slow-erased.wav"] = slow
    (number,) = numbers(calldock.upload(erasing, with_recording(host, "slow", "/slow-erased.wav")))
    assert asked.wait(30)

    assert delete(calldock, erasing, number) == 200
    go_on.set()

    # Its file comes, is nobody's, and goes.
    until(lambda: any(was_late(line, number) for line in calldock.log.read_text().splitlines()))
    until(lambda: not files_of(calldock, erasing))


def test_another_accounts_call_is_not_there(calldock: Calldock, erasing: Account, account: Account) -> None:
    (number,) = numbers(calldock.upload(account, a_json_call(ext_id="theirs")))

    assert delete(calldock, erasing, number) == 404

    assert "theirs" in listed(calldock, account)


def test_calls_that_match_are_counted_first_and_erased_when_the_count_is_known(
    calldock: Calldock, erasing: Account
) -> None:
    calldock.upload(erasing, *(a_json_call(ext_id=f"lost {n}", is_lost=True) for n in range(30)))
    calldock.upload(erasing, a_json_call(ext_id="kept", is_lost=False))

    counted = delete_many(calldock, erasing, is_lost=True, validate_only=True)
    refused = delete_many(calldock, erasing, is_lost=True, expected_count=29)
    stays = len(listed(calldock, erasing))
    done = delete_many(calldock, erasing, is_lost=True, expected_count=30)

    assert counted.json == {"matching_count": "30", "deleted_count": "0"}
    assert (refused.status, stays) == (400, 31)
    assert "30 calls match" in refused.body.decode()
    assert done.json == {"matching_count": "30", "deleted_count": "30"}
    assert listed(calldock, erasing) == {"kept"}


@pytest.mark.parametrize(
    "asked",
    [{}, {"validate_only": True}, {"expected_count": 1}, {"is_lost": True}, {"no_such_filter": 1, "expected_count": 1}],
)
def test_without_a_filter_or_a_count_nothing_is_erased(
    calldock: Calldock, erasing: Account, asked: dict[str, Any]
) -> None:
    calldock.upload(erasing, a_json_call(is_lost=True))

    answer = delete_many(calldock, erasing, **asked)

    assert answer.status == 400
    assert listed(calldock, erasing) == {"call-1"}


def test_many_are_erased_by_an_admin_alone(calldock: Calldock, erasing: Account) -> None:
    made = calldock.http("POST", "/v1/tokens", json.dumps({"role": "ROLE_UPLOAD"}), erasing.token)
    uploader = Account(erasing.account_id, made.json["access_token"], "")
    (number,) = numbers(calldock.upload(uploader, a_json_call()))

    assert delete_many(calldock, uploader, is_lost=True, expected_count=1).status == 403
    assert delete(calldock, uploader, number) == 200


def test_who_watches_hears_of_it(calldock: Calldock, erasing: Account) -> None:
    page = calldock.http("GET", "/v1/calls", token=erasing.token).json
    (number,) = numbers(calldock.upload(erasing, a_json_call()))
    delete(calldock, erasing, number)

    heard = []
    stub = CallServiceStub(calldock.channel)
    stream = stub.WatchCalls(
        WatchCallsRequest(cursor=page["watch_cursor"]), metadata=(("authorization", f"Bearer {erasing.token}"),)
    )
    for told in stream:
        if told.call_session_id:
            heard.append((told.call_session_id, told.is_deleted, told.HasField("call")))
        if told.is_deleted:
            break
    stream.cancel()

    assert heard == [(number, False, False), (number, True, False)]
