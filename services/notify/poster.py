"""`python -m services.notify.poster FD`: a process that posts, and does nothing else.

It reads what strangers answer, so it has no database and no key; it knows what it is to send and no more. It ends when its socket does.
"""

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from pathlib import Path
from typing import NoReturn

from services.notify.answers import IS_READY, Ending, NotPosted, Post, read_posts, write_answers
from services.notify.poster_settings import PosterSettings, read_environment
from services.notify.receiver import Receivers
from services.shared.addresses import AddressPolicy
from services.shared.egress import EgressGuard, trusting
from services.shared.errors import Trouble
from services.shared.frames import frame, read_frame
from services.shared.logs import set_up_logs
from services.shared.memory import tune_memory
from services.shared.settings import split_list


class Poster:
    """Posts what comes over a socket, so many at once, and answers over it, what ended together at once."""

    def __init__(self, receivers: Receivers, writer: asyncio.StreamWriter, at_once: int) -> None:
        self._receivers = receivers
        self._at_once = at_once
        self._writer = writer
        self._next: deque[Post] = deque()
        self._ended: list[tuple[int, Ending]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._begins = True

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Posts until the socket ends."""
        while True:
            try:
                posts = read_posts(await read_frame(reader))
            except (asyncio.IncompleteReadError, OSError):
                return
            self._next.extend(posts)
            if not posts:
                self._begins = False
            if self._begins:
                self._begin()
            else:
                self._hand_back()

    def _begin(self) -> None:
        while self._next and len(self._running) < self._at_once:
            task = asyncio.create_task(self._post_until_none_is_next(self._next.popleft()))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _hand_back(self) -> None:
        while self._next:
            self._end(self._next.popleft(), NotPosted("notify stops"))

    async def _post_until_none_is_next(self, post: Post) -> None:
        while True:
            try:
                ending: Ending = await self._receivers.post(post.url, post.headers, post.body.encode())
            except Trouble as trouble:
                ending = NotPosted(str(trouble))
            self._end(post, ending)
            if not self._next:
                return
            post = self._next.popleft()

    def _end(self, post: Post, ending: Ending) -> None:
        if not self._ended:
            asyncio.get_running_loop().call_soon(self._send)
        self._ended.append((post.number, ending))

    def _send(self) -> None:
        ended, self._ended = self._ended, []
        self._writer.write(frame(write_answers(ended)))


async def run(fd: int, settings: PosterSettings) -> NoReturn:
    """Serves the socket of this number, and ends the process with it: nobody waits for what is still under way."""
    guard = EgressGuard(AddressPolicy(split_list(settings.allowed), setting=settings.setting))
    trust = trusting(Path(settings.ca_file) if settings.ca_file else None)
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=fd))
    writer.write(frame(write_answers(IS_READY)))
    await Poster(Receivers(guard, trust, settings.timeout_s), writer, settings.at_once).serve(reader)
    os._exit(0)


if __name__ == "__main__":
    # A stop that is asked of all processes of a machine or a terminal is notify's to carry out: it lets us finish, and hangs up.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    set_up_logs("notify")
    tune_memory()
    asyncio.run(run(int(sys.argv[1]), read_environment(os.environ)))
