"""`python -m services.notify.poster FD`: a process that posts, and does nothing else.

It reads what strangers answer, so it has no database and no key; it knows what it is to send and no more. It ends when its socket does.
"""

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

from services.notify.answers import Answer, Post, answers_frame, read_frame, read_posts
from services.notify.poster_settings import PosterSettings, read_environment
from services.notify.receiver import Receivers
from services.shared.addresses import AddressPolicy
from services.shared.egress import EgressGuard, trusting
from services.shared.memory import tune_memory
from services.shared.settings import split_list


class Poster:
    """Posts what comes over a socket and answers over it, what ended together at once."""

    def __init__(self, receivers: Receivers, writer: asyncio.StreamWriter, at_once: int) -> None:
        self._receivers = receivers
        self._room = asyncio.Semaphore(at_once)
        self._writer = writer
        self._ended: list[tuple[int, Answer]] = []
        self._running: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Posts until the socket ends."""
        while True:
            try:
                entries = await read_frame(reader)
            except (asyncio.IncompleteReadError, OSError):
                return
            for post in read_posts(entries):
                task = asyncio.create_task(self._post(post))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def _post(self, post: Post) -> None:
        async with self._room:
            answer = await self._receivers.post(post.url, post.headers, post.body.encode())
        if not self._ended:
            asyncio.get_running_loop().call_soon(self._send)
        self._ended.append((post.number, answer))

    def _send(self) -> None:
        ended, self._ended = self._ended, []
        self._writer.write(answers_frame(ended))


async def run(fd: int, settings: PosterSettings) -> NoReturn:
    """Serves the socket of this number, and ends the process with it: nobody waits for what is still under way."""
    guard = EgressGuard(AddressPolicy(split_list(settings.allowed), setting=settings.setting))
    trust = trusting(Path(settings.ca_file) if settings.ca_file else None)
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=fd))
    await Poster(Receivers(guard, trust, settings.timeout_s), writer, settings.at_once).serve(reader)
    os._exit(0)


if __name__ == "__main__":
    tune_memory()
    asyncio.run(run(int(sys.argv[1]), read_environment(os.environ)))
