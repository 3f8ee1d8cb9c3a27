"""The processes that post: started, given what to post, and replaced when they die."""

import asyncio
from collections.abc import Mapping
from zlib import crc32

from services.notify.answers import BEGIN_NO_MORE, Answer, Ending, NotPosted, Post, read_answers, write_posts
from services.notify.notification import receiver_host
from services.notify.poster_settings import PosterSettings
from services.shared.errors import Trouble
from services.shared.kept_process import KeptProcess

GRACE_S = 15.0
"""Beyond a receiver's time: a process that has not answered by then is replaced."""
HANDED_OUT = 2
"""Posts that a process is given at most, as a multiple of those that it has under way: it never waits for the next one, and none waits in it for longer than a receiver's time."""
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

    def stop(self) -> None:
        """No further exchange begins: what waits for one ends in Trouble, what is under way goes on."""
        for poster in self._posters:
            poster.stop()


class PosterProcess:
    """One process, and what it was given. Entering it waits for room, and raises Trouble after `stop`."""

    def __init__(self, settings: PosterSettings, grace_s: float) -> None:
        self._process: KeptProcess[Ending] = KeptProcess(
            "poster",
            "services.notify.poster",
            (),
            read_answers,
            # As many may wait in it as are under way.
            longest_s=HANDED_OUT * settings.timeout_s + grace_s,
            environment=settings.environment(),
        )
        self._room = asyncio.Semaphore(HANDED_OUT * settings.at_once)
        self._next: list[Post] = []

    async def __aenter__(self) -> "PosterProcess":
        await self._room.acquire()
        try:
            await self._process.until_ready()
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
        with self._process.asked() as (number, answer):
            # What is asked for in one turn of the loop goes together.
            if not self._next:
                asyncio.get_running_loop().call_soon(self._send)
            self._next.append(Post(number, url, headers, body))
            ending = await answer
        if isinstance(ending, NotPosted):
            raise Trouble(ending.reason)
        return ending

    def stop(self) -> None:
        """As of all processes."""
        self._process.stop()
        self._send()
        self._process.send(write_posts(BEGIN_NO_MORE))

    async def run(self) -> None:
        """Keeps the process running, until it is cancelled."""
        await self._process.run()

    def _send(self) -> None:
        posts, self._next = self._next, []
        for start in range(0, len(posts), FRAME_POSTS):
            self._process.send(write_posts(posts[start : start + FRAME_POSTS]))
