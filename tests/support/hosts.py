"""Real servers on loopback, over TLS: a host of recordings that can misbehave, and a receiver that verifies what it hears."""

import json
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

Answer = Callable[[BaseHTTPRequestHandler], None]


class Host:
    """One TLS server: GETs of recordings, POSTs of notifications. Paths that nobody set up are 404."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        self.pages: dict[str, Answer] = {}
        self.hits: dict[str, int] = defaultdict(int)
        self.posted: dict[str, list[tuple[dict[str, str], bytes]]] = defaultdict(list)
        self.secrets: list[str] = []
        self.heard: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.deliveries: list[tuple[str, str, dict[str, Any]]] = []
        self.forged = 0
        self.refuse_next = 0
        self.changed = threading.Condition()
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                with host.changed:
                    host.hits[path] += 1
                    host.changed.notify_all()
                page = host.pages.get(path)
                if page is None:
                    reply(self, 404, "text/plain", b"no such page")
                else:
                    page(self)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                page = host.pages.get(self.path)
                if page is not None:
                    host.posted[self.path].append(({name.lower(): value for name, value in self.headers.items()}, body))
                    page(self)
                    return
                reply(self, host.receive(dict(self.headers), body), "text/plain", b"")

            def log_message(self, format: str, *args: object) -> None:
                """Nothing to the terminal."""

        self._server = _QuietServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        self.url = f"https://127.0.0.1:{self.port}"
        self.hook = f"{self.url}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def receive(self, headers: dict[str, str], body: bytes) -> int:
        """What the receiver answers: 204, 401 for a wrong signature, or 503 while it is told to refuse."""
        lowered = {name.lower(): value for name, value in headers.items()}
        with self.changed:
            if self.refuse_next > 0:
                self.refuse_next -= 1
                return 503
            if not any(_verifies(secret, body, lowered) for secret in self.secrets):
                self.forged += 1
                return 401
            told = json.loads(body)
            self.deliveries.append((lowered["webhook-id"], told["ext_id"], told))
            if told not in self.heard[told["ext_id"]]:
                self.heard[told["ext_id"]].append(told)
            self.changed.notify_all()
            return 204

    def wait(self, condition: Callable[[], bool], limit_s: float = 30) -> None:
        """Returns when the condition holds; it is looked at whenever something comes. Raises TimeoutError."""
        with self.changed:
            if not self.changed.wait_for(condition, limit_s):
                raise TimeoutError("the host did not see what was expected")

    def serve(self, path: str, content_type: str, data: bytes) -> str:
        """Sets up a good page; answers its link."""
        self.pages[path] = lambda request: reply(request, 200, content_type, data)
        return self.url + path

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Peers that hang up are part of the tests."""


def reply(request: BaseHTTPRequestHandler, status: int, content_type: str, data: bytes, **headers: str) -> None:
    """A whole answer with its length. Header names are given with underscores."""
    request.send_response(status)
    request.send_header("content-type", content_type)
    request.send_header("content-length", str(len(data)))
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(data)


@contextmanager
def a_host(folder: Path) -> Iterator[Host]:
    """A running host."""
    host = Host(folder)
    try:
        yield host
    finally:
        host.close()


def _verifies(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True
