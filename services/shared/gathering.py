"""Things that are cheaper together: what is asked for while others are under way goes next, all at once."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from services.shared.errors import Refusal, Refusals, Trouble
from services.shared.waiting import set_within

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
R = TypeVar("R")


LONGEST_MOMENT_S = 0.008


@dataclass(slots=True)
class _Lane(Generic[T, R]):
    waiting: "deque[tuple[T, asyncio.Future[R]]]" = field(default_factory=deque)
    running: "asyncio.Task[None] | None" = None
    wanted: int = 0
    enough: asyncio.Event = field(default_factory=asyncio.Event)


def _nothing_more(_key: object, _answers: object) -> None:
    pass


class Gathering(Generic[K, T, R]):
    """Does things of one key one after the other, those that wait together. Who comes alone goes at once; where several went together, the next ones are given a moment until they are as many."""

    def __init__(
        self,
        do: Callable[[K, Sequence[T]], Awaitable[Sequence[R]]],
        how_many: Callable[[Sequence[T]], int] = len,
        *,
        moment_s: float = 0.0,
        answered: Callable[[K, Sequence[R]], None] = _nothing_more,
    ) -> None:
        """`do` answers for each thing. `how_many` says how many of the first that wait go together, at least one. `moment_s` is how long that moment is at most, for each of those that went. `answered` is told what was answered, when those who asked have it."""
        self._do = do
        self._answered = answered
        self._how_many = how_many
        self._moment_s = moment_s
        self._lanes: dict[K, _Lane[T, R]] = {}

    async def ask(self, key: K, thing: T) -> R:
        """What `do` answers for the thing; done is what was begun, also when nobody waits for it any more. Raises what `do` raises: a refusal or trouble meets all that went together, any other exception the
        one alone that brings it about."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        lane.waiting.append((thing, answer))
        if len(lane.waiting) == lane.wanted:
            lane.enough.set()
        if lane.running is None:
            # A task of its own: who came first may give up while others wait.
            lane.running = asyncio.create_task(self._run(key, lane))
        return await answer

    async def _run(self, key: K, lane: _Lane[T, R]) -> None:
        while lane.waiting:
            # Who has given up before anything was begun is not done.
            waiting = [each for each in lane.waiting if not each[1].done()]
            some = waiting[: self._how_many([thing for thing, _ in waiting])] if waiting else []
            lane.waiting = deque(waiting[len(some) :])
            if some:
                await self._do_some(key, some)
            if len(some) > 1 and self._moment_s:
                # As many as were answered now are likely to ask again: one by one they would cost as much each.
                lane.wanted = len(some)
                if len(lane.waiting) < lane.wanted:
                    lane.enough.clear()
                    await set_within(lane.enough, min(self._moment_s * len(some), LONGEST_MOMENT_S))
        del self._lanes[key]

    async def _do_some(self, key: K, some: "Sequence[tuple[T, asyncio.Future[R]]]") -> None:
        try:
            answers = await self._do(key, [thing for thing, _ in some])
        except (Refusal, Refusals, Trouble) as refused:
            _fail(some, refused)
        except Exception as error:  # noqa: BLE001 - a bug: whoever asked has it, and nobody else
            if len(some) == 1:
                _fail(some, error)
            else:
                for one in some:
                    await self._do_some(key, [one])
        else:
            for (_, answer), result in zip(some, answers, strict=True):
                if not answer.done():
                    answer.set_result(result)
            asyncio.get_running_loop().call_soon(self._answered, key, answers)


def _fail(some: "Sequence[tuple[object, asyncio.Future[R]]]", error: Exception) -> None:
    for _, answer in some:
        if not answer.done():
            answer.set_exception(error)
