"""The processes that post: started, given what to post, and replaced when they die."""

import asyncio
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from zlib import crc32

import structlog

from services.notify.answers import Answer, Post, posts_frame, read_answers, read_frame
from services.notify.notification import receiver_host
from services.notify.poster_settings import PosterSettings
from services.shared.backoff import exponential
from services.shared.errors import Trouble

log = structlog.get_logger()

GRACE_S = 15.0
"""Beyond a receiver's time: a process that has not answered by then is replaced."""
HANDED_OUT = 2
"""Posts that are handed out, as a multiple of those that are under way at once: a process never waits for the next one."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=0.1), timedelta(seconds=10)
FRAME_POSTS = 200


class Posters:
    """A fixed number of processes; all posts to one host go through the same one, which keeps its connections."""

    def __init__(self, number: int, settings: PosterSettings) -> None:
        self._posters = [_Poster(settings) for _ in range(number)]

    async def post(self, url: str, headers: Mapping[str, str], body: str) -> Answer:
        """Posts the body once. Every failure is an answer; redirects are not followed. Raises Trouble when the process died meanwhile."""
        return await self._posters[crc32(receiver_host(url).encode()) % len(self._posters)].post(url, headers, body)

    async def run(self) -> None:
        """Keeps the processes running, until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for poster in self._posters:
                group.create_task(poster.run())
                group.create_task(poster.watch())


@dataclass(slots=True)
class _Poster:
    settings: PosterSettings
    _writer: asyncio.StreamWriter | None = None
    _process: asyncio.subprocess.Process | None = None
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _next: list[Post] = field(default_factory=list)
    _waiting: dict[int, tuple[float, "asyncio.Future[Answer]"]] = field(default_factory=dict)
    _last: int = 0

    async def post(self, url: str, headers: Mapping[str, str], body: str) -> Answer:
        while self._writer is None:
            await self._ready.wait()
        loop = asyncio.get_running_loop()
        self._last += 1
        number = self._last
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting[number] = (loop.time(), future)
        # What is asked for in one turn of the loop goes together.
        if not self._next:
            loop.call_soon(self._send)
        self._next.append(Post(number, url, headers, body))
        try:
            return await future
        finally:
            self._waiting.pop(number, None)

    async def run(self) -> None:
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._run_once()
            except OSError as error:
                log.warning("poster.not_started", reason=str(error))
            lived_s = asyncio.get_running_loop().time() - began
            failures = 1 if lived_s > LONGEST_PAUSE.total_seconds() else failures + 1
            log.warning("poster.died", lived_s=round(lived_s, 1))
            await asyncio.sleep(exponential(failures, FIRST_PAUSE, LONGEST_PAUSE).total_seconds())

    async def watch(self) -> None:
        """Ends a process that does not answer in time: whatever holds it up, the next one begins anew."""
        # As many may wait in it as are under way.
        most_s = HANDED_OUT * self.settings.timeout_s + GRACE_S
        while True:
            await asyncio.sleep(GRACE_S / 3)
            # They stand in the order in which they were asked for.
            oldest = next(iter(self._waiting.values()), None)
            if oldest is not None and asyncio.get_running_loop().time() - oldest[0] > most_s:
                log.error("poster.hangs")
                self.replace()

    def replace(self) -> None:
        """Ends the process; `run` starts another one."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _run_once(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "services.notify.poster",
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                env=self.settings.environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        self._process, self._writer = process, writer
        self._ready.set()
        try:
            while True:
                for number, answer in read_answers(await read_frame(reader)):
                    waiting = self._waiting.get(number)
                    if waiting is not None and not waiting[1].done():
                        waiting[1].set_result(answer)
        except (asyncio.IncompleteReadError, OSError):
            return
        except Exception:
            # It reads what strangers send: whatever it sends us then must not end us.
            log.exception("poster.not_understood")
        finally:
            self._ready.clear()
            self._writer = None
            writer.close()
            self.replace()
            await asyncio.shield(process.wait())
            self._next.clear()
            for _, future in self._waiting.values():
                if not future.done():
                    future.set_exception(Trouble("the process that posts died"))

    def _send(self) -> None:
        posts, self._next = self._next, []
        if self._writer is None:
            return
        for start in range(0, len(posts), FRAME_POSTS):
            self._writer.write(posts_frame(posts[start : start + FRAME_POSTS]))
