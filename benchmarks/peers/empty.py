"""A `grpc.aio` servicer that does nothing, behind the same Envoy with the same configuration as calldock: what a call costs before anybody looks at it."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from calldock.intake.v1.call_service_pb2 import UploadCallsRequest, UploadCallsResponse, UploadedCall
from calldock.intake.v1.call_service_pb2_grpc import (
    CallServiceServicer,
    CallServiceStub,
    add_CallServiceServicer_to_server,
)
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from services.cli.front_door import FrontDoor, descriptor_set, envoy_binary, openapi_document
from services.shared.rpc.serve import until_stopped
from services.shared.settings import DEFAULT_MAX_REQUEST_BYTES
from tests.support.running import free_port, until

CLUSTERS = ("intake", "media", "notify")
"""Envoy's configuration names these; the one server listens for all."""
ANSWER = UploadCallsResponse(
    calls=[UploadedCall(ext_id="call-1000000", call_session_id=1_000_000, outcome=UploadedCall.OUTCOME_CREATED)]
)


class Empty(CallServiceServicer):
    """Answers one call, always the same."""

    async def UploadCalls(  # noqa: N802
        self, request: UploadCallsRequest, context: "aio.ServicerContext[UploadCallsRequest, UploadCallsResponse]"
    ) -> UploadCallsResponse:
        """What an upload of one call is answered."""
        return ANSWER


async def serve(sockets: Path) -> None:
    """Serves until SIGTERM."""
    server = aio.server()
    add_CallServiceServicer_to_server(Empty(), server)  # type: ignore[abstract]
    healthy = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    for name in CLUSTERS:
        server.add_insecure_port(f"unix:{sockets}/{name}.sock")
    await server.start()
    await until_stopped()
    await server.stop(1)


@contextmanager
def empty_servicer(folder: Path) -> Iterator[tuple[int, dict[str, int]]]:
    """The server and its Envoy, until the end: the port of Envoy, and the processes' ids by name."""
    port = free_port()
    config = folder / "envoy.yaml"
    front = FrontDoor(
        listen_address="127.0.0.1",
        listen_port=port,
        sockets=folder,
        descriptors=descriptor_set(),
        openapi=openapi_document(),
        max_request_bytes=DEFAULT_MAX_REQUEST_BYTES,
    )
    config.write_text(front.config())
    commands = {
        "server": [sys.executable, "-m", "benchmarks.peers.empty", str(folder)],
        "envoy": [
            envoy_binary(),
            "-c",
            str(config),
            "--disable-hot-restart",
            "--log-level",
            "warning",
            "--concurrency",
            "2",
        ],
    }
    with (folder / "log").open("ab") as log:
        processes = {
            name: subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - our own words
            for name, command in commands.items()
        }
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
            stub = CallServiceStub(channel)

            def answers() -> bool:
                try:
                    stub.UploadCalls(UploadCallsRequest(), timeout=1)
                except grpc.RpcError:
                    return False
                return True

            until(answers)
        yield port, {name: process.pid for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.send_signal(signal.SIGTERM)
        for process in processes.values():
            process.wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
