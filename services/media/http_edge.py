"""media's HTTP listener, beside its gRPC ones: what browsers need and gRPC has no words for."""

from aiohttp import web

from services.shared.rpc.serve import prepare_socket


class HttpEdge:
    """Serves an application on one address, `unix:/path` or `host:port`, behind Envoy."""

    def __init__(self, app: web.Application, drain_s: float) -> None:
        # Links are secrets: no access log. Whoever goes away in mid-file ends its request.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=drain_s)

    async def start(self, address: str) -> None:
        """Binds the address and serves. Raises OSError when it is taken."""
        await self._runner.setup()
        prepare_socket(address)
        if address.startswith("unix:"):
            await web.UnixSite(self._runner, address.removeprefix("unix:")).start()
        else:
            host, _, port = address.rpartition(":")
            await web.TCPSite(self._runner, host.removeprefix("[").removesuffix("]"), int(port)).start()

    async def drain(self) -> None:
        """Takes nothing new and lets running requests end."""
        await self._runner.cleanup()
