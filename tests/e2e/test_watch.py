"""Watching calls through the front door: lines of JSON, a stream of messages, and where they end."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import grpc
import pytest
from calldock.intake.v1.call_service_pb2 import ListCallsRequest, WatchCallsRequest, WatchCallsResponse
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub

from tests.support.hosts import Host
from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock

NEW, IN_PROCESS, PROCESSED = "CALL_STATUS_NEW", "CALL_STATUS_IN_PROCESS", "CALL_STATUS_PROCESSED"


@pytest.fixture
def watched(calldock: Calldock) -> Account:
    return calldock.account("Watched")


def with_recording(host: Host, ext_id: str) -> dict[str, Any]:
    record = {"employee_name": "Anna", "employee_channel": "left", "record_url": f"{host.url}/good.wav"}
    return a_json_call(ext_id=ext_id, wav_records=[record])


def lines(calldock: Calldock, token: str, cursor: str = "") -> Iterator[dict[str, Any]]:
    """What GET /v1/calls:watch sends, a line at a time."""
    with closing(http.client.HTTPConnection("127.0.0.1", calldock.port, timeout=30)) as connection:
        connection.request("GET", f"/v1/calls:watch?cursor={cursor}", headers={"authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        while line := answer.readline():
            yield json.loads(line)


def watch(calldock: Calldock, account: Account, cursor: str = "") -> Iterator[WatchCallsResponse]:
    metadata = (("authorization", f"Bearer {account.token}"),)
    return CallServiceStub(calldock.channel).WatchCalls(WatchCallsRequest(cursor=cursor), metadata=metadata)


def test_a_line_comes_for_every_change_and_one_goes_on_where_one_was(
    calldock: Calldock, watched: Account, host: Host
) -> None:
    stream = lines(calldock, watched.token)
    begun = next(stream)
    calldock.upload(watched, with_recording(host, "first"))

    heard = [next(stream) for _ in range(3)]
    stream.close()  # type: ignore[attr-defined]
    calldock.upload(watched, a_json_call(ext_id="while away"))
    again = lines(calldock, watched.token, heard[0]["cursor"])
    missed = [next(again) for _ in range(4)][1:]

    assert "call" not in begun or begun["call"] is None
    assert [each["status"] for each in heard] == [NEW, IN_PROCESS, PROCESSED]
    assert {each["call"]["ext_id"] for each in heard} == {"first"}
    assert [(each["call"]["ext_id"], each["status"]) for each in missed] == [
        ("first", IN_PROCESS),
        ("first", PROCESSED),
        ("while away", PROCESSED),
    ]
    assert [each["cursor"] for each in missed[:2]] == [each["cursor"] for each in heard[1:]]


def test_a_list_and_what_follows_it_fit_together(calldock: Calldock, watched: Account) -> None:
    calldock.upload(watched, a_json_call(ext_id="older"), a_json_call(ext_id="listed"))
    stub = CallServiceStub(calldock.channel)
    metadata = (("authorization", f"Bearer {watched.token}"),)
    page = stub.ListCalls(ListCallsRequest(page_size=1), metadata=metadata, timeout=20)
    calldock.upload(watched, a_json_call(ext_id="after"))

    stream = watch(calldock, watched, page.watch_cursor)
    begun, told = next(stream), next(stream)
    stream.cancel()  # type: ignore[attr-defined]

    assert [call.ext_id for call in page.calls] == ["listed"]
    assert begun.cursor == page.watch_cursor
    assert told.call.ext_id == "after"
    rest = calldock.http("GET", f"/v1/calls?page_size=1&page_token={page.next_page_token}", token=watched.token)
    assert not rest.json["watch_cursor"]


def test_a_cursor_of_another_account_is_refused_at_both_doors(calldock: Calldock, watched: Account) -> None:
    theirs = next(lines(calldock, calldock.account("Other").token))["cursor"]

    answer = calldock.http("GET", f"/v1/calls:watch?cursor={theirs}", token=watched.token)
    with pytest.raises(grpc.RpcError) as caught:
        next(watch(calldock, watched, theirs))

    assert answer.status == 400
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert calldock.http("GET", "/v1/calls:watch", token="nobody").status == 401


def test_a_token_that_is_blocked_hears_nothing_more(calldock: Calldock, watched: Account) -> None:
    made = calldock.http("POST", "/v1/tokens", json.dumps({"role": "ROLE_READ"}), watched.token)
    reader = Account(watched.account_id, made.json["access_token"], "")
    stream = watch(calldock, reader)
    next(stream)
    ended = threading.Event()
    codes: list[grpc.StatusCode] = []

    def hear() -> None:
        try:
            for _ in stream:
                pass
        except grpc.RpcError as error:
            codes.append(error.code())
        ended.set()

    threading.Thread(target=hear, daemon=True).start()
    number = made.json["token"]["token_id"]
    assert calldock.http("POST", f"/v1/tokens/{number}:block", "{}", watched.token).status == 200

    assert ended.wait(30)
    assert codes == [grpc.StatusCode.UNAUTHENTICATED]
