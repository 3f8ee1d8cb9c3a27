"""docs/client-area.md: a one-time link is used once, whoever asks, how often and when."""

import asyncio
from datetime import datetime, timedelta

import grpc
import pytest
from calldock.intake.internal.v1.one_time_link_service_pb2 import TakeLinkRequest, TakeLinkResponse
from calldock.intake.internal.v1.one_time_link_service_pb2_grpc import add_OneTimeLinkServiceServicer_to_server
from grpc import aio

from services.intake import one_time_link
from services.intake.one_time_link import KEEP, NEAR
from services.intake.servicer import OneTimeLinkServicer
from services.intake.signing_in import AT_ONCE, OneTimeLinks
from services.intake.store import used_links
from services.media.peers import Intake
from services.shared.db.database import Database
from services.shared.errors import Refusal
from services.shared.identity import AccountId
from services.shared.rpc.status import Context
from services.shared.sessions import CODE_LIFETIME, Code
from tests.support.makers import NOON, HandClock
from tests.support.uploading import count

ACCOUNT, OTHER = AccountId(1), AccountId(2)
END = NOON + CODE_LIFETIME
MOMENT = timedelta(microseconds=1)


def a_link(number: int = 1) -> bytes:
    return number.to_bytes(16, "big")


async def take(
    db: Database,
    link: int = 1,
    request: str = "one",
    *,
    account: AccountId = ACCOUNT,
    end: datetime = END,
    now: datetime = NOON,
) -> bool:
    return await OneTimeLinks(db, HandClock(now)).take(a_link(link), account, end, request)


async def test_a_link_is_used_once_and_a_request_that_is_repeated_hears_the_same(intake_db: Database) -> None:
    told = [await take(intake_db, request=request) for request in ("one", "two", "one", "two", "one")]

    assert told == [True, False, True, False, True]
    assert await take(intake_db, 2, "two")
    assert await count(intake_db, "used_links") == 2


async def test_of_many_who_use_a_link_at_once_one_is_first(intake_db: Database) -> None:
    for link in range(5):
        uses = (take(intake_db, link, f"request {number}") for number in range(8))
        assert sorted(await asyncio.gather(*uses)) == [False] * 7 + [True]


@pytest.mark.parametrize(
    ("end", "is_first"),
    [
        pytest.param(NOON - NEAR, False, id="over for an hour"),
        pytest.param(NOON - NEAR + MOMENT, True, id="of a clock that is an hour behind"),
        pytest.param(NOON + NEAR - MOMENT, True, id="of a clock that is an hour ahead"),
        pytest.param(NOON + NEAR, False, id="in an hour"),
    ],
)
async def test_a_link_whose_use_would_not_be_remembered_is_not_used(
    intake_db: Database, end: datetime, is_first: bool
) -> None:
    assert await take(intake_db, end=end) is is_first
    assert await count(intake_db, "used_links") == is_first


async def test_a_used_link_is_remembered_for_longer_than_anybody_may_use_it(intake_db: Database) -> None:
    await take(intake_db)
    remembered, over = (OneTimeLinks(intake_db, HandClock(now)) for now in (END + KEEP - MOMENT, END + KEEP))

    assert not await remembered.forget_links()
    assert await count(intake_db, "used_links") == 1
    assert not await over.forget_links()
    assert await count(intake_db, "used_links") == 0
    # Whoever goes by another clock, as far behind as clocks of one database never are.
    assert not await take(intake_db, request="two", now=END + KEEP - timedelta(seconds=59))


async def test_what_is_over_is_forgotten_in_small_pieces(intake_db: Database) -> None:
    for number in range(AT_ONCE + 1):
        await take(intake_db, number)
    await take(intake_db, 1_000, end=END + MOMENT)
    over = OneTimeLinks(intake_db, HandClock(END + KEEP))

    more = [await over.forget_links(), await count(intake_db, "used_links"), await over.forget_links()]

    assert more == [True, 2, False]
    assert await count(intake_db, "used_links") == 1


async def test_an_account_that_uses_links_without_end_is_refused_and_another_is_not(
    intake_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (one_time_link, used_links):
        monkeypatch.setattr(module, "MOST_OF_ACCOUNT", 3)
    for number in range(3):
        assert await take(intake_db, number)

    with pytest.raises(Refusal, match="3 one-time links"):
        await take(intake_db, 3)
    assert await take(intake_db, 4, account=OTHER)
    await OneTimeLinks(intake_db, HandClock(END + KEEP)).forget_links()

    assert await take(intake_db, 3, end=END + KEEP, now=END + KEEP), "what was refused is not used up"


class AnswerLost(OneTimeLinkServicer):
    """Does what it is asked, and loses its first answer."""

    def __init__(self, links: OneTimeLinks) -> None:
        super().__init__(links)
        self.heard: list[TakeLinkRequest] = []

    async def TakeLink(self, request: TakeLinkRequest, context: Context) -> TakeLinkResponse:  # noqa: N802
        answer = await super().TakeLink(request, context)
        self.heard.append(request)
        if len(self.heard) == 1:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "lost")
        return answer


async def test_media_asks_for_a_lost_answer_again_and_its_next_use_is_another_one(intake_db: Database) -> None:
    losing = AnswerLost(OneTimeLinks(intake_db, HandClock()))
    server = aio.server()
    add_OneTimeLinkServiceServicer_to_server(losing, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    intake = Intake(f"127.0.0.1:{port}", None, None)
    try:
        link = Code(link_id=a_link(), expire_time=END, token="t")
        told = [await intake.take_link(ACCOUNT, link) for _ in range(2)]
    finally:
        await intake.close()
        await server.stop(0)

    assert told == [True, False]
    first, again, another = [request.request_id for request in losing.heard]
    assert first == again != another
