"""Watching while others write: nothing is missed and nothing comes twice, whoever writes, and wherever one goes on."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import pytest

from services.intake.server import MIGRATIONS
from services.intake.store.change_log import note_changes
from services.intake.watching import MOST_STREAMS, Bell, Told, Watching, cursor_of, read_cursor
from services.shared.clock import SystemClock
from services.shared.db.database import Database
from services.shared.db.postgres import PostgresDatabase
from services.shared.errors import Mnemonic, Refusal, Trouble
from services.shared.identity import AccountId
from tests.stores.conftest import a_postgres
from tests.support.makers import NOON

ACCOUNT = AccountId(1)
WRITERS, EACH = 8, 60


async def admitted() -> None:
    """Always."""


async def write_many(db: Database, bell: Bell, writer: int) -> None:
    rng = random.Random(writer)
    for number in range(EACH):
        count = rng.randint(1, 3)
        changed = [(writer * 1000 + number, f"{writer}/{number}/{place}") for place in range(count)]
        await db.write(note_changes, ACCOUNT, changed, NOON)
        bell.ring()


async def hear(watching: Watching, cursor: str, most: int) -> list[Told]:
    """Hears so many changes, or as many as come before there is one of the end, and hangs up."""
    heard: list[Told] = []
    async with aclosing(watching.watch(ACCOUNT, cursor, admitted)) as watched:
        async for told in watched:
            if told.change is not None:
                heard.append(told)
            if len(heard) == most or (heard and heard[-1].change and heard[-1].change.status == "end"):
                return heard
    return heard


async def hear_to_the_end(watching: Sequence[Watching], cursor: str, rng: random.Random) -> list[Told]:
    """Hears all, going on elsewhere after every few changes."""
    heard: list[Told] = []
    while not heard or heard[-1].change is None or heard[-1].change.status != "end":
        heard += await hear(rng.choice(watching), heard[-1].cursor if heard else cursor, rng.randint(1, 40))
    return heard


async def check_that_all_is_heard(databases: Sequence[Database]) -> None:
    bells = [Bell() for _ in databases]
    watching = [Watching(db, bell, SystemClock()) for db, bell in zip(databases, bells, strict=True)]
    start = cursor_of(ACCOUNT, 0)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        watchers = [group.create_task(hear_to_the_end(watching, start, random.Random(number))) for number in range(3)]
        async with asyncio.TaskGroup() as writing:
            for writer in range(WRITERS):
                place = writer % len(databases)
                writing.create_task(write_many(databases[place], bells[place], writer))
        await databases[0].write(note_changes, ACCOUNT, [(0, "end")], NOON)

    for watcher in watchers:
        changes = [told.change for told in watcher.result() if told.change is not None]
        assert [change.seq for change in changes] == list(range(1, len(changes) + 1))
        for writer in range(WRITERS):
            own = [change.status for change in changes if change.status.startswith(f"{writer}/")]
            rng = random.Random(writer)
            assert own == [f"{writer}/{number}/{place}" for number in range(EACH) for place in range(rng.randint(1, 3))]


async def test_with_many_writers_every_change_is_heard_once_and_in_order(intake_db: Database) -> None:
    await check_that_all_is_heard([intake_db])


@pytest.fixture
async def replicas(postgres_url: str) -> AsyncIterator[list[Database]]:
    async with a_postgres(postgres_url, "intake", MIGRATIONS) as one:
        two = PostgresDatabase(postgres_url, "intake")
        yield [one, two]
        await two.stop()


async def test_with_writers_and_watchers_at_two_replicas_every_change_is_heard_once_and_in_order(
    replicas: list[Database],
) -> None:
    await check_that_all_is_heard(replicas)


async def test_without_a_cursor_one_hears_what_comes_from_now_on(intake_db: Database) -> None:
    bell = Bell()
    await intake_db.write(note_changes, ACCOUNT, [(1, "before")], NOON)

    async with aclosing(Watching(intake_db, bell, SystemClock()).watch(ACCOUNT, "", admitted)) as watched:
        begun = await anext(watched)
        await intake_db.write(note_changes, ACCOUNT, [(1, "after")], NOON)
        bell.ring()
        told = await anext(watched)

    assert (begun.change, read_cursor(ACCOUNT, begun.cursor)) == (None, 1)
    assert told.change is not None
    assert (told.change.status, read_cursor(ACCOUNT, told.cursor)) == ("after", 2)


@pytest.mark.parametrize("cursor", ["x", "Ym9ndXM=", cursor_of(AccountId(2), 0)])
async def test_a_cursor_that_is_not_of_the_account_is_refused(intake_db: Database, cursor: str) -> None:
    with pytest.raises(Refusal) as caught:
        await anext(Watching(intake_db, Bell(), SystemClock()).watch(ACCOUNT, cursor, admitted))

    assert (caught.value.mnemonic, caught.value.path) == (Mnemonic.INVALID_PARAMETER_VALUE, ("cursor",))


async def test_an_account_has_so_many_streams_and_a_stop_ends_them(intake_db: Database) -> None:
    watching = Watching(intake_db, Bell(), SystemClock())
    streams = [watching.watch(ACCOUNT, "", admitted) for _ in range(MOST_STREAMS)]
    for stream in streams:
        await anext(stream)

    with pytest.raises(Refusal) as caught:
        await anext(watching.watch(ACCOUNT, "", admitted))
    assert caught.value.mnemonic == Mnemonic.LIMIT_EXCEEDED
    await streams.pop().aclose()
    streams.append(watching.watch(ACCOUNT, "", admitted))
    await anext(streams[-1])
    watching.stop()

    for stream in streams:
        with pytest.raises(Trouble):
            await anext(stream)
