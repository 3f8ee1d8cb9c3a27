"""What notifications are sent with, while it is changed."""

import asyncio
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import pytest
from sqlalchemy import Connection

from services.notify.custom_headers import NONE, CustomHeaders
from services.notify.secrets import Secrets
from services.notify.server import MIGRATIONS
from services.notify.signature import SignatureScheme, signer
from services.notify.store.secrets import find_headers
from services.shared.db.engine import SqliteDatabase
from services.shared.db.migrate import migrate
from services.shared.sealing import Sealer
from tests.support.makers import HandClock

P = ParamSpec("P")
R = TypeVar("R")

HMAC = SignatureScheme.HMAC_SHA256
NOW = timedelta()


class Held(SqliteDatabase):
    """A database that has read an account's secrets and headers, and says so only when it may."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.has_read = asyncio.Event()
        self.may_say = asyncio.Event()

    async def read(self, function: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        found = await super().read(function, *args, **kwargs)
        if function is find_headers:
            self.has_read.set()
            await self.may_say.wait()
        return found


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    db = Held(tmp_path / "notify.db")
    migrate(db.engine, MIGRATIONS)
    db.start()
    yield db
    db.close()


async def signed(secrets: Secrets) -> list[str]:
    signers, _ = await secrets.sending(1)
    return [sign(b"x") for sign in signers]


async def test_a_secret_that_was_ended_while_it_was_read_signs_nothing_more(held: Held) -> None:
    secrets = Secrets(held, Sealer(os.urandom(32)), HandClock())
    leaked = signer(await secrets.ensure(1))(b"x")

    async with asyncio.TaskGroup() as group:
        under_way = group.create_task(signed(secrets))
        await held.has_read.wait()
        _, text = await secrets.rotate(1, HMAC, NOW)
        held.may_say.set()

    assert under_way.result() == [leaked]
    assert await signed(secrets) == [signer(text)(b"x")]


async def test_headers_that_were_deleted_while_they_were_read_are_sent_no_more(held: Held) -> None:
    secrets = Secrets(held, Sealer(os.urandom(32)), HandClock())
    await secrets.set_headers(1, [("X-Api-Key", "k3y")], ["crm.local:80"])

    async with asyncio.TaskGroup() as group:
        under_way = group.create_task(secrets.sending(1))
        await held.has_read.wait()
        await secrets.delete_headers(1)
        held.may_say.set()

    assert under_way.result()[1] == CustomHeaders({"x-api-key": "k3y"}, ["crm.local:80"])
    assert (await secrets.sending(1))[1] == NONE
