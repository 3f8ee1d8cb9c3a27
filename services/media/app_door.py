"""The HTTP edge of the client area: its files, and signing in (docs/decisions/0017-client-area.md)."""

import asyncio
import gzip
import hashlib
import json
import mimetypes
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from services.shared.errors import ERRORS, Refusal, Trouble
from services.shared.identity import AccountId, Authenticate, Identity, token_sha256
from services.shared.objects import ObjectStore
from services.shared.rpc.dial import PeerFailed
from services.shared.rpc.identity import CLIENT_ADDRESS_HEADER
from services.shared.sessions import APP_HEADER, COOKIE, LIFETIME, Code, Sessions

log = structlog.get_logger()

APP = "/app/"
SESSION = "/app/session"
LINKS = "/app/links"
MAX_BODY_BYTES = 4096
BODY_S = 10.0
"""A body that takes longer is not waited for."""
_NONCE = b"__CSP_NONCE__"
"""Where index.html takes the nonce of a response."""
_CAREFUL = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
_STATUSES = {
    "UNAUTHENTICATED": (401, 16),
    "PERMISSION_DENIED": (403, 7),
    "INVALID_ARGUMENT": (400, 3),
    "RESOURCE_EXHAUSTED": (429, 8),
}

TakeLink: TypeAlias = Callable[[AccountId, Code], Awaitable[bool]]
"""Uses the link of a code up, and answers whether that was its first use, at whatever media. Raises Refusal limit_exceeded; Trouble or PeerFailed when it cannot be known."""


@dataclass(frozen=True, slots=True)
class _File:
    content_type: str
    plain: bytes
    packed: bytes
    etag: str


class AppDoor:
    """Serves the app's files from memory, and turns tokens and codes into sessions."""

    def __init__(
        self, folder: Path, media_origin: str, authenticate: Authenticate, take_link: TakeLink, sessions: Sessions
    ) -> None:
        """`media_origin` is where playback leads beside us, such as a bucket's; empty: nowhere."""
        self._files = _read_files(folder)
        self._media_origin = media_origin
        self._authenticate = authenticate
        self._take_link = take_link
        self._sessions = sessions

    def add_routes(self, app: web.Application) -> None:
        """Takes the paths of the client area of an application."""
        app.router.add_post(SESSION, self.sign_in)
        app.router.add_delete(SESSION, self.sign_out)
        app.router.add_get(SESSION, self.session)
        app.router.add_post(LINKS, self.make_link)
        app.router.add_get(APP + "{path:.*}", self.file)

    async def file(self, request: web.Request) -> web.Response:
        """A file of the app; index.html for every address that the app makes up itself."""
        path = request.match_info["path"]
        found = self._files.get(path) if path != "index.html" else None
        if found is None and path.startswith("assets/"):
            return _said(404, 5, "there is nothing at this address")
        if found is None:
            return self._index()
        headers = {
            **_CAREFUL,
            "cache-control": "public, max-age=31536000, immutable",
            "etag": found.etag,
            "vary": "accept-encoding",
        }
        if request.headers.get("if-none-match") == found.etag:
            return web.Response(status=304, headers=headers)
        packs = "gzip" in request.headers.get("accept-encoding", "")
        if packs:
            headers["content-encoding"] = "gzip"
        return web.Response(
            body=found.packed if packs else found.plain, content_type=found.content_type, headers=headers
        )

    def _index(self) -> web.Response:
        page = self._files.get("index.html")
        if page is None:
            return web.Response(status=503, text="The client area was not built: run `make web`.\n")
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
            f"media-src 'self' {self._media_origin}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = {
            **_CAREFUL,
            "cache-control": "no-store",
            "content-security-policy": policy,
            "x-frame-options": "DENY",
        }
        body = page.plain.replace(_NONCE, nonce.encode())
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)

    async def sign_in(self, request: web.Request) -> web.Response:
        """Takes `{"access_token": …}` or `{"code": …}` and sets the session's cookie."""
        if not request.headers.get(APP_HEADER):
            return _said(403, 7, f"the header {APP_HEADER} is due")
        try:
            facts = _facts(await _body(request))
        except TimeoutError:
            return _said(408, 4, f"the body took longer than {BODY_S:g} s")
        except ValueError as error:
            return _said(400, 3, str(error))
        token, code = facts.get("access_token"), facts.get("code")
        link = None
        if isinstance(code, str):
            # What is not ours, or over, is asked of nobody.
            link = self._sessions.open_code(code)
            if link is None:
                return _link_is_over()
            token = link.token
        if not isinstance(token, str) or not token.strip():
            return _said(400, 3, "access_token or code is due")
        refused = await self._refused(request, token.strip(), link)
        if refused is not None:
            return refused
        value, until = self._sessions.seal(token.strip())
        answer = web.json_response({"expire_time": until.isoformat()}, headers={"cache-control": "no-store"})
        answer.set_cookie(
            COOKIE,
            value,
            path="/",
            max_age=int(LIFETIME.total_seconds()),
            httponly=True,
            samesite="Strict",
            secure=request.headers.get("x-forwarded-proto") == "https",
        )
        return answer

    async def session(self, request: web.Request) -> web.Response:
        """Says of a request's session what its token may do, and from which address it comes: `{"role": "ROLE_READ", "address": …}`."""
        try:
            token = self._sessions.token(request.headers)
            if token is None:
                return _said(401, 16, "nobody is signed in")
            identity = await self._admitted(request, token)
        except Refusal as refusal:
            return _refusal(refusal)
        except (Trouble, PeerFailed) as error:
            return _not_available(error)
        facts = {"role": f"ROLE_{identity.role.upper()}", "address": request.headers.get(CLIENT_ADDRESS_HEADER, "")}
        return web.json_response(facts, headers={"cache-control": "no-store"})

    async def sign_out(self, request: web.Request) -> web.Response:
        """Takes the cookie away."""
        if not request.headers.get(APP_HEADER):
            return _said(403, 7, f"the header {APP_HEADER} is due")
        answer = web.json_response({}, headers={"cache-control": "no-store"})
        answer.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return answer

    async def make_link(self, request: web.Request) -> web.Response:
        """Makes the code of a one-time link for the token of `authorization: Bearer …`."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return _said(401, 16, "no access token: send the header authorization: Bearer <token>")
        refused = await self._refused(request, token.strip())
        if refused is not None:
            return refused
        return web.json_response(
            {"code": self._sessions.seal_code(token.strip())}, headers={"cache-control": "no-store"}
        )

    async def _refused(self, request: web.Request, token: str, link: Code | None = None) -> web.Response | None:
        """What whoever is not let in is told. A link is used up last: what fails before that leaves it as it was."""
        try:
            identity = await self._admitted(request, token)
            is_let_in = link is None or await self._take_link(identity.account_id, link)
        except Refusal as refusal:
            return _refusal(refusal)
        except (Trouble, PeerFailed) as error:
            return _not_available(error)
        return None if is_let_in else _link_is_over()

    async def _admitted(self, request: web.Request, token: str) -> Identity:
        identity = await self._authenticate(token_sha256(token), None)
        identity.admit(request.headers.get(CLIENT_ADDRESS_HEADER, ""))
        return identity


def origin_of(objects: ObjectStore) -> str:
    """Where players are led to, as a content security policy names it; empty for a store without an address of its own."""
    parts = urlsplit(objects.signed_url("x", "GET", timedelta(minutes=1)) or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


async def _body(request: web.Request) -> bytes:
    """A small body, whatever its headers say of its length. Raises TimeoutError, and ValueError for one that is too long."""
    body = b""
    async with asyncio.timeout(BODY_S):
        async for piece in request.content.iter_any():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                raise ValueError(f"the body has more than {MAX_BODY_BYTES} bytes")
    return body


def _facts(body: bytes) -> dict[str, object]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def _read_files(folder: Path) -> dict[str, _File]:
    found = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file():
            data = path.read_bytes()
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
            found[path.relative_to(folder).as_posix()] = _File(kind, data, gzip.compress(data, 9, mtime=0), etag)
    return found


def _refusal(refusal: Refusal) -> web.Response:
    status, code = _STATUSES.get(ERRORS[refusal.mnemonic].grpc_code, (400, 3))
    headers = {} if refusal.retry_after_s is None else {"retry-after": str(ceil(refusal.retry_after_s))}
    return _said(status, code, refusal.why, headers)


def _link_is_over() -> web.Response:
    return _said(401, 16, "this link was used already, or its time is over: `calldock open` makes another")


def _not_available(error: Exception) -> web.Response:
    log.warning("app_door.trouble", reason=str(error))
    return _said(503, 14, "not available at the moment, try again")


def _said(status: int, code: int, message: str, headers: Mapping[str, str] = MappingProxyType({})) -> web.Response:
    return web.json_response(
        {"code": code, "message": message, "details": []},
        status=status,
        headers={"cache-control": "no-store", **headers},
    )
