"""The processes that post: started, given what to post, and replaced when they die."""

import asyncio
import socket
import sys
from collections.abc import Mapping
from datetime import timedelta
from zlib import crc32

import structlog

from services.notify.answers import (
    BEGIN_NO_MORE,
    Answer,
    Ending,
    NotPosted,
    Post,
    posts_frame,
    read_answers,
    read_frame,
)
from services.notify.notification import receiver_host
from services.notify.poster_settings import PosterSettings
from services.shared.backoff import exponential
from services.shared.errors import Trouble

log = structlog.get_logger()

GRACE_S = 15.0
"""Beyond a receiver's time: a process that has not answered by then is replaced."""
HANDED_OUT = 2
"""Posts that a process is given at most, as a multiple of those that it has under way: it never waits for the next one, and none waits in it for longer than a receiver's time."""
START_S = 60.0
"""So long a process may take to begin."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=0.1), timedelta(seconds=10)
FRAME_POSTS = 200


class Posters:
    """A fixed number of processes; all posts to one host go through the same one, which keeps its connections."""

    def __init__(self, number: int, settings: PosterSettings, grace_s: float = GRACE_S) -> None:
        """A process that does not answer is replaced `grace_s` seconds after all that it may have had to do."""
        self._posters = [PosterProcess(settings, grace_s) for _ in range(number)]

    def of(self, url: str) -> "PosterProcess":
        """The process that posts to the host of this link: to be entered (`async with`), which waits for room in it."""
        return self._posters[crc32(receiver_host(url).encode()) % len(self._posters)]

    async def run(self) -> None:
        """Keeps the processes running, until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for poster in self._posters:
                group.create_task(poster.run())
                group.create_task(poster.watch())

    def stop(self) -> None:
        """No further exchange begins: what waits for one ends in Trouble, what is under way goes on."""
        for poster in self._posters:
            poster.stop()


class PosterProcess:
    """One process, and what it was given. Entering it waits for room, and raises Trouble after `stop`."""

    def __init__(self, settings: PosterSettings, grace_s: float) -> None:
        self._settings = settings
        self._grace_s = grace_s
        self._room = asyncio.Semaphore(HANDED_OUT * settings.at_once)
        self._writer: asyncio.StreamWriter | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._ready = asyncio.Event()
        self._next: list[Post] = []
        self._waiting: dict[int, tuple[float, asyncio.Future[Ending]]] = {}
        self._last = 0
        self._is_stopping = False

    async def __aenter__(self) -> "PosterProcess":
        await self._room.acquire()
        try:
            while self._writer is None and not self._is_stopping:
                await self._ready.wait()
            if self._is_stopping:
                raise Trouble("nothing is posted any more: notify stops")
        except BaseException:
            self._room.release()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._room.release()

    async def post(self, url: str, headers: Mapping[str, str], body: str) -> Answer:
        """Posts the body once, within the room that was entered. Every failure of the receiver is an answer; redirects are not followed.

        Raises Trouble when it was not posted, or when that is not known because the process died meanwhile.
        """
        if self._writer is None:
            raise Trouble("the process that posts died")
        loop = asyncio.get_running_loop()
        self._last += 1
        number = self._last
        future: asyncio.Future[Ending] = loop.create_future()
        self._waiting[number] = (loop.time(), future)
        # What is asked for in one turn of the loop goes together.
        if not self._next:
            loop.call_soon(self._send)
        self._next.append(Post(number, url, headers, body))
        try:
            ending = await future
        finally:
            self._waiting.pop(number, None)
        if isinstance(ending, NotPosted):
            raise Trouble(ending.reason)
        return ending

    def stop(self) -> None:
        """As of all processes."""
        self._is_stopping = True
        self._ready.set()
        if self._writer is not None:
            self._send()
            self._writer.write(posts_frame(BEGIN_NO_MORE))

    async def run(self) -> None:
        """Keeps the process running, until it is cancelled."""
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
        most_s = HANDED_OUT * self._settings.timeout_s + self._grace_s
        while True:
            await asyncio.sleep(self._grace_s / 3)
            # They stand in the order in which they were asked for.
            oldest = next(iter(self._waiting.values()), None)
            if oldest is not None and asyncio.get_running_loop().time() - oldest[0] > most_s:
                log.error("poster.hangs")
                self._replace()

    def _replace(self) -> None:
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
                env=self._settings.environment(),
                # What is sent to all of ours at a terminal is for us alone: it ends with its socket.
                process_group=0,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        self._process = process
        try:
            async with asyncio.timeout(START_S):
                await read_frame(reader)
            self._writer = writer
            self._ready.set()
            while True:
                for number, answer in read_answers(await read_frame(reader)):
                    waiting = self._waiting.get(number)
                    if waiting is not None and not waiting[1].done():
                        waiting[1].set_result(answer)
        except (asyncio.IncompleteReadError, OSError):
            # A TimeoutError at its start is one too.
            return
        except Exception:
            # It reads what strangers send: whatever it sends us then must not end us.
            log.exception("poster.not_understood")
        finally:
            if not self._is_stopping:
                self._ready.clear()
            self._writer = None
            writer.close()
            self._replace()
            await asyncio.shield(process.wait())
            self._next.clear()
            for _, future in self._waiting.values():
                if not future.done():
                    future.set_exception(Trouble("the process that posts died"))

    def _send(self) -> None:
        posts, self._next = self._next, []
        if self._writer is None:
            # Who asked hears of it when the process that died is gone.
            return
        for start in range(0, len(posts), FRAME_POSTS):
            self._writer.write(posts_frame(posts[start : start + FRAME_POSTS]))
