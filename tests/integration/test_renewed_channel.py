"""What a service shows its peers: the certificate of now, to a peer whose certificate names it, and the client's address on Envoy's word alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from grpc import aio
from structlog.testing import capture_logs

from services.shared.rpc.dial import dial
from services.shared.rpc.identity import CLIENT_ADDRESS_HEADER, client_address
from services.shared.rpc.serve import Listener
from services.shared.rpc.tls import PeerTls, caller_names
from services.shared.settings import TlsFiles
from tests.e2e.test_peer_tls import write_certificate
from tests.support.running import free_port


def a_certificate(folder: Path, authority: trustme.CA, process: str) -> PeerTls:
    folder.mkdir()
    write_certificate(folder, authority, process)
    return PeerTls(TlsFiles(folder / "cert.pem", folder / "key.pem", folder / "ca.pem"), process)


@asynccontextmanager
async def who_calls(tls: PeerTls) -> AsyncIterator[str]:
    """A listener on TCP that answers with the names of the caller's certificate and the client's address; its own address."""

    async def handle(_request: bytes, context: Any) -> bytes:
        return f"{','.join(caller_names(context))} {client_address(context)}".encode()

    listener = Listener((), (), lambda _method, _request: None, tls=tls)
    handlers: Any = {"Who": grpc.unary_unary_rpc_method_handler(handle)}
    listener.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Calls", handlers),))
    address = f"127.0.0.1:{free_port()}"
    await listener.start((address,))
    try:
        yield address
    finally:
        await listener.drain(0)


async def ask(channel: aio.Channel) -> bytes:
    call: Any = channel.unary_unary("/test.Calls/Who")
    answer: bytes = await call(b"", timeout=10, metadata=((CLIENT_ADDRESS_HEADER, "203.0.113.9"),))
    return answer


@pytest.mark.parametrize(
    ("process", "answer"),
    [("envoy", b"envoy 203.0.113.9"), ("media", b"media 127.0.0.1"), ("intake", b"intake 127.0.0.1")],
)
async def test_the_clients_address_is_believed_of_envoy_alone(tmp_path: Path, process: str, answer: bytes) -> None:
    authority = trustme.CA()
    async with who_calls(a_certificate(tmp_path / "server", authority, "notify")) as address:
        channel = dial(address, "notify", a_certificate(tmp_path / "client", authority, process))

        assert await ask(channel) == answer
        await channel.close()


async def test_a_peer_whose_certificate_names_another_is_not_spoken_to(tmp_path: Path) -> None:
    authority = trustme.CA()
    async with who_calls(a_certificate(tmp_path / "server", authority, "media")) as address:
        channel = dial(address, "notify", a_certificate(tmp_path / "client", authority, "intake"))

        with pytest.raises(aio.AioRpcError) as caught:
            await ask(channel)
        await channel.close()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_the_first_call_after_a_renewal_shows_the_new_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    async with who_calls(a_certificate(tmp_path / "server", authority, "media")) as address:
        channel = dial(address, "media", a_certificate(tmp_path / "client", authority, "intake"))
        assert await ask(channel) == b"intake 127.0.0.1"

        renewed = authority.issue_cert("intake.calldock.internal", "renewed.calldock.internal")
        (tmp_path / "client/key.pem").write_bytes(renewed.private_key_pem.bytes())
        (tmp_path / "client/cert.pem").write_bytes(renewed.cert_chain_pems[0].bytes())

        names, _, _ = (await ask(channel)).partition(b" ")
        assert set(names.split(b",")) == {b"intake", b"renewed"}
        await channel.close()


def test_files_that_do_not_fit_are_told_of_once_and_again_when_it_is_something_else(tmp_path: Path) -> None:
    authority = trustme.CA()
    tls = a_certificate(tmp_path / "server", authority, "notify")
    before = tls.certificate()

    def events() -> list[str]:
        with capture_logs() as told:
            assert tls.certificate() is before
            assert tls.certificate() is before
        return [each["event"] for each in told]

    (tmp_path / "server/key.pem").rename(tmp_path / "key.pem")
    assert events() == ["peer_tls.renewal_refused"]
    assert events() == []
    (tmp_path / "server/key.pem").write_text("not yet")
    assert events() == ["peer_tls.renewal_refused"]
    (tmp_path / "server/key.pem").unlink()
    assert events() == ["peer_tls.renewal_refused"]

    write_certificate(tmp_path / "server", authority, "notify")
    assert tls.certificate() is not before
