"""The processes that post, as notify has them: each is given what it has room for, and a stop ends what has begun."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from services.notify.answers import Answer
from services.notify.notification import AttemptOutcome
from services.notify.poster_settings import PosterSettings
from services.notify.posters import Posters
from services.shared.errors import Trouble

Ended = Answer | Trouble
Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def settings(*, timeout_s: float, at_once: int) -> PosterSettings:
    return PosterSettings(allowed="127.0.0.1", setting="X", ca_file="", timeout_s=timeout_s, at_once=at_once)


async def post(posters: Posters, url: str) -> Ended:
    try:
        async with posters.of(url) as poster:
            return await poster.post(url, {}, "{}")
    except Trouble as trouble:
        return trouble


@asynccontextmanager
async def a_receiver(answer: Answering) -> AsyncIterator[str]:
    """Serves until all connections have ended."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        await reader.readuntil(b"{}")
        await answer(reader, writer)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        await asyncio.gather(*serving)


@asynccontextmanager
async def running(posters: Posters) -> AsyncIterator[None]:
    task = asyncio.create_task(posters.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_process_with_much_to_do_is_not_taken_for_one_that_hangs() -> None:
    async def never(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    posters = Posters(1, settings(timeout_s=0.3, at_once=2), grace_s=0.6)
    async with a_receiver(never) as url, running(posters):
        ended = await asyncio.gather(*(post(posters, url) for _ in range(16)))

    # Eight turns take 2.4 s, a process is replaced after 1.2 s without an answer.
    assert [each.outcome if isinstance(each, Answer) else str(each) for each in ended] == [AttemptOutcome.TIMEOUT] * 16


async def test_a_stop_ends_what_has_begun_and_begins_nothing_else_whoever_is_signalled() -> None:
    asked: list[asyncio.StreamWriter] = []
    two_asked, may_answer = asyncio.Event(), asyncio.Event()

    async def when_told(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(writer)
        if len(asked) == 2:
            two_asked.set()
        await may_answer.wait()
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()

    posters = Posters(1, settings(timeout_s=20, at_once=2))
    async with a_receiver(when_told) as url, running(posters):
        posts = [asyncio.create_task(post(posters, url)) for _ in range(9)]
        await two_asked.wait()
        posters.stop()
        for child in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
            if b"services.notify.poster" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGTERM)
                os.kill(int(child), signal.SIGINT)
        not_begun = [each.result() for each in (await asyncio.wait(posts, return_when="FIRST_COMPLETED"))[0]]
        while len(not_begun) < 7:
            await asyncio.sleep(0.01)
            not_begun = [each.result() for each in posts if each.done()]
        may_answer.set()
        ended = await asyncio.gather(*posts)

    assert all(isinstance(each, Trouble) for each in not_begun)
    assert sorted(each.http_status for each in ended if isinstance(each, Answer) and each.http_status) == [204, 204]
    assert len(asked) == 2
