"""Serving gRPC: a process's public and internal listeners, health, reflection, and a stop that finishes what runs."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from weakref import WeakKeyDictionary

import structlog
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from services.shared.quota import Meter
from services.shared.rpc.reflection import add_reflection
from services.shared.rpc.status import STREAM_IDLE_S, Check, Guard, StatusInterceptor, unmetered
from services.shared.rpc.tls import PeerTls

log = structlog.get_logger()

MAX_REQUEST_BYTES = 1024 * 1024
MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_METADATA_BYTES = 64 * 1024
"""Above what Envoy lets through (32 KiB of headers) with all that it adds: beyond it gRPC answers with the names of its own headers."""


CONNECTION_AGE_S = 300.0
"""After which an internal listener has callers connect anew, requests under way unharmed: that is when they look up names again and find replicas that are new. Envoy looks up its names by itself."""
LIVE = "live"
"""What health checks ask for who want to know whether the process lives, also while its database is away or it drains; anything else is whether it is ready."""

HEALTH_CONNECTIONS = 32
"""Kubelets and balancers; whoever comes beyond is turned away. What says nothing, or stays, is closed."""
_HEALTH_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_allowed_incoming_connections", HEALTH_CONNECTIONS),
    ("grpc.max_concurrent_streams", 4),
    ("grpc.server_handshake_timeout_ms", 5_000),
    ("grpc.max_connection_idle_ms", 60_000),
    ("grpc.max_connection_age_ms", 600_000),
    ("grpc.max_connection_age_grace_ms", 5_000),
    ("grpc.max_metadata_size", 8 * 1024),
    ("grpc.absolute_max_metadata_size", 8 * 1024),
    ("grpc.max_receive_message_length", 4 * 1024),
)

LOOK_S = 2.0
FAILURES = 2
"""Looks in vain, one after the other, after which a process is not ready: one may meet a busy moment."""


class Listener:
    """One gRPC server of this process: some services behind one set of guards, with health and reflection."""

    def __init__(
        self,
        service_names: Sequence[str],
        guards: Sequence[Guard],
        check: Check,
        *,
        meter: Meter = unmetered,
        max_request_bytes: int = MAX_REQUEST_BYTES,
        is_public: bool = False,
        tls: PeerTls | None = None,
        stream_idle_s: float = STREAM_IDLE_S,
    ) -> None:
        """Whoever takes nothing of a stream for so many seconds is cut off. Traces may begin at a public listener; connections to any other end after five minutes. With `tls`, addresses on TCP speak nothing else, and demand a certificate of whoever comes."""
        self._tls = tls
        self._health_server: aio.Server | None = None
        self.server = aio.server(
            interceptors=[StatusInterceptor(guards, check, meter, stream_idle_s, begins_traces=is_public)],
            options=[
                ("grpc.max_receive_message_length", max_request_bytes),
                ("grpc.max_send_message_length", MAX_ANSWER_BYTES),
                ("grpc.max_metadata_size", MAX_METADATA_BYTES),
                ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
                ("grpc.so_reuseport", 0),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
                *(() if is_public else (("grpc.max_connection_age_ms", int(CONNECTION_AGE_S * 1000)),)),
            ],
        )
        self._names = tuple(service_names)
        self._is_leaving = False
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.server)
        add_reflection(self.server, self._names)

    async def start(self, addresses: Sequence[str]) -> None:
        """Binds the addresses and serves. Raises OSError when one is taken. From here on the process stops in order: who can be asked can be stopped."""
        hear_stops()
        for address in addresses:
            prepare_socket(address)
            _bind(self.server, address, self._tls)
        await self._health.set(LIVE, health_pb2.HealthCheckResponse.SERVING)
        await self.say_ready(True)
        await self.server.start()

    async def start_health(self, address: str) -> None:
        """Answers health checks, and nothing else, at an address in the clear; an empty one is passed over. Raises OSError when it is taken."""
        if not address:
            return
        self._health_server = aio.server(options=_HEALTH_OPTIONS, maximum_concurrent_rpcs=HEALTH_CONNECTIONS)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._health_server)
        _bind(self._health_server, address, None)
        await self._health_server.start()

    async def say_ready(self, is_ready: bool) -> None:
        """What health checks are told from now on, until `drain`."""
        status = health_pb2.HealthCheckResponse
        for name in ("", *self._names):
            if not self._is_leaving:
                await self._health.set(name, status.SERVING if is_ready else status.NOT_SERVING)

    async def drain(self, grace_s: float, notice_s: float = 0.0) -> None:
        """Tells health checks to go elsewhere; `notice_s` seconds later, when those who balance have seen it, takes no new calls, and gives running ones `grace_s` seconds."""
        await self.say_ready(False)
        self._is_leaving = True
        await asyncio.sleep(notice_s)
        await self.server.stop(grace_s)
        if self._health_server is not None:
            await self._health_server.stop(0)


def _bind(server: aio.Server, address: str, tls: PeerTls | None) -> None:
    try:
        if tls is None or address.startswith("unix:"):
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, tls.server_credentials())
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}") from error


async def follow_readiness_until_cancelled(
    listeners: Sequence[Listener], is_ready: Callable[[], Awaitable[bool]]
) -> None:
    """Has the listeners say whether the process can do its work: not after two looks in vain, again after the first that succeeds."""
    failures = 0
    while True:
        failures = 0 if await is_ready() else failures + 1
        if failures == FAILURES:
            log.warning("service.not_ready")
        for listener in listeners:
            await listener.say_ready(failures < FAILURES)
        await asyncio.sleep(LOOK_S)


def prepare_socket(address: str) -> None:
    """Removes a unix socket that a killed process left behind."""
    if address.startswith("unix:"):
        Path(address.removeprefix("unix:")).unlink(missing_ok=True)


async def until_stopped() -> None:
    """Returns at SIGTERM or SIGINT, also at one that came since `hear_stops`."""
    await hear_stops().wait()


def hear_stops() -> asyncio.Event:
    """Takes SIGTERM and SIGINT from now on as the wish to stop in order; what is set by then. Before it they end the process as it is."""
    loop = asyncio.get_running_loop()
    if loop not in _stops:
        _stops[loop] = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stops[loop].set)
    return _stops[loop]


_stops: "WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Event]" = WeakKeyDictionary()
