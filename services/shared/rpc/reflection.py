"""Reflection: what a person with grpcurl may see. Through the front door, the public services of all processes; on a process's own socket, its own."""

from collections.abc import AsyncIterator, Sequence
from importlib import resources
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc import aio
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from services.shared.rpc.identity import CLIENT_ADDRESS_HEADER
from services.shared.rpc.status import header

HEALTH = "grpc.health.v1.Health"
REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"


def add_reflection(server: aio.Server, names: Sequence[str]) -> None:
    """Serves reflection under v1alpha and v1, whose messages are the same on the wire."""
    own = reflection.aio.ReflectionServicer([*names, HEALTH, reflection.SERVICE_NAME])
    pool, public = public_descriptors()
    front = reflection.aio.ReflectionServicer([*public, reflection.SERVICE_NAME, REFLECTION_V1], pool=pool)

    class Merged(reflection_pb2_grpc.ServerReflectionServicer):
        async def ServerReflectionInfo(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
            chosen = front if header(context, CLIENT_ADDRESS_HEADER) else own
            answers: AsyncIterator[Any] = chosen.ServerReflectionInfo(request_iterator, context)  # type: ignore[assignment]
            async for answer in answers:
                yield answer

    servicer = Merged()
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                REFLECTION_V1,
                {
                    "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
                        servicer.ServerReflectionInfo,
                        reflection_pb2.ServerReflectionRequest.FromString,
                        reflection_pb2.ServerReflectionResponse.SerializeToString,
                    )
                },
            ),
        )
    )


def public_descriptors() -> tuple[descriptor_pool.DescriptorPool, list[str]]:
    """The descriptors that the front door may show, in a pool of their own, and the names of the public services."""
    data = resources.files("calldock").joinpath("public.binpb").read_bytes()
    files = descriptor_pb2.FileDescriptorSet.FromString(data)
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    names = [
        f"{file.package}.{service.name}"
        for file in files.file
        if file.package.startswith("calldock.")
        for service in file.service
        if not _is_http_only(service)
    ]
    for descriptor in (reflection_pb2.DESCRIPTOR.serialized_pb, reflection_v1_descriptor().SerializeToString()):
        pool.AddSerializedFile(descriptor)
    return pool, names


def _is_http_only(service: descriptor_pb2.ServiceDescriptorProto) -> bool:
    return all(method.input_type == ".google.api.HttpBody" for method in service.method)


def reflection_v1_descriptor() -> descriptor_pb2.FileDescriptorProto:
    """The v1 reflection file, made from the v1alpha one that grpcio carries: only the package differs."""
    file = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file.name = "grpc/reflection/v1/reflection.proto"
    file.package = "grpc.reflection.v1"
    for message in file.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = field.type_name.replace(".v1alpha.", ".v1.")
    for service in file.service:
        for method in service.method:
            method.input_type = method.input_type.replace(".v1alpha.", ".v1.")
            method.output_type = method.output_type.replace(".v1alpha.", ".v1.")
    return file
