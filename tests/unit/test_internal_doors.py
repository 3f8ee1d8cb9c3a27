"""The doors between services: shut on a network unless a key is set, and a bug behind them tells nothing."""

from typing import Any

import grpc
import pytest
from grpc import aio
from pydantic import SecretStr

from services.shared.errors import Refusal
from services.shared.rpc.identity import INTERNAL_KEY_HEADER, internal_key_guard
from services.shared.rpc.status import StatusInterceptor
from services.shared.settings import ServiceSettings, check_internal_listener


class Call:
    """As much of a call's context as a guard looks at."""

    def __init__(self, key: str | None) -> None:
        self._metadata = () if key is None else ((INTERNAL_KEY_HEADER, key),)

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata


@pytest.mark.parametrize("sent", ["wrong", "", None])
async def test_a_wrong_internal_key_is_refused_when_one_is_set(sent: str | None) -> None:
    context: Any = Call(sent)

    with pytest.raises(Refusal) as caught:
        await internal_key_guard(SecretStr("right"))("/calldock.x/Y", context)

    assert caught.value.mnemonic == "forbidden"
    await internal_key_guard(None)("/calldock.x/Y", context)


async def test_the_right_internal_key_is_taken() -> None:
    context: Any = Call("right")

    await internal_key_guard(SecretStr("right"))("/calldock.x/Y", context)


@pytest.mark.parametrize("key", [None, SecretStr("")])
def test_an_internal_listener_on_tcp_needs_a_key(key: SecretStr | None) -> None:
    with pytest.raises(ValueError, match="CALLDOCK_INTERNAL_KEY"):
        check_internal_listener(
            ServiceSettings(public_listen="unix:/x", internal_listen="127.0.0.1:1", internal_key=key)
        )


def test_an_internal_listener_with_a_key_or_on_a_socket_is_taken() -> None:
    public = "unix:/x"

    check_internal_listener(
        ServiceSettings(public_listen=public, internal_listen="127.0.0.1:1", internal_key=SecretStr("k"))
    )
    check_internal_listener(ServiceSettings(public_listen=public, internal_listen="unix:/y"))


@pytest.mark.contract("8 gRPC INTERNAL")
async def test_a_bug_answers_internal_with_the_request_id_and_no_word_of_itself() -> None:
    async def fails(_request: bytes, _context: Any) -> bytes:
        raise LookupError("secret inside")

    handlers = {"Fail": grpc.unary_unary_rpc_method_handler(fails, bytes, bytes)}
    server = aio.server(interceptors=[StatusInterceptor((), lambda _method, _request: None)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("calldock.test.Bugs", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
            call: Any = channel.unary_unary("/calldock.test.Bugs/Fail")
            with pytest.raises(aio.AioRpcError) as caught:
                await call(b"", metadata=(("x-request-id", "r-7"),), timeout=20)
    finally:
        await server.stop(0)

    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert caught.value.details() == "internal error, request id r-7"
