"""Things that are done together: in turns for a key, each answered for itself."""

import asyncio
from collections.abc import Sequence

import pytest

from services.shared.errors import Trouble
from services.shared.gathering import Gathering


class Slow:
    """Does things when it is told to, and notes what went together."""

    def __init__(self) -> None:
        self.together: list[tuple[str, list[int]]] = []
        self.may_go = asyncio.Event()
        self.is_broken = False

    async def do(self, key: str, things: Sequence[int]) -> Sequence[int]:
        self.together.append((key, list(things)))
        await self.may_go.wait()
        if self.is_broken:
            raise Trouble("away")
        if 13 in things:
            raise KeyError("a bug that 13 brings about")
        return [thing * 10 for thing in things]


async def settle() -> None:
    """Lets what can run now run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_first_goes_at_once_and_those_that_wait_meanwhile_together() -> None:
    slow = Slow()
    gathering = Gathering(slow.do)

    asked = [asyncio.ensure_future(gathering.ask("a", thing)) for thing in (1, 2, 3)]
    await settle()
    asked += [asyncio.ensure_future(gathering.ask("a", 4)), asyncio.ensure_future(gathering.ask("b", 5))]
    await settle()
    begun = list(slow.together)
    slow.may_go.set()

    assert await asyncio.gather(*asked) == [10, 20, 30, 40, 50]
    # The first task runs when the others have asked too.
    assert begun == [("a", [1, 2, 3]), ("b", [5])]
    assert slow.together == [("a", [1, 2, 3]), ("b", [5]), ("a", [4])]


async def test_what_was_answered_is_told_when_those_who_asked_have_it() -> None:
    heard: list[object] = []
    slow = Slow()
    slow.may_go.set()
    gathering = Gathering(slow.do, answered=lambda key, answers: heard.append((key, list(answers))))

    async def ask(thing: int) -> None:
        heard.append(await gathering.ask("a", thing))

    await asyncio.gather(*(ask(thing) for thing in (1, 2)))
    await settle()

    assert heard == [10, 20, ("a", [10, 20])]


async def asked_one_after_the_other(gathering: "Gathering[str, int, int]") -> list["asyncio.Future[int]"]:
    asked: list[asyncio.Future[int]] = []
    for thing in (3, 4, 5):
        asked.append(asyncio.ensure_future(gathering.ask("a", thing)))
        await settle()
    return asked


async def test_after_several_at_a_time_as_many_go_together_next(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody waits so long: they go when they are as many.
    monkeypatch.setattr("services.shared.gathering.LONGEST_MOMENT_S", 3600.0)
    slow = Slow()
    slow.may_go.set()
    gathering = Gathering(slow.do, moment_s=3600.0)

    await asyncio.gather(*(gathering.ask("a", thing) for thing in (0, 1, 2)))
    await asyncio.gather(*await asked_one_after_the_other(gathering))

    assert slow.together == [("a", [0, 1, 2]), ("a", [3, 4, 5])]


async def test_fewer_than_before_go_when_the_moment_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.shared.gathering.LONGEST_MOMENT_S", 0.5)
    slow = Slow()
    slow.may_go.set()
    gathering = Gathering(slow.do, moment_s=3600.0)

    await asyncio.gather(*(gathering.ask("a", thing) for thing in (0, 1, 2, 9)))
    await asyncio.gather(*await asked_one_after_the_other(gathering))

    assert slow.together == [("a", [0, 1, 2, 9]), ("a", [3, 4, 5])]


async def test_who_comes_alone_waits_for_nobody() -> None:
    slow = Slow()
    slow.may_go.set()
    gathering = Gathering(slow.do, moment_s=1.0)

    await gathering.ask("a", 1)
    await asyncio.gather(*await asked_one_after_the_other(gathering))

    assert slow.together == [("a", [1]), ("a", [3]), ("a", [4]), ("a", [5])]


async def test_no_more_go_together_than_may() -> None:
    slow = Slow()
    slow.may_go.set()
    gathering = Gathering(slow.do, lambda things: min(2, len(things)))

    assert await asyncio.gather(*(gathering.ask("a", thing) for thing in range(5))) == [0, 10, 20, 30, 40]
    assert slow.together == [("a", [0, 1]), ("a", [2, 3]), ("a", [4])]


async def test_a_bug_meets_only_the_one_that_brings_it_about() -> None:
    slow = Slow()
    slow.may_go.set()
    gathering = Gathering(slow.do)

    answers = await asyncio.gather(*(gathering.ask("a", thing) for thing in (12, 13, 14)), return_exceptions=True)

    assert answers[0] == 120
    assert isinstance(answers[1], KeyError)
    assert answers[2] == 140


async def test_trouble_meets_all_and_nothing_is_tried_again() -> None:
    slow = Slow()
    slow.may_go.set()
    slow.is_broken = True
    gathering = Gathering(slow.do)

    answers = await asyncio.gather(*(gathering.ask("a", thing) for thing in (1, 2)), return_exceptions=True)

    assert [type(answer) for answer in answers] == [Trouble, Trouble]
    assert slow.together == [("a", [1, 2])]


async def test_who_gives_up_takes_nobody_along_and_is_not_begun() -> None:
    slow = Slow()
    gathering = Gathering(slow.do)
    first = asyncio.ensure_future(gathering.ask("a", 1))
    await settle()
    second, third = (asyncio.ensure_future(gathering.ask("a", thing)) for thing in (2, 3))
    await settle()

    first.cancel()
    second.cancel()
    await settle()
    slow.may_go.set()

    assert await third == 30
    assert slow.together == [("a", [1]), ("a", [3])]
    with pytest.raises(asyncio.CancelledError):
        await first
