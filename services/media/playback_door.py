"""The HTTP edge of playback: a signed link in, the recording's MP3 out, whole or in ranges (RFC 9110, 13 and 14; docs/playback.md)."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

import structlog
from aiohttp import web

from services.media.byte_range import NotSatisfiable, Part, read_range
from services.media.listeners import ListenerGone, Listeners
from services.media.peers import Intake
from services.media.playback import PATH, Playback, verify
from services.shared.clock import Clock
from services.shared.errors import Busy, Mnemonic, Refusal, Trouble
from services.shared.objects import ObjectMissing, ObjectStore
from services.shared.places import RETRY_AFTER_S

log = structlog.get_logger()

REMEMBERED_LINKS = 10_000
"""Links of which it is known that their listening was logged."""


class PlaybackDoor:
    """Serves links that were signed with a key."""

    def __init__(
        self,
        intake: Intake,
        objects: ObjectStore,
        listeners: Listeners,
        key: bytes,
        clock: Clock,
        *,
        redirects: bool = True,
    ) -> None:
        """With `redirects`, players are sent to a store that has addresses of its own."""
        self._redirects = redirects
        self._listeners = listeners
        self._intake = intake
        self._objects = objects
        self._key = key
        self._clock = clock
        self._logged: OrderedDict[str, None] = OrderedDict()

    def add_routes(self, app: web.Application) -> None:
        """Takes the links' paths of an application; HEAD comes with GET."""
        app.router.add_get(PATH + "{link}", self.play)

    async def play(self, request: web.Request) -> web.StreamResponse:
        """One request of a player. A link that is altered, expired or of anything else is 403 in the same words, so that it tells nothing."""
        link = request.match_info["link"]
        playback = verify(link, self._key, self._clock.now())
        if playback is None:
            return _said(403, 7, "this link is not valid, or not any more")
        try:
            with self._listeners.one(playback.account_id, link):
                object_key = await self._intake.audio_key(playback.account_id, playback.recording_id)
                return await self._answer(request, link, playback, object_key)
        except Refusal as refused:
            return _no_place(refused.why) if refused.mnemonic is Mnemonic.LIMIT_EXCEEDED else _not_there()
        except ObjectMissing:
            return _not_there()
        except Busy as busy:
            log.info("recording.no_place", account_id=playback.account_id, reason=str(busy))
            return _no_place("no room at the moment, try again")
        except Trouble as trouble:
            log.warning("recording.not_played", recording_id=playback.recording_id, reason=str(trouble))
            return _said(503, 14, "not available at the moment, try again")

    async def _answer(self, request: web.Request, link: str, playback: Playback, key: str) -> web.StreamResponse:
        left = max(playback.expire_time - self._clock.now(), timedelta(seconds=1))
        elsewhere = self._objects.signed_url(key, request.method, left) if self._redirects else None
        if elsewhere is not None:
            self._log(link, playback, "redirected")
            return web.Response(status=307, headers={"location": elsewhere, "cache-control": "no-store"})
        size_bytes = await self._objects.size(key)
        # What lies under a key never changes, and the key itself is nobody's business.
        etag = f'"{hashlib.sha256(key.encode()).hexdigest()[:32]}"'
        headers = {
            "accept-ranges": "bytes",
            "cache-control": "private, no-cache",
            "content-disposition": f'inline; filename="recording-{playback.recording_id}.mp3"',
            "etag": etag,
        }
        if etag in _tags(request.headers.get("if-none-match", "")):
            return web.Response(status=304, headers=headers)
        try:
            part = _asked_part(request.headers, etag, size_bytes)
        except NotSatisfiable:
            return web.Response(status=416, headers={**headers, "content-range": f"bytes */{size_bytes}"})
        self._log(link, playback, "streamed")
        if part is None:
            return await self._stream(request, playback.recording_id, key, 200, headers, Part(0, size_bytes))
        headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{size_bytes}"
        return await self._stream(request, playback.recording_id, key, 206, headers, part)

    async def _stream(
        self, request: web.Request, recording_id: int, key: str, status: int, headers: Mapping[str, str], part: Part
    ) -> web.StreamResponse:
        answer = web.StreamResponse(status=status, headers=headers)
        answer.content_type = "audio/mpeg"
        answer.content_length = part.stop - part.start
        if request.transport is not None:
            # Nothing is kept for a listener: a piece is written when the system has taken the one before.
            request.transport.set_write_buffer_limits(high=1, low=0)
        await answer.prepare(request)
        # The last piece goes with the end, which waits until it is taken.
        last = b""
        try:
            if request.method != "HEAD":
                async for piece in self._objects.part(key, part.start, part.stop):
                    async with self._listeners.taking():
                        await answer.write(last)
                    last = piece
            async with self._listeners.taking():
                await answer.write_eof(last)
        except Trouble as trouble:
            log.warning("recording.broke_off", recording_id=recording_id, reason=str(trouble))
            _break_off(request)
        except ListenerGone:
            log.info("recording.listener_gone", recording_id=recording_id)
            _break_off(request)
        except ConnectionResetError:
            log.debug("recording.listener_left", recording_id=recording_id)
        return answer

    def _log(self, link: str, playback: Playback, how: str) -> None:
        """One event a link: a player asks for many ranges of what one person hears."""
        if link in self._logged:
            self._logged.move_to_end(link)
            return
        self._logged[link] = None
        if len(self._logged) > REMEMBERED_LINKS:
            self._logged.popitem(last=False)
        log.info("recording.played", account_id=playback.account_id, recording_id=playback.recording_id, outcome=how)


def _break_off(request: web.Request) -> None:
    # The head is out: whatever else were said would be taken for audio. An end before the promised length tells.
    if request.transport is not None:
        request.transport.abort()


def _asked_part(headers: Mapping[str, str], etag: str, size_bytes: int) -> Part | None:
    condition = headers.get("if-range")
    if condition is not None and condition.strip() != etag:
        return None
    return read_range(headers.get("range", ""), size_bytes)


def _tags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


def _not_there() -> web.Response:
    return _said(404, 5, "there is no such recording to listen to")


def _no_place(why: str) -> web.Response:
    return _said(429, 8, why, {"retry-after": f"{RETRY_AFTER_S:.0f}"})


def _said(status: int, code: int, message: str, headers: Mapping[str, str] = MappingProxyType({})) -> web.Response:
    body = {"code": code, "message": message, "details": []}
    return web.json_response(body, status=status, headers={"cache-control": "no-store", **headers})
