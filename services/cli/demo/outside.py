"""The world outside calldock, for the demo: an https host with recordings, and a receiver that verifies every notification."""

import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError


@dataclass(slots=True)
class Heard:
    """What the receiver was told: by ext_id, the bodies in the order of their coming; and how many came with a wrong signature."""

    bodies: dict[str, list[Mapping[str, object]]] = field(default_factory=lambda: defaultdict(list))
    forged: int = 0
    seen_ids: set[str] = field(default_factory=set)

    def events(self, ext_id: str) -> list[str]:
        """The status words that came for a call, in order."""
        return [str(body["status"]) for body in self.bodies.get(ext_id, [])]


@dataclass(slots=True)
class Outside:
    """Where the host and the receiver are, what they serve and what they heard. The receiver needs the account's `secret`."""

    url: str
    ca_file: Path
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    heard: Heard = field(default_factory=Heard)
    secret: str = ""

    def serve(self, name: str, content_type: str, data: bytes) -> str:
        """Puts a recording on the host; answers its link."""
        self.files[name] = (content_type, data)
        return f"{self.url}/recordings/{name}"


@asynccontextmanager
async def outside(folder: Path) -> AsyncIterator[Outside]:
    """Runs both on one port of this machine, over TLS with a certificate authority of their own."""
    authority = trustme.CA()
    ca_file = folder / "demo-ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    world = Outside(url="", ca_file=ca_file)

    async def recording(request: web.Request) -> web.Response:
        found = world.files.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        return web.Response(body=found[1], content_type=found[0])

    async def receive(request: web.Request) -> web.Response:
        try:
            body = Webhook(world.secret).verify(await request.read(), dict(request.headers))
        except WebhookVerificationError:
            world.heard.forged += 1
            raise web.HTTPUnauthorized from None
        if request.headers["webhook-id"] not in world.heard.seen_ids:
            world.heard.seen_ids.add(request.headers["webhook-id"])
            world.heard.bodies[str(body["ext_id"])].append(body)
        return web.Response(status=204)

    app = web.Application()
    app.router.add_get("/recordings/{name}", recording)
    app.router.add_post("/calls", receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    _, port = runner.addresses[0][:2]
    world.url = f"https://127.0.0.1:{port}"
    try:
        yield world
    finally:
        await runner.cleanup()
