"""`calldock up`: Envoy and the three services on one machine, from one command."""

import asyncio
import base64
import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from math import nan
from pathlib import Path
from typing import IO

import aiohttp
import structlog

from services.cli.certificates import Certificate, certificate_files
from services.cli.front_door import FrontDoor, descriptor_set, envoy_binary, openapi_document
from services.cli.instance import (
    MAX_SOCKET_PATH,
    CannotStart,
    Runtime,
    keeping_in,
    lock_data_dir,
    secret_key,
    write_runtime,
)
from services.cli.supervisor import STOP_S, Child, Supervisor
from services.cli.tracing_door import Tracing
from services.shared.sealing import derived_key, read_key
from services.shared.settings import DEFAULT_MAX_REQUEST_BYTES, DEFAULT_TRACES_SHARE, TRACES_ENDPOINT

log = structlog.get_logger()

READY_S = 60.0
SERVICES = ("media", "notify", "intake")
EXPOSED = ("intake", "media", "notify")
"""The order of the services' own ports after the front door's."""
_DRAIN_S = 2.0
_SEALING_KEY, _BUCKET_KEY = "CALLDOCK_SECRET_KEY", "CALLDOCK_S3_SECRET_ACCESS_KEY"
_DATABASE_URL = "CALLDOCK_DATABASE_URL"
_EDGE_KEY = "CALLDOCK_EDGE_KEY"
_SESSION_KEY = "CALLDOCK_SESSION_KEY"
_TLS_CERT, _TLS_KEY = "CALLDOCK_LISTEN_TLS_CERT", "CALLDOCK_LISTEN_TLS_KEY"
_KEYS = (_SEALING_KEY, _BUCKET_KEY, _DATABASE_URL, _EDGE_KEY, _SESSION_KEY)
"""Given only to the services that use them."""
_LONGEST_STOPS_S = {"notify": 75.0}
"""notify waits for receivers that it has asked, a minute at most."""


class Instance:
    """A running instance of calldock on one data directory."""

    def __init__(self, url: str, sockets: Path, exposed: Mapping[str, str], supervisor: Supervisor) -> None:
        """`exposed` are the services' own addresses, where they have any."""
        self.url = url
        self.exposed = exposed
        self.runtime = Runtime(pid=os.getpid(), url=url, sockets=str(sockets))
        self._sockets = sockets
        self._supervisor = supervisor

    async def wait_until_ready(self) -> None:
        """Returns when all answer healthy. Raises CannotStart after a minute."""
        deadline = asyncio.get_running_loop().time() + READY_S
        # Its own door, by an address that no certificate names; nothing is told that others may not hear.
        connector = aiohttp.TCPConnector(ssl=False)
        async with aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=2), trust_env=False
        ) as session:
            while asyncio.get_running_loop().time() < deadline:
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"{self.url}/readyz") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.1)
        raise CannotStart(f"not all of calldock answered healthy within {READY_S:g} s; its log says why")

    async def stop(self) -> None:
        """Lets the front door take nothing new, lets every service finish, and ends them in the order in which they need each other."""
        await self._close_front_door()
        for name in ("intake", "envoy", "media", "notify"):
            await self._supervisor.stop(name)

    async def _close_front_door(self) -> None:
        connector = aiohttp.UnixConnector(path=str(self._sockets / "envoy.sock"))
        try:
            async with aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(total=_DRAIN_S)
            ) as session:
                await session.post("http://envoy/healthcheck/fail")
                await session.post("http://envoy/drain_listeners?graceful&skip_exit")
        except (aiohttp.ClientError, TimeoutError, OSError):
            log.warning("front_door.not_drained")


@asynccontextmanager
async def running(
    data_dir: Path,
    listen: str,
    environment: Mapping[str, str],
    output: IO[bytes] | None = None,
    *,
    expose_services: bool = False,
) -> AsyncIterator[Instance]:
    """Starts an instance and stops it in the end. Not ready yet when it is handed over. Raises InstanceRunning, CannotStart.

    `expose_services` opens the public listener of each service on the three ports after the front door's too, for gRPC clients without Envoy.
    """
    address, port = parse_listen(listen)
    if environment.get(_DATABASE_URL) and not environment.get(_SEALING_KEY):
        raise CannotStart(
            f"{_DATABASE_URL} is set: set {_SEALING_KEY} too, the same for all who use that database (`openssl rand -base64 32` makes one)"
        )
    data_dir = data_dir.absolute()  # noqa: ASYNC240 - asks nobody but the process itself
    with keeping_in(data_dir):
        lock = lock_data_dir(data_dir)
    sockets = Path(tempfile.mkdtemp(prefix="calldock-"))
    try:
        check_port_is_free(address, port)
        if len(str(sockets / "notify-internal.sock").encode()) > MAX_SOCKET_PATH:
            raise CannotStart(f"the path of {sockets} is too long for sockets: set TMPDIR to a shorter folder")
        files = certificate_files(environment.get(_TLS_CERT, ""), environment.get(_TLS_KEY, ""))
        certificate = Certificate(files, sockets) if files is not None else None
        named = EXPOSED if expose_services else ()
        exposed = {name: f"{_in_url(address)}:{port + place}" for place, name in enumerate(named, start=1)}
        children = _children(data_dir, address, port, sockets, environment, exposed, certificate)
        supervisor = Supervisor(children, output)
        scheme = "http" if certificate is None else "https"
        instance = Instance(f"{scheme}://{_in_url(address)}:{port}", sockets, exposed, supervisor)
        with keeping_in(data_dir):
            write_runtime(data_dir, instance.runtime)
        # Not a TaskGroup: it would wrap what the body raises, and a body that fails must still be followed by a stop.
        supervising = asyncio.create_task(supervisor.run())
        renewing = asyncio.create_task(certificate.renew_until_cancelled()) if certificate is not None else None
        try:
            yield instance
        finally:
            await instance.stop()
            await supervising
            if renewing is not None:
                renewing.cancel()
                await asyncio.wait([renewing])
    finally:
        shutil.rmtree(sockets, ignore_errors=True)
        lock.close()


async def run_up(data_dir: Path, listen: str, *, expose_services: bool = False, as_json: bool = False) -> None:
    """Runs an instance until SIGTERM or SIGINT, and says when it is ready. Raises InstanceRunning, CannotStart."""
    if not os.environ.get(_TLS_CERT):
        warn_of_open_listener(listen)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with running(data_dir, listen, os.environ, expose_services=expose_services) as instance:
        ready = asyncio.create_task(instance.wait_until_ready())
        stopping = asyncio.create_task(stopped.wait())
        await asyncio.wait((ready, stopping), return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            stop_early = ready.exception()
            if stop_early is not None:
                stopping.cancel()
                raise stop_early
            print(_ready_line(instance, as_json=as_json), flush=True)
        ready.cancel()
        await stopping


def parse_listen(listen: str) -> tuple[str, int]:
    """Address and port of `127.0.0.1:8080` or `[::1]:8080`. Raises CannotStart for anything else."""
    address, _, port = listen.rpartition(":")
    address = address.removeprefix("[").removesuffix("]")
    try:
        ip_address(address)
        number = int(port)
    except ValueError as error:
        raise CannotStart(f"--listen takes an address and a port, such as 127.0.0.1:8080, not {listen}") from error
    if not 1 <= number <= 65535:
        raise CannotStart(f"--listen takes a port from 1 to 65535, not {number}")
    return address, number


def check_port_is_free(address: str, port: int) -> None:
    """Raises CannotStart when another program listens there; Envoy would only be restarted again and again."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise CannotStart(
                f"{_in_url(address)}:{port} is taken or not ours ({error.strerror}): name another with --listen"
            ) from error


def warn_of_open_listener(listen: str) -> None:
    """Says on stderr when tokens would travel in the clear."""
    address, _ = parse_listen(listen)
    if not ip_address(address).is_loopback:
        print(
            f"warning: {listen} is reachable by others and speaks no TLS: set {_TLS_CERT} and {_TLS_KEY}, or put a TLS proxy before it",
            file=sys.stderr,
        )


def _ready_line(instance: Instance, *, as_json: bool) -> str:
    if as_json:
        return json.dumps(
            {"ready": True, "url": instance.url, "pid": instance.runtime.pid, "services": instance.exposed}
        )
    exposed = "".join(f"\n{name} listens on {address}" for name, address in instance.exposed.items())
    client_area = f"\nthe client area: {instance.url}/app/ (a link that signs in: calldock open --token TOKEN)"
    return f"calldock is ready: {instance.url}{exposed}{client_area}"


def _children(
    data_dir: Path,
    address: str,
    port: int,
    sockets: Path,
    environment: Mapping[str, str],
    exposed: Mapping[str, str],
    certificate: Certificate | None,
) -> list[Child]:
    front = FrontDoor(
        listen_address=address,
        listen_port=port,
        sockets=sockets,
        descriptors=descriptor_set(),
        openapi=openapi_document(),
        max_request_bytes=int(environment.get("CALLDOCK_MAX_REQUEST_BYTES", DEFAULT_MAX_REQUEST_BYTES)),
        trusted_proxies=int(environment.get("CALLDOCK_TRUSTED_PROXIES", "0")),
        certificate=certificate.handed_over if certificate is not None else None,
        tracing=_tracing(environment),
    )
    config = sockets / "envoy.yaml"
    config.write_text(front.config())
    # Its own admin socket and no shared memory: several instances live side by side.
    envoy = [envoy_binary(), "-c", str(config), "--disable-hot-restart", "--log-level", "warning", "--concurrency", "2"]
    shared = {
        **{name: value for name, value in environment.items() if name not in _KEYS},
        "CALLDOCK_DATA_DIR": str(data_dir),
        **{f"CALLDOCK_{name.upper()}_ADDRESS": f"unix:{sockets}/{name}-internal.sock" for name in SERVICES},
    }
    # Only who seals secrets gets the key, and only who keeps something the database, whose address may hold a password.
    with keeping_in(data_dir):
        sealing_key = environment.get(_SEALING_KEY) or secret_key(data_dir)
    key = {_SEALING_KEY: sealing_key}
    bucket = {name: environment[name] for name in (_BUCKET_KEY,) if name in environment}
    database = {name: environment[name] for name in (_DATABASE_URL,) if name in environment}
    # What signs links and seals sessions is derived, so that media, which reads strangers' files, does not know the key itself.
    edge = {_EDGE_KEY: environment.get(_EDGE_KEY) or _derived(sealing_key, "calldock edge")}
    session = {_SESSION_KEY: environment.get(_SESSION_KEY) or _derived(sealing_key, "calldock sessions")}
    http = {"CALLDOCK_HTTP_LISTEN": f"unix:{sockets}/media-http.sock"}
    keys = {
        "intake": {**key, **database, **session},
        "notify": {**key, **database, **session},
        "media": {**bucket, **edge, **session, **http},
    }
    services = [
        Child(
            name=name,
            command=[sys.executable, "-m", f"services.{name}"],
            environment={
                **shared,
                **keys.get(name, {}),
                "CALLDOCK_PUBLIC_LISTEN": ",".join(filter(None, (f"unix:{sockets}/{name}.sock", exposed.get(name)))),
                "CALLDOCK_INTERNAL_LISTEN": f"unix:{sockets}/{name}-internal.sock",
            },
            stop_s=_LONGEST_STOPS_S.get(name, STOP_S),
        )
        for name in SERVICES
    ]
    # Whoever reads strangers' bytes first knows none of our settings.
    plain = {name: value for name, value in environment.items() if not name.startswith("CALLDOCK_")}
    return [*services, Child(name="envoy", command=envoy, environment=plain)]


def _derived(sealing_key: str, purpose: str) -> str:
    try:
        return base64.b64encode(derived_key(read_key(sealing_key, _SEALING_KEY), purpose)).decode()
    except ValueError as error:
        raise CannotStart(str(error)) from error


def _tracing(environment: Mapping[str, str]) -> Tracing:
    endpoint = environment.get("CALLDOCK_TRACES_ENDPOINT", "")
    if not re.search(TRACES_ENDPOINT, endpoint):
        # It becomes a part of Envoy's configuration.
        raise CannotStart("CALLDOCK_TRACES_ENDPOINT takes http://host:port or https://host:port")
    try:
        share = float(environment.get("CALLDOCK_TRACES_SHARE", DEFAULT_TRACES_SHARE))
    except ValueError:
        share = nan
    if not 0 <= share <= 1:
        raise CannotStart("CALLDOCK_TRACES_SHARE takes a number from 0 to 1")
    return Tracing(endpoint=endpoint, share=share)


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address
