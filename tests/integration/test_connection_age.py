"""Connections between services are made anew now and then, so that replicas which came later are found; nobody's request is lost by it."""

import asyncio

import grpc
import pytest
from grpc import aio

from services.shared.rpc import serve
from services.shared.rpc.dial import CHANNEL_OPTIONS
from services.shared.rpc.serve import Listener
from tests.support.running import free_port

METHOD = "/calldock.test.v1.TestService/TellPeer"


@pytest.mark.parametrize("is_public", [False, True])
async def test_connections_to_an_internal_listener_are_renewed(
    is_public: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "CONNECTION_AGE_S", 0.3)
    listener = Listener((), [], lambda *_: None, is_public=is_public)
    listener.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("calldock.test.v1.TestService", {"TellPeer": _tell_peer()}),))  # fmt: skip
    address = f"127.0.0.1:{free_port()}"
    await listener.start([address])
    peers: set[bytes] = set()
    asked = 0
    async with aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        tell: aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
        async with asyncio.timeout(30):
            while len(peers) < 3 and asked < 2000:
                peers.add(await tell(b""))
                asked += 1
                await asyncio.sleep(0.002)
    await listener.drain(0)

    assert len(peers) == (1 if is_public else 3)


def _tell_peer() -> "grpc.RpcMethodHandler[bytes, bytes]":
    async def tell(_request: bytes, context: "aio.ServicerContext[bytes, bytes]") -> bytes:
        return context.peer().encode()

    return grpc.unary_unary_rpc_method_handler(tell, lambda data: data)
