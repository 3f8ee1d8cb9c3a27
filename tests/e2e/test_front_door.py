"""What the front door lets through: every public method, and no internal one by any dialect."""

import http.client
from importlib import resources

import grpc
import pytest
from calldock.intake.internal.v1 import admin_service_pb2, identity_service_pb2, recording_index_service_pb2
from calldock.media.internal.v1 import processing_service_pb2
from calldock.notify.internal.v1 import delivery_service_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.json_format import ParseDict
from grpc_reflection.v1alpha import reflection_pb2

from tests.support.running import Account, Calldock

INTERNAL = [
    f"/{service.full_name}/{method.name}"
    for module in (
        admin_service_pb2,
        identity_service_pb2,
        recording_index_service_pb2,
        processing_service_pb2,
        delivery_service_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
HTTP_ONLY = ["/calldock.intake.v1.JsonDoorService/CallJsonRpc", "/calldock.intake.v1.JsonDoorService/UploadCallsJson"]


@pytest.mark.parametrize(
    "path", [*INTERNAL, *HTTP_ONLY, "/grpc.health.v1.Health/Check", "/calldock.intake.v1.AdminService/CreateAccount"]
)
def test_an_internal_method_is_not_reached_by_grpc(calldock: Calldock, account: Account, path: str) -> None:
    metadata = (
        ("authorization", f"Bearer {account.token}"), ("x-envoy-original-path", "/v2.0"), ("x-calldock-internal-key", "x"),
    )  # fmt: skip
    call = calldock.channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)

    with pytest.raises(grpc.RpcError) as caught:
        call(b"", metadata=metadata, timeout=20)

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "content_type",
    [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
        "application/json",
        "application/proto",
    ],
)
@pytest.mark.parametrize("path", [*INTERNAL, *HTTP_ONLY])
def test_an_internal_method_is_not_reached_by_grpc_web_or_json(
    calldock: Calldock, account: Account, path: str, content_type: str
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", calldock.port, timeout=30)
    headers = {
        "content-type": content_type,
        "authorization": f"Bearer {account.token}",
        "x-envoy-original-path": "/v2.0",
    }
    connection.request("POST", path, b"\0\0\0\0\0", headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()

    assert answer.status == 404 or answer.getheader("grpc-status") == "12"
    assert b"account" not in body


def test_a_public_method_is_reached_by_grpc_web(calldock: Calldock, account: Account) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", calldock.port, timeout=30)
    headers = {"content-type": "application/grpc-web+proto", "authorization": f"Bearer {account.token}"}
    connection.request("POST", "/calldock.intake.v1.CallService/ListCalls", b"\0\0\0\0\0", headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()

    assert answer.status == 200
    assert b"grpc-status:0" in body


def reflect(calldock: Calldock, **request: str) -> reflection_pb2.ServerReflectionResponse:
    ask = calldock.channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    answers = list(ask(iter([ParseDict(request, reflection_pb2.ServerReflectionRequest())]), timeout=20))
    assert len(answers) == 1
    answer: reflection_pb2.ServerReflectionResponse = answers[0]
    return answer


def test_reflection_lists_the_public_services_of_all_processes(calldock: Calldock) -> None:
    listed = {service.name for service in reflect(calldock, list_services="").list_services_response.service}

    assert {name for name in listed if name.startswith("calldock.")} == {
        "calldock.intake.v1.AccountService",
        "calldock.intake.v1.CallService",
        "calldock.intake.v1.DirectoryService",
        "calldock.media.v1.RecordingService",
        "calldock.notify.v1.NotificationService",
        "calldock.notify.v1.WebhookService",
    }


@pytest.mark.parametrize("symbol", sorted({path.split("/")[1] for path in INTERNAL}))
def test_reflection_knows_no_internal_shape(calldock: Calldock, symbol: str) -> None:
    assert reflect(calldock, file_containing_symbol=symbol).HasField("error_response")


def test_the_public_descriptors_hold_no_internal_file() -> None:
    data = resources.files("calldock").joinpath("public.binpb").read_bytes()
    files = descriptor_pb2.FileDescriptorSet.FromString(data)

    assert not [file.name for file in files.file if "internal" in file.name]


def test_a_bug_or_an_absent_service_tells_nothing_of_the_inside(calldock: Calldock, account: Account) -> None:
    answers = [
        calldock.http("GET", "/v1/calls/1x", token=account.token),
        calldock.http("POST", "/v1/calls:upload", b"\0", account.token),
        calldock.http("GET", "/v1/nothing", token=account.token),
    ]

    for answer in answers:
        for secret in (b"Traceback", b".sock", b"/tmp", b"unix:", account.token.encode()):
            assert secret not in answer.body
