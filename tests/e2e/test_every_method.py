"""Every public method, as an attacker walks along them: without a token, with one of a lower role, and with ids of another account."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from calldock.intake.v1 import account_service_pb2, call_service_pb2, directory_service_pb2
from calldock.media.v1 import recording_service_pb2
from calldock.notify.v1 import notification_service_pb2, webhook_service_pb2
from google.protobuf.descriptor import Descriptor as MessageDescriptor
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.e2e.test_identity import a_token
from tests.support.audio import good_wav
from tests.support.hosts import Host
from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, until

NEEDS: Mapping[str, Mapping[str, str]] = {
    "read": {
        "CallService": "GetCall LookupCall ListCalls GetOverview WatchCalls",
        "AccountService": "GetAccount",
        "DirectoryService": "ListTags ListEmployees ListSites ListCampaigns ListSources ListVisitorSessions",
        "RecordingService": "GetRecordingAudio GetRecordingSource CreatePlaybackLink",
        "NotificationService": "ListNotifications GetNotification ListReceivers",
    },
    "upload": {
        "CallService": "UploadCalls CancelCall ReprocessCall DeleteCall",
        "DirectoryService": "CreateTag CreateEmployee CreateVisitorSession BatchCreateTags BatchCreateEmployees BatchCreateVisitorSessions UpdateVisitorSession",
        "RecordingService": "PutRecording CheckRecording CheckFile",
        "NotificationService": "RedeliverNotification RedeliverBuried SendTestNotification",
    },
    "admin": {
        "CallService": "DeleteCalls",
        "AccountService": "UpdateAccount SetRecordingHost ListRecordingHosts RemoveRecordingHost CreateToken ListTokens BlockToken",
        "DirectoryService": "CreateSite CreateCampaign CreateSource BatchCreateSites BatchCreateCampaigns BatchCreateSources UpdateTag UpdateEmployee UpdateSite UpdateCampaign UpdateSource",
        "WebhookService": "ListSigningSecrets RotateSigningSecret ListCustomHeaders SetCustomHeaders DeleteCustomHeaders",
    },
}  # fmt: skip
"""The least role of each, written down beside the server's own list. JsonDoorService is spoken to over HTTP alone (test_identity.py)."""
ROLE_OF = {
    f"{service}/{name}": role
    for role, services in NEEDS.items()
    for service, names in services.items()
    for name in names.split()
}
MODULES: tuple[Any, ...] = (
    account_service_pb2, call_service_pb2, directory_service_pb2, recording_service_pb2, notification_service_pb2, webhook_service_pb2,
)  # fmt: skip
METHODS: Mapping[str, MethodDescriptor] = {
    f"{service.name}/{method.name}": method
    for module in MODULES
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
LOWER = {"read": (), "upload": ("read",), "admin": ("read", "upload")}


def ask(calldock: Calldock, name: str, token: str | None, fields: Mapping[str, Any] | None = None) -> Any:
    """The answer, or the first of a stream; the RpcError of a refusal."""
    method = METHODS[name]
    request = ParseDict(dict(fields or {}), GetMessageClass(method.input_type)())
    shape = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    path = f"/{method.containing_service.full_name}/{method.name}"
    call = getattr(calldock.channel, shape)(
        path, type(request).SerializeToString, GetMessageClass(method.output_type).FromString
    )
    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    asked = iter([request]) if method.client_streaming else request
    try:
        answer = call(asked, metadata=metadata, timeout=30)
        if not method.server_streaming:
            return answer
        first = next(answer, None)
        answer.cancel()
        return first
    except grpc.RpcError as error:
        return error


def code(answer: Any) -> grpc.StatusCode:
    return answer.code() if isinstance(answer, grpc.RpcError) else grpc.StatusCode.OK


def reason(error: Any) -> str:
    info = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(error)
    return next((info.reason for detail in status.details if detail.Unpack(info)), "") if status is not None else ""


@pytest.fixture(scope="module")
def tokens(calldock: Calldock) -> Mapping[str, str]:
    """One of each role, of an account of their own."""
    account = calldock.account("Every method")
    return {role: a_token(calldock, account, role).token for role in ("read", "upload", "admin")}


def test_every_public_method_stands_in_the_table() -> None:
    assert set(ROLE_OF) == set(METHODS)


@pytest.mark.parametrize("name", sorted(ROLE_OF))
def test_a_method_refuses_who_has_no_token_and_who_has_a_lower_role(
    calldock: Calldock, tokens: Mapping[str, str], name: str
) -> None:
    needed = ROLE_OF[name]

    assert code(ask(calldock, name, None)) is grpc.StatusCode.UNAUTHENTICATED
    assert code(ask(calldock, name, "calldock_" + "x" * 40)) is grpc.StatusCode.UNAUTHENTICATED
    for role in LOWER[needed]:
        refused = ask(calldock, name, tokens[role])
        assert (code(refused), reason(refused)) == (grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN"), role
    answered = code(ask(calldock, name, tokens[needed]))
    assert answered not in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED)
    assert answered not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)


@dataclass(frozen=True)
class Victim:
    """An account with one of everything, by number."""

    account: Account
    number: Mapping[str, Any]


CREATED = {
    "tag": {"name": "theirs"},
    "employee": {"full_name": "Their Own"},
    "site": {"name": "theirs"},
    "campaign": {"name": "theirs"},
    "source": {"name": "theirs"},
}


@pytest.fixture(scope="module")
def victim(calldock: Calldock, host: Host) -> Victim:
    account = calldock.account("Victim")
    host.secrets.append(account.secret)
    host.serve("/victim.wav", "audio/wav", good_wav())
    record = {"employee_name": "Anna", "employee_channel": "left", "record_url": f"{host.url}/victim.wav"}
    hook = {"url": host.hook, "events": ["processed"]}
    uploaded = calldock.upload(account, a_json_call(ext_id="theirs", wav_records=[record], callback=hook))
    number: dict[str, Any] = {"call_session_id": int(uploaded.json["calls"][0]["call_session_id"]), "ext_id": "theirs"}
    until(lambda: calldock.http("GET", "/v1/calls:lookup?ext_id=theirs", token=account.token).json["status"] == "CALL_STATUS_PROCESSED")  # fmt: skip
    call = calldock.http("GET", "/v1/calls:lookup?ext_id=theirs", token=account.token).json
    number["recording_id"] = int(call["wav_records"][0]["recording"]["recording_id"])
    until(lambda: bool(calldock.http("GET", "/v1/notifications", token=account.token).json["notifications"]))
    number["notification_id"] = calldock.http("GET", "/v1/notifications", token=account.token).json["notifications"][0]["notification_id"]  # fmt: skip
    for kind, entry in CREATED.items():
        made = ask(calldock, f"DirectoryService/Create{kind.title()}", account.token, {kind: entry})
        number[f"{kind}_id"] = getattr(made, f"{kind}_id")
    session = {"visitor_session": {name: number[name] for name in ("site_id", "campaign_id", "source_id")}}
    made = ask(calldock, "DirectoryService/CreateVisitorSession", account.token, session)
    number["visitor_session_id"] = made.visitor_session_id
    number["token_id"] = ask(calldock, "AccountService/ListTokens", account.token).tokens[0].token_id
    put = calldock.http("POST", "/v1/recordings:put", good_wav(), account.token, content_type="audio/wav")
    number["record_url"] = put.json["record_url"]
    return Victim(account, number)


def an_update(kind: str, field: str, value: str) -> Mapping[str, Any]:
    return {kind: {f"{kind}_id": "", field: value}, "update_mask": field}


BY_ID: Mapping[str, Mapping[str, Any]] = {
    **{f"CallService/{name}": {"call_session_id": ""} for name in ("GetCall", "CancelCall", "ReprocessCall", "DeleteCall")},
    "CallService/LookupCall": {"ext_id": ""},
    **{f"RecordingService/{name}": {"recording_id": ""} for name in ("GetRecordingAudio", "GetRecordingSource", "CreatePlaybackLink")},
    **{f"NotificationService/{name}": {"notification_id": ""} for name in ("GetNotification", "RedeliverNotification")},
    "AccountService/BlockToken": {"token_id": ""},
    "DirectoryService/UpdateTag": an_update("tag", "name", "mine"),
    "DirectoryService/UpdateEmployee": {"employee": {"employee_id": "", "full_name": "Mine"}, "update_mask": "fullName"},
    "DirectoryService/UpdateSite": an_update("site", "name", "mine"),
    "DirectoryService/UpdateCampaign": an_update("campaign", "name", "mine"),
    "DirectoryService/UpdateSource": an_update("source", "name", "mine"),
    "DirectoryService/UpdateVisitorSession": {"visitor_session": {"visitor_session_id": "", "site_id": ""}, "update_mask": "siteId"},
}  # fmt: skip
"""What names something by its id; an empty one is filled in."""
OTHERWISE = {
    # Refers to entries of the directory and to files: below.
    "CallService/UploadCalls", "DirectoryService/CreateVisitorSession", "DirectoryService/BatchCreateVisitorSessions", "RecordingService/CheckRecording",
    # Numbers that the account gives itself.
    *(f"DirectoryService/{verb}" for verb in ("CreateTag", "CreateEmployee", "CreateSite", "CreateCampaign", "CreateSource", "BatchCreateTags", "BatchCreateEmployees", "BatchCreateSites", "BatchCreateCampaigns", "BatchCreateSources")),
    # Its number is the account's own, whatever is said: below.
    "AccountService/UpdateAccount",
    # A filter: below.
    "NotificationService/ListNotifications",
}  # fmt: skip


NOBODYS = {"ext_id": "nobody's", "notification_id": "01900000-0000-7000-8000-000000000000"}
ENDS_IT = {"CallService/DeleteCall"}
"""Not done for its owner: others look for it."""


def filled(fields: Mapping[str, Any], numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: filled(value, numbers) if isinstance(value, Mapping) else numbers[name] if value == "" else value
        for name, value in fields.items()
    }


def named_ids(message: MessageDescriptor) -> Iterator[FieldDescriptor]:
    for field in message.fields:
        if field.name.endswith("_id") or field.name == "record_url":
            yield field
        elif field.message_type is not None and field.message_type.full_name.startswith("calldock."):
            yield from named_ids(field.message_type)


def test_every_method_that_takes_an_id_is_tried_with_another_accounts() -> None:
    assert {name for name, method in METHODS.items() if any(named_ids(method.input_type))} == {*BY_ID, *OTHERWISE}


@pytest.mark.parametrize("name", sorted(BY_ID))
def test_another_accounts_id_is_as_one_that_nobody_has(
    calldock: Calldock, tokens: Mapping[str, str], victim: Victim, name: str
) -> None:
    numbers = filled(BY_ID[name], victim.number)
    absent_numbers = filled(BY_ID[name], {key: NOBODYS.get(key, 987_654_321) for key in victim.number})
    theirs, absent = ask(calldock, name, tokens["admin"], numbers), ask(calldock, name, tokens["admin"], absent_numbers)

    assert code(theirs) is code(absent) is grpc.StatusCode.NOT_FOUND
    assert reason(theirs) == reason(absent) == "ENTITY_NOT_FOUND"
    assert theirs.details() == absent.details()
    if name not in ENDS_IT:
        assert code(ask(calldock, name, victim.account.token, numbers)) is not grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("field", ["site_id", "campaign_id", "source_id"])
def test_no_visitor_session_refers_to_another_accounts_entry(
    calldock: Calldock, tokens: Mapping[str, str], victim: Victim, field: str
) -> None:
    entry = {field: victim.number[field]}

    one = ask(calldock, "DirectoryService/CreateVisitorSession", tokens["upload"], {"visitor_session": entry})
    batch = ask(calldock, "DirectoryService/BatchCreateVisitorSessions", tokens["upload"], {"visitor_sessions": [entry]})  # fmt: skip

    assert reason(one) == reason(batch) == "ENTITY_NOT_FOUND"


def test_no_call_refers_to_another_accounts_file_entry_or_session(
    calldock: Calldock, tokens: Mapping[str, str], victim: Victim
) -> None:
    def refused(**fields: Any) -> str:
        body = json.dumps({"calls": [a_json_call(ext_id="mine", **fields)]})
        answer = calldock.http("POST", "/v1/calls:upload", body, tokens["upload"])
        assert answer.status == 400, answer.body
        found: str = answer.json["details"][0]["reason"]
        return found

    a_file = {"employee_name": "Anna", "employee_channel": "left", "record_url": victim.number["record_url"]}
    an_employee = {"employee_id": victim.number["employee_id"], "employee_channel": "left", "record_url": "https://x.example.com/a.wav"}  # fmt: skip
    assert refused(tags=[{"tag_id": victim.number["tag_id"]}]) == "ENTITY_NOT_FOUND"
    assert refused(wav_records=[a_file]) == "ENTITY_NOT_FOUND"
    assert refused(wav_records=[an_employee]) == "ENTITY_NOT_FOUND"
    for field in ("visitor_session_id", "site_id", "campaign_id", "source_id"):
        assert refused(**{field: victim.number[field]}) == "ENTITY_NOT_FOUND", field


def test_no_check_reads_another_accounts_file(calldock: Calldock, tokens: Mapping[str, str], victim: Victim) -> None:
    fields = {"record_url": victim.number["record_url"], "format": "RECORDING_FORMAT_WAV"}

    answer = ask(calldock, "RecordingService/CheckRecording", tokens["upload"], fields)

    assert code(answer) is grpc.StatusCode.INVALID_ARGUMENT or not answer.verdict.is_accepted


def test_a_filter_and_a_settings_change_stay_with_their_own_account(
    calldock: Calldock, tokens: Mapping[str, str], victim: Victim
) -> None:
    number = {"call_session_id": victim.number["call_session_id"]}
    assert not ask(calldock, "NotificationService/ListNotifications", tokens["admin"], number).notifications

    change = {"account": {"account_id": victim.account.account_id, "name": "Taken over"}, "update_mask": "name"}
    ask(calldock, "AccountService/UpdateAccount", tokens["admin"], change)

    assert ask(calldock, "AccountService/GetAccount", victim.account.token).name == "Victim"
