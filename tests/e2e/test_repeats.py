"""What a repeat of each write does, as the method's comment promises: the answer that was lost can be asked for again."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import grpc
import pytest
from calldock.intake.internal.v1.admin_service_pb2 import (
    CreateAccountRequest,
    CreateAgentTokenRequest,
    SetAccountRequest,
)
from calldock.intake.internal.v1.admin_service_pb2_grpc import AdminServiceStub
from calldock.intake.internal.v1.one_time_link_service_pb2 import TakeLinkRequest
from calldock.intake.internal.v1.one_time_link_service_pb2_grpc import OneTimeLinkServiceStub
from calldock.intake.internal.v1.points_service_pb2 import RefundPointsRequest, SpendPointsRequest
from calldock.intake.internal.v1.points_service_pb2_grpc import PointsServiceStub
from calldock.intake.internal.v1.recording_index_service_pb2 import DropUploadRequest, RegisterUploadRequest
from calldock.intake.internal.v1.recording_index_service_pb2_grpc import RecordingIndexServiceStub
from calldock.intake.v1.account_pb2 import ROLE_READ, Account
from calldock.intake.v1.account_service_pb2 import (
    BlockTokenRequest,
    CreateTokenRequest,
    ListRecordingHostsRequest,
    ListTokensRequest,
    RemoveRecordingHostRequest,
    SetRecordingHostRequest,
    UpdateAccountRequest,
)
from calldock.intake.v1.account_service_pb2_grpc import AccountServiceStub
from calldock.intake.v1.call_pb2 import CALL_EVENT_PROCESSED, CALL_STATUS_CANCELLED, CALL_STATUS_PROCESSED, CallDraft
from calldock.intake.v1.call_service_pb2 import (
    CancelCallRequest,
    DeleteCallsRequest,
    ReprocessCallRequest,
    UploadCallsRequest,
)
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub
from calldock.media.internal.v1.processing_service_pb2 import (
    AudioRules,
    AudioTags,
    DeleteObjectsRequest,
    FetchRecordingRequest,
    ProcessRecordingRequest,
)
from calldock.media.internal.v1.processing_service_pb2_grpc import ProcessingServiceStub
from calldock.media.v1.audio_pb2 import RECORDING_FORMAT_WAV
from calldock.media.v1.recording_service_pb2 import CreatePlaybackLinkRequest
from calldock.media.v1.recording_service_pb2_grpc import RecordingServiceStub
from calldock.notify.internal.v1.delivery_service_pb2 import (
    EnqueueNotificationsRequest,
    EnsureSecretRequest,
    EraseCallsRequest,
    ForgetNotificationsRequest,
    NotificationDraft,
)
from calldock.notify.internal.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from tests.support.audio import good_wav
from tests.support.hosts import Host, reply
from tests.support.makers import a_json_call
from tests.support.running import Calldock, until

FETCHES = 32
"""Calls that intake fetches at once by default."""


class World:
    """A fresh account, and every door of a running calldock, internal ones too."""

    def __init__(self, calldock: Calldock, host: Host) -> None:
        self.calldock = calldock
        self.host = host
        self.account = calldock.account("Repeats")
        self.metadata = (("authorization", f"Bearer {self.account.token}"),)
        sockets = Path(calldock.runtime()["sockets"])
        self._channels = {
            name: grpc.insecure_channel(f"unix:{sockets}/{name}-internal.sock")
            for name in ("intake", "media", "notify")
        }

    def internal(self, service: str) -> grpc.Channel:
        return self._channels[service]

    def public(self, method: Callable[..., Any], request: Any) -> Any:
        return method(request, metadata=self.metadata, timeout=20)

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()


@pytest.fixture
def world(calldock: Calldock, host: Host) -> Iterator[World]:
    world = World(calldock, host)
    yield world
    world.close()


def upload_calls(world: World) -> None:
    draft = CallDraft(
        ext_id="again", calling_phone_number="+79262444397", called_phone_number="+74955140576",
        start_wall_time="2026-11-02 10:00:00", finish_wall_time="2026-11-02 10:01:00", is_lost=True,
    )  # fmt: skip
    calls = CallServiceStub(world.calldock.channel)
    first, second = (world.public(calls.UploadCalls, UploadCallsRequest(calls=[draft])).calls[0] for _ in range(2))

    assert (first.outcome, second.outcome) == (1, 2)
    assert first.call_session_id == second.call_session_id


def upload_calls_json(world: World) -> None:
    first, second = (world.calldock.upload(world.account, a_json_call()).json["calls"][0] for _ in range(2))

    assert [first["outcome"], second["outcome"]] == ["OUTCOME_CREATED", "OUTCOME_DUPLICATE"]
    assert first["call_session_id"] == second["call_session_id"]


def call_json_rpc(world: World) -> None:
    first, second = (world.calldock.rpc(world.account, a_json_call()) for _ in range(2))

    assert first == second
    assert len(world.calldock.http("GET", "/v1/calls", token=world.account.token).json["calls"]) == 1


def delete_call(world: World) -> None:
    number = world.calldock.upload(world.account, a_json_call()).json["calls"][0]["call_session_id"]

    first, second = (world.calldock.http("DELETE", f"/v1/calls/{number}", token=world.account.token) for _ in range(2))

    assert (first.status, second.status) == (200, 404)
    assert not world.calldock.http("GET", "/v1/calls", token=world.account.token).json["calls"]


def delete_calls(world: World) -> None:
    world.calldock.upload(world.account, a_json_call(), a_json_call(ext_id="2"))
    calls = CallServiceStub(world.calldock.channel)
    request = DeleteCallsRequest(expected_count=2, statuses=[CALL_STATUS_PROCESSED])

    first, second = (world.public(calls.DeleteCalls, request) for _ in range(2))

    assert (first.matching_count, first.deleted_count) == (2, 2)
    assert (second.matching_count, second.deleted_count) == (0, 0)


def cancel_call(world: World) -> None:
    calls = CallServiceStub(world.calldock.channel)
    go_on = threading.Event()

    def hang(request: BaseHTTPRequestHandler) -> None:
        go_on.wait(30)
        reply(request, 404, "text/plain", b"")

    world.host.pages["/hangs.wav"] = hang
    record = {"employee_name": "A", "employee_channel": "left", "record_url": f"{world.host.url}/hangs.wav"}
    # More than are fetched at once, so that the last one waits while the host hangs.
    uploaded = world.calldock.upload(
        world.account, *(a_json_call(ext_id=str(number), wav_records=[record]) for number in range(FETCHES + 1))
    )
    request = CancelCallRequest(call_session_id=int(uploaded.json["calls"][-1]["call_session_id"]))
    try:
        first, second = (world.public(calls.CancelCall, request) for _ in range(2))
    finally:
        go_on.set()

    assert first == second
    assert first.status == CALL_STATUS_CANCELLED


def reprocess_call(world: World) -> None:
    calls = CallServiceStub(world.calldock.channel)
    number = int(world.calldock.upload(world.account, a_json_call()).json["calls"][0]["call_session_id"])
    first, second = (world.public(calls.ReprocessCall, ReprocessCallRequest(call_session_id=number)) for _ in range(2))

    assert (first.call_session_id, first.status) == (second.call_session_id, second.status)
    assert second.upload_count == 1


def update_account(world: World) -> None:
    accounts = AccountServiceStub(world.calldock.channel)
    request = UpdateAccountRequest(account=Account(name="Renamed", region="DE"))
    first, second = (world.public(accounts.UpdateAccount, request) for _ in range(2))

    assert first == second
    assert (first.name, first.region) == ("Renamed", "DE")


def create_token(world: World) -> None:
    accounts = AccountServiceStub(world.calldock.channel)
    first, second = (world.public(accounts.CreateToken, CreateTokenRequest(role=ROLE_READ)) for _ in range(2))

    assert first.access_token != second.access_token
    assert len(world.public(accounts.ListTokens, ListTokensRequest()).tokens) == 3


def block_token(world: World) -> None:
    accounts = AccountServiceStub(world.calldock.channel)
    token_id = world.public(accounts.CreateToken, CreateTokenRequest(role=ROLE_READ)).token.token_id
    first, second = (world.public(accounts.BlockToken, BlockTokenRequest(token_id=token_id)) for _ in range(2))

    assert first == second
    assert first.is_blocked


def create_account(world: World) -> None:
    admin = AdminServiceStub(world.internal("intake"))
    request = CreateAccountRequest(name="Once", request_id=str(uuid.uuid4()))
    first, second = (admin.CreateAccount(request, timeout=20) for _ in range(2))

    def works(token: str) -> int:
        return world.calldock.http("GET", "/v1/account", token=token).status

    assert first.account == second.account
    assert first.webhook_secret == second.webhook_secret
    assert (works(first.access_token), works(second.access_token)) == (401, 200)


def set_account(world: World) -> None:
    admin = AdminServiceStub(world.internal("intake"))
    request = SetAccountRequest(account_id=world.account.account_id, minute_limit=50, has_voice_analysis=False)
    first, second = (admin.SetAccount(request, timeout=20) for _ in range(2))

    assert first == second
    assert (first.minute_limit, first.has_voice_analysis) == (50, False)


def create_agent_token(world: World) -> None:
    admin = AdminServiceStub(world.internal("intake"))
    client = world.calldock.account("Client")
    request = CreateAgentTokenRequest(account_id=world.account.account_id, agent_account_ids=[client.account_id])
    first, second = (admin.CreateAgentToken(request, timeout=20) for _ in range(2))

    assert first.token.token_id != second.token.token_id
    assert list(first.token.agent_account_ids) == [client.account_id]


def day_left(world: World) -> int:
    asked = {"jsonrpc": "2.0", "id": 1, "method": "get.account", "params": {"access_token": world.account.token}}
    answer = world.calldock.http("POST", "/v2.0", json.dumps(asked)).json
    left: int = answer["result"]["metadata"]["limits"]["day_remaining"]
    return left


def take_link(world: World) -> None:
    links = OneTimeLinkServiceStub(world.internal("intake"))
    link_id, now = uuid.uuid4().bytes, Timestamp()
    now.GetCurrentTime()
    request, another = (
        TakeLinkRequest(
            link_id=link_id, account_id=world.account.account_id, expire_time=now, request_id=str(uuid.uuid4())
        )
        for _ in range(2)
    )

    told = [links.TakeLink(each, timeout=20).is_first for each in (request, request, another, request)]
    assert told == [True, True, False, True]


def spend_points(world: World) -> None:
    points = PointsServiceStub(world.internal("intake"))
    admin = AdminServiceStub(world.internal("intake"))
    admin.SetAccount(SetAccountRequest(account_id=world.account.account_id, day_limit=1000), timeout=20)
    for _ in range(2):
        points.SpendPoints(SpendPointsRequest(account_id=world.account.account_id, points=10), timeout=20)

    assert day_left(world) == 979


def refund_points(world: World) -> None:
    points = PointsServiceStub(world.internal("intake"))
    admin = AdminServiceStub(world.internal("intake"))
    admin.SetAccount(SetAccountRequest(account_id=world.account.account_id, day_limit=1000), timeout=20)
    asked = SpendPointsRequest(account_id=world.account.account_id, points=100)
    taken = [points.SpendPoints(asked, timeout=20) for _ in range(3)]
    request = RefundPointsRequest(account_id=world.account.account_id, points=100, spend_time=taken[0].spend_time)
    for _ in range(2):
        points.RefundPoints(request, timeout=20)

    assert day_left(world) == 899


RULES = AudioRules(version=1, max_size_bytes=52_428_800, min_duration=Duration(seconds=16), min_snr_db=15.0)


def fetched(world: World, key: str) -> list[Any]:
    media = ProcessingServiceStub(world.internal("media"))
    request = FetchRecordingRequest(
        url=f"{world.host.url}/good.wav", format=RECORDING_FORMAT_WAV, target_key=key, rules=RULES
    )
    return [media.FetchRecording(request, timeout=60) for _ in range(2)]


def fetch_recording(world: World) -> None:
    first, second = fetched(world, f"test/{world.account.account_id}/1.wav")

    assert first == second
    assert first.source.size_bytes > 0


def process_recording(world: World) -> None:
    media = ProcessingServiceStub(world.internal("media"))
    key = f"test/{world.account.account_id}/2.wav"
    fetched(world, key)
    request = ProcessRecordingRequest(
        source_key=key,
        format=RECORDING_FORMAT_WAV,
        target_key=f"{key}.mp3",
        rules=RULES,
        tags=AudioTags(ext_id="again", call_session_id=1, start_time=Timestamp(seconds=1_793_000_000)),
    )
    first, second = (media.ProcessRecording(request, timeout=100) for _ in range(2))

    assert first == second
    assert first.audio.size_bytes > 0


def delete_objects(world: World) -> None:
    media = ProcessingServiceStub(world.internal("media"))
    key = f"test/{world.account.account_id}/3.wav"
    fetched(world, key)
    file = world.calldock.data_dir / "recordings" / key
    assert file.exists()
    first, second = (media.DeleteObjects(DeleteObjectsRequest(keys=[key]), timeout=20) for _ in range(2))

    assert first == second
    assert not file.exists()


def enqueue_notifications(world: World) -> None:
    notify = DeliveryServiceStub(world.internal("notify"))
    draft = NotificationDraft(
        notification_id=f"019a0000-0000-7000-8000-{world.account.account_id:012d}",
        account_id=world.account.account_id, call_session_id=10**12 + world.account.account_id, ext_id="handed over twice",
        seq=1, previous_seq=0, url=world.host.hook, event=CALL_EVENT_PROCESSED,
    )  # fmt: skip
    draft.event_time.GetCurrentTime()
    world.host.secrets.append(world.account.secret)
    for _ in range(2):
        notify.EnqueueNotifications(EnqueueNotificationsRequest(notifications=[draft]), timeout=20)

    listed = world.calldock.http("GET", "/v1/notifications", token=world.account.token).json["notifications"]
    assert [each["notification_id"] for each in listed] == [draft.notification_id]


def ensure_secret(world: World) -> None:
    notify = DeliveryServiceStub(world.internal("notify"))
    request = EnsureSecretRequest(account_id=world.account.account_id)
    first, second = (notify.EnsureSecret(request, timeout=20) for _ in range(2))

    assert first.secret == second.secret == world.account.secret


def put_recording(world: World) -> None:
    wav = good_wav()
    first, second = (
        world.calldock.http("POST", "/v1/recordings:put", wav, world.account.token, content_type="audio/wav").json
        for _ in range(2)
    )

    assert first["record_url"] != second["record_url"]
    assert first["sha256"] == second["sha256"]


def register_upload(world: World) -> None:
    index = RecordingIndexServiceStub(world.internal("intake"))
    request = RegisterUploadRequest(
        account_id=world.account.account_id, format=RECORDING_FORMAT_WAV, size_bytes=7, sha256="0" * 64
    )
    first, second = (index.RegisterUpload(request, timeout=20) for _ in range(2))

    assert first.upload_id != second.upload_id
    assert first.key != second.key


def drop_upload(world: World) -> None:
    index = RecordingIndexServiceStub(world.internal("intake"))
    account_id = world.account.account_id
    made = index.RegisterUpload(
        RegisterUploadRequest(account_id=account_id, format=RECORDING_FORMAT_WAV, size_bytes=7, sha256="0" * 64),
        timeout=20,
    )
    request = DropUploadRequest(account_id=account_id, upload_id=made.upload_id)
    first, second = (index.DropUpload(request, timeout=20) for _ in range(2))

    assert first == second
    record = {"employee_name": "A", "employee_channel": "left", "record_url": f"calldock-upload:{made.upload_id}"}
    assert world.calldock.upload(world.account, a_json_call(wav_records=[record])).status == 400


def set_recording_host(world: World) -> None:
    accounts = AccountServiceStub(world.calldock.channel)
    request = SetRecordingHostRequest(host="pbx.example.com", bearer_token="t")
    first, second = (world.public(accounts.SetRecordingHost, request) for _ in range(2))

    assert (first.host, first.header_name) == (second.host, second.header_name)
    listed = world.public(accounts.ListRecordingHosts, ListRecordingHostsRequest()).recording_hosts
    assert [each.host for each in listed] == ["pbx.example.com"]


def remove_recording_host(world: World) -> None:
    accounts = AccountServiceStub(world.calldock.channel)
    world.public(accounts.SetRecordingHost, SetRecordingHostRequest(host="pbx.example.com", bearer_token="t"))
    for _ in range(2):
        world.public(accounts.RemoveRecordingHost, RemoveRecordingHostRequest(host="pbx.example.com"))

    assert not world.public(accounts.ListRecordingHosts, ListRecordingHostsRequest()).recording_hosts


def erase_calls(world: World) -> None:
    notify = DeliveryServiceStub(world.internal("notify"))
    number = 2 * 10**12 + world.account.account_id
    draft = NotificationDraft(
        notification_id=f"019a0000-0000-7000-8001-{world.account.account_id:012d}",
        account_id=world.account.account_id, call_session_id=number, ext_id="erased", seq=1, previous_seq=0,
        url=world.host.hook, event=CALL_EVENT_PROCESSED,
    )  # fmt: skip
    draft.event_time.GetCurrentTime()
    for _ in range(2):
        notify.EraseCalls(EraseCallsRequest(call_session_ids=[number]), timeout=20)
        notify.EnqueueNotifications(EnqueueNotificationsRequest(notifications=[draft]), timeout=20)

    assert not world.calldock.http("GET", "/v1/notifications", token=world.account.token).json["notifications"]


def forget_notifications(world: World) -> None:
    a_buried_notification(world)
    limit = ForgetNotificationsRequest.Forgetting(account_id=world.account.account_id)
    limit.ended_before.FromSeconds(4_000_000_000)
    notify = DeliveryServiceStub(world.internal("notify"))

    first, second = (notify.ForgetNotifications(ForgetNotificationsRequest(accounts=[limit])) for _ in range(2))

    assert first == second
    assert notifications(world) == []


def a_buried_notification(world: World) -> str:
    """A notification whose receiver is gone, until the page is taken away."""
    world.host.pages["/gone"] = lambda request: reply(request, 410, "text/plain", b"")
    callback = {"url": f"{world.host.url}/gone", "events": ["processed"]}
    world.calldock.upload(world.account, a_json_call(callback=callback))
    until(lambda: [each["status"] for each in notifications(world)] == ["NOTIFICATION_STATUS_BURIED"])
    world.host.secrets.append(world.account.secret)
    del world.host.pages["/gone"]
    number: str = notifications(world)[0]["notification_id"]
    return number


def notifications(world: World) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = world.calldock.http("GET", "/v1/notifications", token=world.account.token).json[
        "notifications"
    ]
    return listed


def redeliver_notification(world: World) -> None:
    number = a_buried_notification(world)
    go_on = threading.Event()

    def take_time(request: BaseHTTPRequestHandler) -> None:
        go_on.wait(10)
        reply(request, 204, "text/plain", b"")

    world.host.pages["/gone"] = take_time
    try:
        path = f"/v1/notifications/{number}:redeliver"
        answers = [world.calldock.http("POST", path, "{}", world.account.token) for _ in range(2)]
    finally:
        go_on.set()

    assert [answer.status for answer in answers] == [200, 200]
    until(lambda: [each["status"] for each in notifications(world)] == ["NOTIFICATION_STATUS_DELIVERED"])
    assert len(notifications(world)[0]["attempts"]) == 2


def redeliver_buried(world: World) -> None:
    a_buried_notification(world)
    body = json.dumps({"since_time": "2026-01-01T00:00:00Z"})
    counts = [
        world.calldock.http("POST", "/v1/notifications:redeliverBuried", body, world.account.token).json["count"]
        for _ in range(2)
    ]

    assert counts == [1, 0]


def send_test_notification(world: World) -> None:
    world.host.secrets.append(world.account.secret)
    body = json.dumps({"url": world.host.hook})
    first, second = (
        world.calldock.http("POST", "/v1/notifications:test", body, world.account.token).json for _ in range(2)
    )

    assert [first["status"], second["status"]] == ["NOTIFICATION_STATUS_DELIVERED"] * 2
    assert first["notification_id"] != second["notification_id"]


def rotate_signing_secret(world: World) -> None:
    first, second = (
        world.calldock.http("POST", "/v1/signingSecrets:rotate", "{}", world.account.token).json for _ in range(2)
    )

    assert first["secret"] != second["secret"]
    listed = world.calldock.http("GET", "/v1/signingSecrets", token=world.account.token).json["signing_secrets"]
    assert ["expire_time" in each and each["expire_time"] is not None for each in listed] == [False, True, True]


def set_custom_headers(world: World) -> None:
    body = json.dumps({"headers": [{"name": "X-Api-Key", "value": "k"}], "receiver_hosts": ["*"]})
    for _ in range(2):
        assert world.calldock.http("POST", "/v1/customHeaders:set", body, world.account.token).status == 200

    listed = world.calldock.http("GET", "/v1/customHeaders", token=world.account.token).json
    assert listed["names"] == ["x-api-key"]


def delete_custom_headers(world: World) -> None:
    set_custom_headers(world)
    for _ in range(2):
        assert world.calldock.http("POST", "/v1/customHeaders:delete", "{}", world.account.token).status == 200

    assert world.calldock.http("GET", "/v1/customHeaders", token=world.account.token).json["names"] == []


def create_playback_link(world: World) -> None:
    record = {
        "employee_name": "A",
        "employee_channel": "left",
        "record_url": world.host.serve("/heard.wav", "audio/wav", good_wav()),
    }
    world.calldock.upload(world.account, a_json_call(wav_records=[record]))
    until(lambda: world.calldock.lookup(world.account, "call-1").status == CALL_STATUS_PROCESSED)
    recording_id = world.calldock.lookup(world.account, "call-1").wav_records[0].recording.recording_id
    recordings = RecordingServiceStub(world.calldock.channel)
    request = CreatePlaybackLinkRequest(recording_id=recording_id)
    links = [world.public(recordings.CreatePlaybackLink, request).path for _ in range(2)]

    assert [world.calldock.http("GET", link).status for link in links] == [200, 200]


REPEATS: dict[str, Callable[[World], None]] = {
    "UploadCalls": upload_calls,
    "UploadCallsJson": upload_calls_json,
    "CallJsonRpc": call_json_rpc,
    "CancelCall": cancel_call,
    "CreatePlaybackLink": create_playback_link,
    "ReprocessCall": reprocess_call,
    "DeleteCall": delete_call,
    "DeleteCalls": delete_calls,
    "UpdateAccount": update_account,
    "CreateToken": create_token,
    "BlockToken": block_token,
    "CreateAccount": create_account,
    "SetAccount": set_account,
    "CreateAgentToken": create_agent_token,
    "TakeLink": take_link,
    "SpendPoints": spend_points,
    "RefundPoints": refund_points,
    "FetchRecording": fetch_recording,
    "ProcessRecording": process_recording,
    "DeleteObjects": delete_objects,
    "EnqueueNotifications": enqueue_notifications,
    "EnsureSecret": ensure_secret,
    "PutRecording": put_recording,
    "RegisterUpload": register_upload,
    "DropUpload": drop_upload,
    "SetRecordingHost": set_recording_host,
    "RemoveRecordingHost": remove_recording_host,
    "EraseCalls": erase_calls,
    "ForgetNotifications": forget_notifications,
    "RedeliverNotification": redeliver_notification,
    "RedeliverBuried": redeliver_buried,
    "SendTestNotification": send_test_notification,
    "RotateSigningSecret": rotate_signing_secret,
    "SetCustomHeaders": set_custom_headers,
    "DeleteCustomHeaders": delete_custom_headers,
}
"""Each write by its method, and what doing it twice comes to."""


@pytest.mark.parametrize("method", list(REPEATS))
def test_a_repeat_does_what_the_methods_comment_says(world: World, method: str) -> None:
    REPEATS[method](world)
