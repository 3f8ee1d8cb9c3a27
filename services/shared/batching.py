"""Many small asks, answered together: what comes while one round is under way makes up the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Hands what many ask for to `answer_all`, a round at a time, at most `most` at once. An idle one answers at once."""

    def __init__(self, answer_all: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, most: int) -> None:
        self._answer_all = answer_all
        self._most = most
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._round: asyncio.Task[None] | None = None

    async def ask(self, asked: T) -> R:
        """The answer to one ask. Raises what the round raised that it was part of."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        if self._round is None:
            self._round = asyncio.create_task(self._answer_until_none_waits())
        return await future

    async def _answer_until_none_waits(self) -> None:
        try:
            while self._waiting:
                part, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._answer(part)
        finally:
            self._round = None

    async def _answer(self, part: Sequence[tuple[T, "asyncio.Future[R]"]]) -> None:
        try:
            answers = await self._answer_all([asked for asked, _ in part])
        except Exception as error:  # noqa: BLE001 - each asker gets it
            for _, future in part:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(part, answers, strict=True):
            if not future.done():
                future.set_result(answer)
