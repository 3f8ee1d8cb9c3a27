"""media's HTTP listener, beside its gRPC ones: what browsers need and gRPC has no words for."""

from aiohttp import web
from aiohttp.typedefs import Handler

from services.shared.rpc.serve import prepare_socket
from services.shared.rpc.tls import ENVOY, PeerTls
from services.shared.rpc.tls_http import server_context, shows


class HttpEdge:
    """Serves an application on one address, `unix:/path` or `host:port`, to Envoy."""

    def __init__(self, app: web.Application, drain_s: float, tls: PeerTls | None = None) -> None:
        """With `tls`, an address on TCP speaks nothing else, and answers whoever shows Envoy's certificate. The socket's folder is this user's alone."""
        self._tls = tls
        if tls is not None:
            app.middlewares.append(_for_envoy)
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
            context = None if self._tls is None else server_context(self._tls)
            host = host.removeprefix("[").removesuffix("]")
            await web.TCPSite(self._runner, host, int(port), ssl_context=context).start()

    async def drain(self) -> None:
        """Takes nothing new and lets running requests end."""
        await self._runner.cleanup()


@web.middleware
async def _for_envoy(request: web.Request, handler: Handler) -> web.StreamResponse:
    """As callers_guard has it of gRPC: another process of ours has no business here."""
    transport = request.transport
    is_tcp = transport is not None and transport.get_extra_info("ssl_object") is not None
    if is_tcp and not shows(request.get_extra_info("peercert"), ENVOY):
        raise web.HTTPForbidden(text="the caller's certificate does not name a process that this is for")
    return await handler(request)
