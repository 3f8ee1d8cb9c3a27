"""docs/contract.md 6, as a business meets it: hosts that fail for a moment, and files that leave the disk."""

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from calldock.intake.v1.call_pb2 import CALL_STATUS_ERROR, CALL_STATUS_PROCESSED

from tests.support.audio import good_wav
from tests.support.hosts import Host, reply
from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, until


def a_record(host: Host, path: str) -> dict[str, str]:
    return {"employee_name": "Anna", "employee_channel": "left", "record_url": f"{host.url}{path}"}


def test_a_host_that_fails_for_a_moment_is_asked_again_and_the_call_told_once(
    calldock: Calldock, account: Account, host: Host
) -> None:
    answers = iter([503, 429, 200])

    def page(request: BaseHTTPRequestHandler) -> None:
        status = next(answers)
        reply(request, status, "audio/wav", good_wav() if status == 200 else b"")

    host.pages["/moment.wav"] = page
    callback = {"url": host.hook, "events": ["processed", "in_process", "error"]}

    calldock.upload(
        account, a_json_call(ext_id="moment", wav_records=[a_record(host, "/moment.wav")], callback=callback)
    )

    host.wait(lambda: len(host.heard["moment"]) == 2)
    assert [told["status"] for told in host.heard["moment"]] == ["in_process", "processed"]
    assert host.hits["/moment.wav"] == 3


def test_a_host_that_fails_for_long_is_the_contracts_error_with_the_number_of_tries(
    calldock: Calldock, account: Account, host: Host
) -> None:
    host.pages["/down.wav"] = lambda request: reply(request, 502, "text/plain", b"")

    calldock.upload(account, a_json_call(ext_id="down", wav_records=[a_record(host, "/down.wav")]))

    until(lambda: calldock.lookup(account, "down").status == CALL_STATUS_ERROR)
    call = calldock.lookup(account, "down")
    assert call.error_message == "recording 1: the server answered 502, 200 is needed (4 tries)"
    assert host.hits["/down.wav"] == 4


def test_what_a_new_upload_replaced_leaves_the_disk(calldock: Calldock, account: Account, host: Host) -> None:
    host.serve("/short.wav", "audio/wav", good_wav()[:100_044])
    host.serve("/whole.wav", "audio/wav", good_wav())
    recordings = calldock.data_dir / "recordings"
    calldock.upload(account, a_json_call(ext_id="replaced", wav_records=[a_record(host, "/short.wav")]))
    until(lambda: calldock.lookup(account, "replaced").status == CALL_STATUS_ERROR)
    number = calldock.lookup(account, "replaced").call_session_id

    def files() -> set[Path]:
        return set((recordings / str(account.account_id) / str(number)).rglob("*.*"))

    before = files()
    again = a_json_call(ext_id="replaced", wav_records=[a_record(host, "/whole.wav")])
    answer = calldock.http("POST", "/v1/calls:upload", json.dumps({"calls": [again]}), account.token)
    assert answer.json["calls"][0]["outcome"] == "OUTCOME_UPLOADED_AGAIN"
    until(lambda: calldock.lookup(account, "replaced").status == CALL_STATUS_PROCESSED)

    assert len(before) == 1
    until(lambda: not before & files(), limit_s=30)
    assert {file.suffix for file in files()} == {".wav", ".mp3"}
