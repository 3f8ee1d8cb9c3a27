"""Dialling another service: a channel, TLS, the internal key, and gRPC's failures in the domain's words."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc import aio
from grpc_status import rpc_status
from pydantic import SecretStr

from services.shared.errors import Busy, Mnemonic, Refusal, Trouble
from services.shared.rpc.identity import INTERNAL_KEY_HEADER
from services.shared.rpc.renewed_channel import RenewedChannel
from services.shared.rpc.status import DOMAIN, time_left_s
from services.shared.rpc.tls import Certificate, PeerTls, certificate_name, channel_credentials
from services.shared.rpc.tracing import client_interceptors

MAX_MESSAGE_BYTES = 16 * 1024 * 1024


def dial(address: str, peer: str, tls: PeerTls | None) -> aio.Channel:
    """A channel to where `peer` is (intake, media, notify): `unix:/path`, `host:port`, `dns:///name:port` or `ipv4:host:port,host:port`, whose addresses take turns.

    It connects when first used and again after the peer was away. What may be asked again at once says `protos/calldock/service_config.json`; no request
    outlives the one that it is made for. With `tls`, an address on TCP is spoken to only when its certificate names the peer.
    """
    interceptors = [*client_interceptors(), _WithinDeadline()]
    if tls is None or address.startswith("unix:"):
        return aio.insecure_channel(address, options=CHANNEL_OPTIONS, interceptors=interceptors)
    named = (*CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", certificate_name(peer)))

    def connect(certificate: Certificate) -> aio.Channel:
        return aio.secure_channel(address, channel_credentials(certificate), options=named, interceptors=interceptors)

    return RenewedChannel(tls.certificate, connect)


@cache
def service_config() -> str:
    """How requests between services are spread and repeated: JSON of gRPC's ServiceConfig."""
    return resources.files("calldock").joinpath("service_config.json").read_text()


CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    # The environment's proxies are for the world outside.
    ("grpc.enable_http_proxy", 0),
    ("grpc.service_config", service_config()),
    ("grpc.service_config_disable_resolution", 1),
    # A peer whose machine is gone says nothing: without a ping, a request would wait for its deadline.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # Replicas come and go; the default is 30 s.
    ("grpc.dns_min_time_between_resolutions_ms", 5_000),
)


class _WithinDeadline(aio.UnaryUnaryClientInterceptor):
    """Gives a request no more time than is left of the one that it is made for."""

    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: aio.ClientCallDetails, request: Any
    ) -> Any:
        left_s = time_left_s()
        if left_s is not None and (client_call_details.timeout is None or left_s < client_call_details.timeout):
            client_call_details = aio.ClientCallDetails(
                method=client_call_details.method,
                timeout=left_s,
                metadata=client_call_details.metadata,
                credentials=client_call_details.credentials,
                wait_for_ready=client_call_details.wait_for_ready,
            )
        return await continuation(client_call_details, request)


def internal_metadata(key: SecretStr | None) -> tuple[tuple[str, str], ...]:
    """The metadata that an internal listener wants to see."""
    return ((INTERNAL_KEY_HEADER, key.get_secret_value()),) if key else ()


class PeerFailed(Exception):
    """A peer failed at this very request: a bug there, or more than its time allows."""


@contextmanager
def peer_trouble(peer: str) -> Iterator[None]:
    """Turns what a call to a peer raises into the domain's words: Refusal for a refusal of ours, Busy for no room, Trouble for a peer that is away.

    Anything else is a PeerFailed: asking again would likely fail again, so it is no Trouble, which is repeated without being counted.
    """
    try:
        yield
    except aio.AioRpcError as error:
        code = error.code()
        if code in _REFUSALS and (refusal := _refusal(error)) is not None:
            raise refusal from error
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise Busy(f"{peer} has no room") from error
        if code in _AWAY:
            raise Trouble(f"{peer} answered {code.name}") from error
        raise PeerFailed(f"{peer} answered {code.name}") from error


_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.ABORTED)
_REFUSALS = (
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)


def _refusal(error: aio.AioRpcError) -> Refusal | None:
    """The refusal that a peer told of; None when it is none of ours."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    found: error_details_pb2.ErrorInfo | None = None
    retry_after_s: float | None = None
    for detail in status.details if status is not None else ():
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info) and info.domain == DOMAIN:
            found = info
        elif detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
    if found is None:
        return None
    return Refusal(
        Mnemonic(found.reason.lower()),
        why=error.details() or "",
        params=dict(found.metadata),
        grpc_code=error.code().name,
        retry_after_s=retry_after_s,
    )
