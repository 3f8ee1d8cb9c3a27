"""Look-ups of names: each once at a time, remembered for a moment, none in another's way for long."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from services.shared.addresses import Address, AddressPolicy, AddressRefused
from services.shared.egress import EgressGuard
from services.shared.errors import Trouble
from services.shared.look_ups import MOST_REMEMBERED, REMEMBERED_S, LookUps

PUBLIC = ip_address("198.41.0.4")


class Names:
    """A resolver that counts who is asked for. Dead names hang until `revive`, gone ones have no address."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.alive = threading.Event()
        self.now_s = 0.0

    def ask(self, host: str, port: int) -> set[Address]:
        self.asked[host] += 1
        if host.startswith("dead") and not self.alive.wait(30):
            raise AssertionError("never revived")
        if host.startswith("gone"):
            raise OSError("no such name")
        return {PUBLIC}

    def clock(self) -> float:
        return self.now_s


@pytest.fixture
def names() -> Iterator[Names]:
    names = Names()
    yield names
    names.alive.set()


async def find(look_ups: LookUps, host: str) -> frozenset[Address]:
    return await look_ups.finish(await look_ups.begin(host, 443))


async def test_look_ups_of_one_name_at_once_are_one(names: Names) -> None:
    look_ups = LookUps(names.ask, at_once=1)

    asking = asyncio.gather(*(find(look_ups, "dead.example") for _ in range(20)))
    while not names.asked:
        await asyncio.sleep(0)
    names.alive.set()

    assert await asking == [{PUBLIC}] * 20
    assert names.asked == {"dead.example": 1}


async def test_those_that_waited_for_a_thread_share_what_the_first_of_them_begins(names: Names) -> None:
    look_ups = LookUps(names.ask, at_once=1)
    await look_ups.begin("dead.example", 443)

    asking = asyncio.gather(*(find(look_ups, "other.example") for _ in range(3)))
    await asyncio.sleep(0)
    names.alive.set()

    assert await asking == [{PUBLIC}] * 3
    assert names.asked == {"dead.example": 1, "other.example": 1}


async def test_an_answer_is_remembered_for_a_moment(names: Names) -> None:
    look_ups = LookUps(names.ask, clock=names.clock)

    await find(look_ups, "name.example")
    names.now_s = REMEMBERED_S
    await find(look_ups, "name.example")
    assert names.asked["name.example"] == 1

    names.now_s = REMEMBERED_S + 0.1
    await find(look_ups, "name.example")
    assert names.asked["name.example"] == 2


async def test_no_more_answers_are_remembered_than_there_is_room_for(names: Names) -> None:
    look_ups = LookUps(names.ask, at_once=4, clock=names.clock)

    for number in range(MOST_REMEMBERED + 1):
        await find(look_ups, f"{number}.example")
    for number in (0, MOST_REMEMBERED):
        await find(look_ups, f"{number}.example")

    assert names.asked["0.example"] == 2
    assert names.asked[f"{MOST_REMEMBERED}.example"] == 1


async def test_a_failure_is_not_remembered(names: Names) -> None:
    look_ups = LookUps(names.ask, at_once=1)

    for _ in range(2):
        with pytest.raises(OSError, match="no such name"):
            await find(look_ups, "gone.example")

    assert names.asked["gone.example"] == 2


async def test_a_dead_name_holds_one_thread_however_often_it_is_asked_for(names: Names) -> None:
    look_ups = LookUps(names.ask, at_once=2, patience_s=0)

    for _ in range(3):
        with pytest.raises(OSError, match="in time"):
            await find(look_ups, "dead.example")
    names.alive.set()
    ended = await look_ups.begin("dead.example", 443)
    await ended.addresses

    assert names.asked == {"dead.example": 1}
    assert await find(look_ups, "dead.example") == {PUBLIC}


async def test_who_finds_no_thread_free_is_told_so(names: Names) -> None:
    look_ups = LookUps(names.ask, at_once=2, patience_s=0)
    for number in range(2):
        await look_ups.begin(f"dead{number}.example", 443)

    with pytest.raises(Trouble, match="no thread was free"):
        await look_ups.begin("name.example", 443)

    assert "name.example" not in names.asked


async def test_a_thread_is_free_again_when_its_look_up_ended_with_nobody_waiting(names: Names) -> None:
    look_ups = LookUps(names.ask, at_once=1)
    asking = asyncio.create_task(find(look_ups, "dead-and-gone.example"))
    while not names.asked:
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait({asking})
    names.alive.set()

    assert await find(look_ups, "name.example") == {PUBLIC}


async def test_what_is_remembered_is_judged_again_for_each_port() -> None:
    inside = {ip_address("10.0.0.1")}
    guard = EgressGuard(
        AddressPolicy(["name.example:443"], setting="CALLDOCK_EGRESS_ALLOW"),
        look_ups=LookUps(lambda host, port: inside),
    )

    assert set(await guard.addresses("name.example", 443)) == inside
    with pytest.raises(AddressRefused, match="CALLDOCK_EGRESS_ALLOW"):
        await guard.addresses("name.example", 8443)
