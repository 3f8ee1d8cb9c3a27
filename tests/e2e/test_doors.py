"""The same upload through every door of the one port, and reading it back."""

import json
import subprocess
from typing import Any

import grpc
import pytest
from calldock.intake.v1.call_pb2 import CALL_STATUS_PROCESSED, CallDraft
from calldock.intake.v1.call_service_pb2 import ListCallsRequest, UploadCallsRequest, UploadedCall
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.support.audio import good_wav
from tests.support.hosts import Host, reply
from tests.support.makers import a_json_call
from tests.support.running import BUF, Account, Calldock, until

ALL_EVENTS = ["processed", "in_process", "error"]


def a_typed_call(**fields: Any) -> CallDraft:
    values = {
        "ext_id": "typed-1", "calling_phone_number": "89262444397", "called_phone_number": "+74955140576",
        "start_wall_time": "2026-11-02 10:00:00", "finish_wall_time": "2026-11-02 10:01:00", "is_lost": True,
    }  # fmt: skip
    return CallDraft(**{**values, **fields})


def stub(calldock: Calldock) -> CallServiceStub:
    return CallServiceStub(calldock.channel)


def bearer(account: Account) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {account.token}"),)


def wav_call(host: Host, ext_id: str, **fields: Any) -> dict[str, Any]:
    record = {"employee_name": "Anna Petrova", "employee_channel": "left", "record_url": f"{host.url}/good.wav"}
    return a_json_call(ext_id=ext_id, wav_records=[record], callback={"url": host.hook, "events": ALL_EVENTS}, **fields)


@pytest.mark.contract("6 wav_records afterwards", "7 POST", "7 events asked for")
def test_a_call_with_a_recording_is_stored_judged_made_listenable_and_reported(
    calldock: Calldock, account: Account, host: Host
) -> None:
    answer = calldock.upload(account, wav_call(host, "whole-way"))

    assert answer.status == 200
    assert answer.json["calls"][0]["outcome"] == "OUTCOME_CREATED"
    host.wait(lambda: [told["status"] for told in host.heard["whole-way"]] == ["in_process", "processed"])
    call = calldock.lookup(account, "whole-way")
    assert call.status == CALL_STATUS_PROCESSED
    assert host.heard["whole-way"][1]["call_session_id"] == call.call_session_id
    recording = call.wav_records[0].recording
    assert recording.audio_report.snr_db > 30
    assert recording.audio_report.duration.seconds == 20
    audio = calldock.http("GET", f"/v1/recordings/{recording.recording_id}/audio", token=account.token)
    assert audio.status == 200
    assert audio.headers["content-type"] == "audio/mpeg"
    assert int(audio.headers["content-length"]) == len(audio.body) == recording.audio_size_bytes
    assert audio.body.startswith(b"ID3")
    assert b"whole-way" in audio.body[:200]


@pytest.mark.contract("1 is_transfer", "6 several employees", "6 one file once")
def test_two_employees_in_one_file_are_downloaded_once(calldock: Calldock, account: Account, host: Host) -> None:
    host.serve("/shared.wav", "audio/wav", good_wav())
    record = {"employee_channel": "left", "record_url": f"{host.url}/shared.wav"}
    records = [{**record, "employee_name": "Anna Petrova"}, {**record, "employee_name": "Boris Ivanov"}]

    calldock.upload(account, a_json_call(ext_id="transfer", is_transfer=True, wav_records=records))

    until(lambda: calldock.lookup(account, "transfer").status == CALL_STATUS_PROCESSED)
    assert host.hits["/shared.wav"] == 1
    assert [record.employee_name for record in calldock.lookup(account, "transfer").wav_records] == [
        "Anna Petrova",
        "Boris Ivanov",
    ]


@pytest.mark.contract("2 gRPC says so", "3 Timestamp")
def test_grpc_uploads_and_reads_back(calldock: Calldock, account: Account) -> None:
    uploaded = stub(calldock).UploadCalls(
        UploadCallsRequest(calls=[a_typed_call()]), metadata=bearer(account), timeout=20
    )
    again = stub(calldock).UploadCalls(
        UploadCallsRequest(calls=[a_typed_call(comment="x")]), metadata=bearer(account), timeout=20
    )

    assert uploaded.calls[0].outcome == UploadedCall.OUTCOME_CREATED
    assert again.calls[0].outcome == UploadedCall.OUTCOME_DUPLICATE
    assert again.calls[0].differs
    call = calldock.lookup(account, "typed-1")
    assert call.calling_phone_number == "+79262444397"
    assert call.start_time.ToDatetime().isoformat() == "2026-11-02T07:00:00"


@pytest.mark.contract("8 success", "8 POST /v2.0", "8 upload.calls", "8 ext_request_id")
def test_json_rpc_uploads_and_rest_reads_back(calldock: Calldock, account: Account) -> None:
    answer = calldock.rpc(account, a_json_call(ext_id="rpc/1 ?#", direction="out", called_phone_number=""))

    assert answer == {"jsonrpc": "2.0", "id": 1, "result": {"data": {"success": True}, "metadata": {"limits": {}}}}
    call = calldock.http("GET", "/v1/calls:lookup?ext_id=rpc%2F1%20%3F%23", token=account.token).json
    assert call["direction"] == "DIRECTION_OUT"
    assert call["ext_request_id"] == "1"
    assert calldock.http("GET", f"/v1/calls/{call['call_session_id']}", token=account.token).json == call


def test_what_rest_answered_can_be_uploaded_by_rest(calldock: Calldock, account: Account, host: Host) -> None:
    record = {"employee_name": "Anna Petrova", "employee_channel": "right", "record_url": f"{host.url}/good.wav"}
    calldock.upload(
        account, a_json_call(ext_id="round", wait_duration=12.5, tags=[{"tag_name": "vip"}], wav_records=[record])
    )
    until(lambda: calldock.lookup(account, "round").status == CALL_STATUS_PROCESSED)
    call = calldock.http("GET", "/v1/calls:lookup?ext_id=round", token=account.token).json

    answer = calldock.upload(account, call)

    assert answer.status == 200, answer.body
    assert answer.json["calls"][0]["outcome"] == "OUTCOME_DUPLICATE"


def test_pages_of_calls_neither_skip_nor_repeat(calldock: Calldock) -> None:
    account = calldock.account("Pages")
    calldock.upload(account, *(a_json_call(ext_id=str(number)) for number in range(25)))

    seen: list[str] = []
    token = ""
    while True:
        page = stub(calldock).ListCalls(
            ListCallsRequest(page_size=10, page_token=token), metadata=bearer(account), timeout=20
        )
        seen += [call.ext_id for call in page.calls]
        # A call that comes meanwhile stands before the first page.
        calldock.upload(account, a_json_call(ext_id=f"new {len(seen)}"))
        token = page.next_page_token
        if not token:
            break

    assert seen == [str(number) for number in reversed(range(25))]


@pytest.mark.contract("7 at least once")
def test_notifications_are_listed_with_their_attempts(calldock: Calldock, account: Account, host: Host) -> None:
    host.refuse_next = 1
    call = a_json_call(ext_id="retried", callback={"url": host.hook, "events": ["processed"]})
    number = calldock.upload(account, call).json["calls"][0]["call_session_id"]
    host.wait(lambda: bool(host.heard["retried"]))

    def listed() -> Any:
        return calldock.http("GET", f"/v1/notifications?call_session_id={number}", token=account.token).json[
            "notifications"
        ]

    until(lambda: listed()[0]["status"] == "NOTIFICATION_STATUS_DELIVERED")
    (notification,) = listed()
    assert [attempt["outcome"] for attempt in notification["attempts"]] == [
        "ATTEMPT_OUTCOME_HTTP_STATUS",
        "ATTEMPT_OUTCOME_DELIVERED",
    ]
    assert notification["attempts"][0]["http_status"] == 503
    assert json.loads(notification["body"]) == host.heard["retried"][0]


@pytest.mark.contract("7 signed")
def test_a_notification_is_signed_with_its_accounts_secret(calldock: Calldock, account: Account, host: Host) -> None:
    host.pages["/signed-for-the-doors"] = lambda request: reply(request, 204, "text/plain", b"")
    callback = {"url": f"{host.url}/signed-for-the-doors", "events": ["processed"]}
    calldock.upload(account, a_json_call(ext_id="signed", callback=callback))
    until(lambda: bool(host.posted["/signed-for-the-doors"]))
    headers, body = host.posted["/signed-for-the-doors"][0]

    assert Webhook(account.secret).verify(body, headers) == json.loads(body)
    with pytest.raises(WebhookVerificationError):
        Webhook(calldock.account("Another").secret).verify(body, headers)


def test_buf_curl_uploads_and_reads_back_over_reflection(calldock: Calldock, account: Account) -> None:
    def buf(method: str, request: dict[str, object]) -> Any:
        command = [
            BUF,
            "curl",
            "--protocol",
            "grpc",
            "--http2-prior-knowledge",
            "-H",
            f"authorization: Bearer {account.token}",
        ]
        done = subprocess.run(
            [*command, "-d", json.dumps(request), f"{calldock.url}/calldock.intake.v1.CallService/{method}"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    call = {
        "extId": "buf-1", "callingPhoneNumber": "", "calledPhoneNumber": "+74955140576", "isLost": True,
        "startTime": "2026-11-02T07:00:00Z", "finishTime": "2026-11-02T07:01:00Z",
    }  # fmt: skip

    assert buf("UploadCalls", {"calls": [call]})["calls"][0]["outcome"] == "OUTCOME_CREATED"
    assert buf("LookupCall", {"extId": "buf-1"})["status"] == "CALL_STATUS_PROCESSED"


def test_the_command_line_lists_and_shows(calldock: Calldock, account: Account) -> None:
    calldock.upload(account, a_json_call(ext_id="shown", comment="x"))

    listed = calldock.cli("calls", "list", "--token", account.token, "--json", "--limit", "1000")
    shown = calldock.cli("calls", "show", "shown", "--ext-id", "--token", account.token, "--json")
    missing = calldock.cli("calls", "show", "nobody", "--ext-id", "--token", account.token)
    no_token = calldock.cli("calls", "list")

    assert "shown" in [json.loads(line)["ext_id"] for line in listed.stdout.splitlines()]
    assert json.loads(shown.stdout)["comment"] == "x"
    assert (missing.returncode, missing.stderr) == (1, "ext_id: there is no such call\n")
    assert no_token.returncode == 2
    assert "--token" in no_token.stderr


def test_markup_in_a_callers_data_is_shown_as_it_is(calldock: Calldock, account: Account) -> None:
    record = {"employee_name": "[/red]Anna", "record_url": "https://10.0.0.1/x.mp3"}
    calldock.upload(account, a_json_call(ext_id="[/bold]", mp3_records=[record]))

    shown = calldock.cli("calls", "show", "[/bold]", "--ext-id", "--token", account.token)

    assert shown.returncode == 0, shown.stderr
    assert "[/bold]" in shown.stdout
    assert "[/red]" in shown.stdout


def test_what_a_terminal_might_obey_in_a_callers_data_does_not_reach_it(calldock: Calldock) -> None:
    owner = calldock.account("Terminals")
    hostile = "e\x1b[2J\x9b2J\u202e\x07"
    record = {"employee_name": f"Anna {hostile}", "record_url": "https://10.0.0.1/x.mp3"}
    call = a_json_call(ext_id=hostile, tags=[{"tag_name": f"tag {hostile}"}], mp3_records=[record])
    assert calldock.upload(owner, call).status == 200
    named = json.dumps({"name": f"Terminals {hostile}"})
    assert calldock.http("PATCH", "/v1/account?update_mask=name", named, owner.token).status == 200
    token = json.dumps({"name": hostile, "role": "ROLE_READ"})
    assert calldock.http("POST", "/v1/tokens", token, owner.token).status == 200

    commands = [("calls", "list"), ("calls", "show", hostile, "--ext-id"), ("tags", "list"), ("tokens", "list")]
    asked = [calldock.cli(*words, "--token", owner.token) for words in commands]
    as_json = calldock.cli("calls", "show", hostile, "--ext-id", "--json", "--token", owner.token)

    for told in (*asked, calldock.cli("accounts", "list"), as_json):
        assert told.returncode == 0, told.stderr
        assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(told.stdout)
    assert json.loads(as_json.stdout)["ext_id"] == hostile


def test_a_table_in_a_pipe_has_each_call_on_a_line(calldock: Calldock) -> None:
    owner = calldock.account("Pipes")
    assert calldock.upload(owner, a_json_call(ext_id="x" * 255)).status == 200

    told = calldock.cli("calls", "list", "--token", owner.token)

    (row,) = [line for line in told.stdout.splitlines() if "x" * 255 in line]
    for word in ("+79262444397", "+74955140576", "processed"):
        assert word in row


def test_grpc_without_a_token_is_unauthenticated(calldock: Calldock) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub(calldock).ListCalls(ListCallsRequest(), timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
