"""Requests between services: spread over replicas, repeated where that is safe, never longer than who asked waits."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from calldock.intake.internal.v1.identity_service_pb2 import AuthenticateRequest, AuthenticateResponse
from calldock.intake.internal.v1.identity_service_pb2_grpc import (
    IdentityServiceServicer,
    IdentityServiceStub,
    add_IdentityServiceServicer_to_server,
)
from calldock.intake.internal.v1.points_service_pb2 import (
    RefundPointsRequest,
    RefundPointsResponse,
    SpendPointsRequest,
    SpendPointsResponse,
)
from calldock.intake.internal.v1.points_service_pb2_grpc import (
    PointsServiceServicer,
    PointsServiceStub,
    add_PointsServiceServicer_to_server,
)
from google.protobuf import descriptor_pool
from grpc import aio

import services.intake.peers
import services.media.peers
from services.shared.rpc.dial import dial, service_config
from services.shared.rpc.status import Context, StatusInterceptor


class Replica(IdentityServiceServicer, PointsServiceServicer):
    """Counts what it is asked, and is not available the first `away` times."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.asked = 0
        self.left_s: float | None = None

    async def Authenticate(self, request: AuthenticateRequest, context: Context) -> AuthenticateResponse:  # noqa: N802
        await self._answer(context)
        return AuthenticateResponse()

    async def SpendPoints(self, request: SpendPointsRequest, context: Context) -> SpendPointsResponse:  # noqa: N802
        await self._answer(context)
        return SpendPointsResponse()

    async def RefundPoints(self, request: RefundPointsRequest, context: Context) -> RefundPointsResponse:  # noqa: N802
        raise AssertionError("nobody asks")

    async def _answer(self, context: Context) -> None:
        self.asked += 1
        self.left_s = context.time_remaining()
        if self.asked <= self.away:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away")


@asynccontextmanager
async def serving(*replicas: Replica) -> AsyncIterator[str]:
    """Servers on loopback; answers the address of all."""
    servers, ports = [], []
    for replica in replicas:
        server = aio.server(options=[("grpc.so_reuseport", 0)])
        add_IdentityServiceServicer_to_server(replica, server)
        add_PointsServiceServicer_to_server(replica, server)
        ports.append(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        servers.append(server)
    try:
        yield "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    finally:
        for server in servers:
            await server.stop(0)


async def test_replicas_take_turns_and_one_that_is_gone_is_passed_over() -> None:
    replicas = [Replica(), Replica()]
    async with serving(*replicas) as address:
        channel = dial(f"{address},127.0.0.1:1", "intake", None)
        stub = IdentityServiceStub(channel)
        await stub.Authenticate(AuthenticateRequest(), timeout=5, wait_for_ready=True)
        async with asyncio.timeout(20):
            while min(replica.asked for replica in replicas) < 5:
                await stub.Authenticate(AuthenticateRequest(), timeout=5)
        await channel.close()


async def test_a_read_is_asked_again_and_a_purchase_is_not() -> None:
    replica = Replica(away=4)
    async with serving(replica) as address:
        channel = dial(address, "intake", None)
        await IdentityServiceStub(channel).Authenticate(AuthenticateRequest(), timeout=30)
        assert replica.asked == 5

        replica.asked, replica.away = 0, 1
        with pytest.raises(aio.AioRpcError):
            await PointsServiceStub(channel).SpendPoints(SpendPointsRequest(), timeout=5)
        assert replica.asked == 1
        await channel.close()


async def test_a_request_ends_with_the_one_that_it_is_made_for() -> None:
    behind = Replica()

    class Front(IdentityServiceServicer):
        async def Authenticate(self, request: AuthenticateRequest, context: Context) -> AuthenticateResponse:  # noqa: N802
            return await IdentityServiceStub(channel).Authenticate(request, timeout=50)

    async with serving(behind) as address:
        channel = dial(address, "intake", None)

        async def admitted(_method: str, _context: Context) -> None:
            """Anybody."""

        server = aio.server(interceptors=[StatusInterceptor([admitted], lambda _method, _message: None)])
        add_IdentityServiceServicer_to_server(Front(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with aio.insecure_channel(f"127.0.0.1:{port}") as asking:
            await IdentityServiceStub(asking).Authenticate(AuthenticateRequest(), timeout=7)
        await channel.close()
        await server.stop(0)

    assert behind.left_s is not None
    # gRPC rounds a deadline up by some milliseconds.
    assert 0 < behind.left_s < 8


def test_the_service_config_names_methods_that_there_are() -> None:
    for peers in (services.intake.peers, services.media.peers):
        assert peers, "importing them puts all internal services into the pool"
    pool = descriptor_pool.Default()
    named = [each for method in json.loads(service_config())["methodConfig"] for each in method["name"]]
    for each in named:
        assert pool.FindServiceByName(each["service"]).FindMethodByName(each["method"]) is not None, each
    assert "SpendPoints" not in service_config()
