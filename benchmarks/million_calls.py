"""What a million stored calls of one account cost beside ten thousand: first pages of lists, an exact count, uploads.

Run: `python -m benchmarks.million_calls [--database sqlite|postgresql] [--calls 1000000] [--few 10000] [--rounds 5] [--only ListCalls:]`. Two whole instances, filled by the database itself with calls that have a
recording, a tag and a change each, one every 2.6 s, of which 200 have what is rare. A question is put to both in turn through Envoy and matches as many calls in both (but where it names all): a window of an hour at the end, one at the beginning, or all of
the last 10,000. On PostgreSQL the tables are vacuumed and analysed once they are filled, as autovacuum does with tables that grow by themselves. Uploads are batches of 500 calls, two under way.
"""

import argparse
import asyncio
import base64
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg  # type: ignore[import-untyped]
from calldock.intake.v1.call_pb2 import CALL_STATUS_CANCELLED
from calldock.intake.v1.call_service_pb2 import ListCallsRequest, ListCallsResponse
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub
from sqlalchemy import Connection

from benchmarks.calls import Clients, Order, grpc_clients
from benchmarks.filling import Filling, rare_statements, stored_statements, whole_second
from benchmarks.upload_batches import databases
from services.intake.server import MIGRATIONS
from services.shared.db.engine import SqliteDatabase
from services.shared.db.migrate import migrate
from services.shared.db.postgres import PostgresDatabase
from tests.support.postgres import Cluster
from tests.support.running import Account, Calldock, a_calldock

MOST_TIMES = 3.0
MOST_COUNT_S = 1.0
LEAST_UPLOADS = 0.75
WINDOW = timedelta(hours=1)
WALL = "%Y-%m-%d %H:%M:%S"
ASKED_EACH_ROUND = 5
RARE = 200
"""Calls that have what is rare, all over the calls of a side."""
FILTERS: Mapping[str, Mapping[str, Any]] = {
    "by start_time desc": {"order_by": "start_time desc"},
    "by upload_time": {"order_by": "upload_time"},
    "a verdict of 200": {"verdict_codes": ["decode_error"]},
    "a verdict of nearly all": {"verdict_codes": ["accepted"]},
    "an employee of 200": {"employee_names": ["rare person"]},
    "a tag of 200, by start_time": {"tag_names": ["rare"], "order_by": "start_time"},
    "a tag of a twentieth": {"tag_names": ["tag 7"]},
    "a number of all": {"number": "+7 495 514-05-76"},
    "four digits of all": {"number": "0576"},
    "text of a twentieth": {"text": "TAG 7"},
    "text of a tag of 200": {"text": "STORED", "tag_names": ["rare"]},
    "lost ones by start_time": {"is_lost": True, "order_by": "start_time"},
}
NOWHERE: Mapping[str, Mapping[str, Any]] = {
    "a verdict that none has": {"verdict_codes": ["internal_error"]},
    "a status that none has, by start_time": {"statuses": [CALL_STATUS_CANCELLED], "order_by": "start_time"},
    "two filters that no call has both of": {"verdict_codes": ["accepted"], "employee_ids": [1]},
    "no such tag": {"tag_names": ["nobody's"]},
    "nobody's number": {"number": "+74955140000"},
    "nobody's digits": {"number": "1987654"},
    "a word that is nowhere": {"text": "nowhere"},
    "a word that is nowhere, by start_time desc": {"text": "nowhere", "order_by": "start_time desc"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """An instance with so many calls of its one account."""

    calldock: Calldock
    account: Account
    filling: Filling
    few: int
    """As many calls as the smaller of the two has."""

    def windows(self) -> Mapping[str, tuple[datetime, datetime]]:
        """Windows of the upload time that hold as many calls on both sides."""
        first, last = self.filling.uploaded(1), self.filling.last
        return {
            "an hour, the last": (last - WINDOW, last),
            "an hour, the first": (first, first + WINDOW),
            f"the last {self.few:,}": (self.filling.uploaded(self.filling.calls - self.few + 1), last),
        }

    def all(self) -> tuple[datetime, datetime]:
        """A window of all."""
        return self.filling.uploaded(1), self.filling.last + timedelta(seconds=1)

    def list_calls(self, window: tuple[datetime, datetime] | None, **fields: Any) -> int:
        """The first page of ListCalls: how many calls it holds."""
        request = ListCallsRequest(**fields)
        if window:
            request.upload_time_from.FromDatetime(window[0])
            request.upload_time_before.FromDatetime(window[1])
        return len(self._page(request).calls)

    def times_of_pages(self, **fields: Any) -> list[float]:
        """Seconds of each page of a list in which nothing is found."""
        request = ListCallsRequest(**fields)
        times: list[float] = []
        while not times or request.page_token:
            began = time.perf_counter()
            page = self._page(request)
            times.append(time.perf_counter() - began)
            assert not page.calls
            request.page_token = page.next_page_token
        return times

    def _page(self, request: ListCallsRequest) -> ListCallsResponse:
        metadata = (("authorization", f"Bearer {self.account.token}"),)
        return CallServiceStub(self.calldock.channel).ListCalls(request, metadata=metadata, timeout=30)

    def uploaded_calls(self, window: tuple[datetime, datetime], **params: object) -> int:
        """The first page of get.uploaded_calls: its total_items."""
        zone = ZoneInfo("Europe/Moscow")
        since, till = (moment.astimezone(zone).strftime(WALL) for moment in window)
        asked = {"access_token": self.account.token, "date_from": since, "date_till": till, **params}
        request = {"jsonrpc": "2.0", "id": 1, "method": "get.uploaded_calls", "params": asked}
        answer = self.calldock.http("POST", "/v2.0", json.dumps(request)).json
        found: int = answer["result"]["metadata"]["total_items"]
        return found


def questions(few: Side, many: Side) -> Iterator[tuple[str, Callable[[], int], Callable[[], int]]]:
    """What is asked of both sides, by name."""
    yield "ListCalls", lambda: few.list_calls(None), lambda: many.list_calls(None)
    yield "ListCalls, all by their time", lambda: few.list_calls(few.all()), lambda: many.list_calls(many.all())
    for name, window in few.windows().items():
        other = many.windows()[name]
        yield (
            f"ListCalls, {name}",
            lambda window=window: few.list_calls(window),  # type: ignore[misc]
            lambda other=other: many.list_calls(other),  # type: ignore[misc]
        )
        for sort in ([], [{"field": "start_time", "order": "desc"}]):
            yield (
                f"get.uploaded_calls, {name}" + ", by start_time" * bool(sort),
                lambda window=window, sort=sort: few.uploaded_calls(window, sort=sort),  # type: ignore[misc]
                lambda other=other, sort=sort: many.uploaded_calls(other, sort=sort),  # type: ignore[misc]
            )

    for name, fields in FILTERS.items():
        yield (
            f"ListCalls: {name}",
            lambda fields=fields: few.list_calls(None, **fields),  # type: ignore[misc]
            lambda fields=fields: many.list_calls(None, **fields),  # type: ignore[misc]
        )


def timed(ask: Callable[[], int]) -> tuple[float, int]:
    """Seconds, and what was answered."""
    began = time.perf_counter()
    answer = ask()
    return time.perf_counter() - began, answer


def compare_pages(few: Side, many: Side, rounds: int, only: str) -> float:
    """Prints the times of first pages, those whose name begins with `only`; answers the worst ratio."""
    print(
        f"| first page | matches | of {few.filling.calls:,}, ms | of {many.filling.calls:,}, ms | times |\n|---|---|---|---|---|"
    )
    worst = 0.0
    for name, ask_few, ask_many in questions(few, many):
        if not name.startswith(only):
            continue
        matches = ask_many()
        assert ask_few() == matches, name
        pairs = [(timed(ask_few)[0], timed(ask_many)[0]) for _ in range(rounds * ASKED_EACH_ROUND)]
        of_few, of_many = (statistics.median(times) for times in zip(*pairs, strict=True))
        worst = max(worst, of_many / of_few)
        print(
            f"| {name} | {matches:,} | {of_few * 1000:.1f} | {of_many * 1000:.1f} | {of_many / of_few:.2f} |",
            flush=True,
        )
    return worst


def look_nowhere(few: Side, many: Side, rounds: int) -> float:
    """Prints the times of the pages of lists without matches; answers the worst ratio of the slowest pages' median."""
    print(
        f"\n| nothing is found | pages of {few.filling.calls:,} | ms, median | pages of {many.filling.calls:,} | ms, median | slowest |\n|---|---|---|---|---|---|"
    )
    worst = 0.0
    for name, fields in NOWHERE.items():
        lists = [
            (few.times_of_pages(**fields), many.times_of_pages(**fields)) for _ in range(rounds * ASKED_EACH_ROUND)
        ]
        of_few, of_many = lists[0]
        middles = [statistics.median(chain.from_iterable(times)) * 1000 for times in zip(*lists, strict=True)]
        worst = max(worst, middles[1] / middles[0])
        print(
            f"| {name} | {len(of_few)} | {middles[0]:.1f} | {len(of_many)} | {middles[1]:.1f} | {max(chain.from_iterable(times for _, times in lists)) * 1000:.1f} |",
            flush=True,
        )
    return worst


def count_all(many: Side, rounds: int) -> float:
    """Prints the time of a page with the exact count of all calls; answers it in seconds."""
    answers = [timed(lambda: many.uploaded_calls(many.all(), limit=1)) for _ in range(rounds)]
    assert {found for _, found in answers} == {many.filling.calls}
    return statistics.median(took_s for took_s, _ in answers)


def compare_uploads(few: Side, many: Side, clients: Clients, rounds: int) -> list[float]:
    """Prints paired rates of uploads; answers their ratios."""
    print("\n| round | beside few, calls/s | beside many, calls/s | ratio |\n|---|---|---|---|")
    ratios = []
    for number in range(rounds + 1):
        first, second = (_upload(side, clients, number) for side in (few, many))
        if number:
            ratios.append(second / first)
            print(f"| {number} | {first:.0f} | {second:.0f} | {second / first:.3f} |", flush=True)
    return ratios


def _upload(side: Side, clients: Clients, number: int) -> float:
    uploads = 10
    order = Order(
        port=side.calldock.port,
        token=side.account.token,
        first=(number + 1) * uploads * 500,
        uploads=uploads,
        batch=500,
        at_once=2,
    )
    return clients.send(order)[0]


@contextmanager
def a_side(server: Cluster | None, calls: int, few: int) -> Iterator[Side]:
    """A filled instance, until the end."""
    filling = Filling(calls=calls, last=whole_second(datetime.now(UTC)))
    with TemporaryDirectory() as name:
        folder = Path(name)
        settings = {}
        began = time.monotonic()
        if server:
            url = server.create(f"of{calls}")
            asyncio.run(_fill_shared(url, filling))
            settings = {"DATABASE_URL": url, "SECRET_KEY": base64.b64encode(os.urandom(32)).decode()}
        else:
            (folder / "data").mkdir(mode=0o700)
            asyncio.run(_fill_file(folder / "data", filling))
        print(f"{calls:,} calls are there after {time.monotonic() - began:.0f} s.", flush=True)
        with a_calldock(folder, **settings) as calldock:
            account = calldock.account()
            assert account.account_id == 1
            yield Side(calldock=calldock, account=account, filling=filling, few=few)


async def _fill_file(data_dir: Path, filling: Filling) -> None:
    db = SqliteDatabase(data_dir / "intake.db")
    migrate(db.engine, MIGRATIONS)
    db.start()

    def fill(connection: Connection) -> None:
        for statement in (
            *stored_statements(filling, is_shared=False),
            *rare_statements(filling, RARE, is_shared=False),
        ):
            connection.exec_driver_sql(statement)

    await db.write(fill)
    await db.stop()


async def _fill_shared(url: str, filling: Filling) -> None:
    db = PostgresDatabase(url, "intake")
    await db.migrate(MIGRATIONS)
    await db.stop()
    raw = await asyncpg.connect(url)
    await raw.execute("SET search_path = intake")
    for statement in (*stored_statements(filling, is_shared=True), *rare_statements(filling, RARE, is_shared=True)):
        await raw.execute(statement)
    await raw.execute("VACUUM ANALYZE")
    await raw.close()


def main() -> None:
    """Prints the tables and the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="how the names of the first pages begin that are asked for")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        server = stack.enter_context(databases(arguments.database))
        clients = stack.enter_context(grpc_clients(1))
        few, many = (
            stack.enter_context(a_side(server, calls, arguments.few)) for calls in (arguments.few, arguments.calls)
        )
        worst = compare_pages(few, many, arguments.rounds, arguments.only)
        nowhere = look_nowhere(few, many, arguments.rounds)
        count_s = count_all(many, arguments.rounds)
        ratios = compare_uploads(few, many, clients, arguments.rounds)
    print(f"\nFirst pages: at worst {worst:.2f} times, at most {MOST_TIMES:g} is due: {_verdict(worst <= MOST_TIMES)}.")
    print(
        f"Pages on which nothing is found: at worst {nowhere:.2f} times, at most {MOST_TIMES:g} is due: {_verdict(nowhere <= MOST_TIMES)}."
    )
    print(
        f"All {arguments.calls:,} counted, with a page of one: {count_s * 1000:.0f} ms, at most {MOST_COUNT_S * 1000:g} is due: {_verdict(count_s < MOST_COUNT_S)}."
    )
    middle = statistics.median(ratios)
    print(
        f"Uploads: median {middle:.3f} ({min(ratios):.3f} to {max(ratios):.3f}), at least {LEAST_UPLOADS} is due: {_verdict(middle >= LEAST_UPLOADS)}."
    )


def _verdict(is_kept: bool) -> str:
    return "kept" if is_kept else "MISSED"


if __name__ == "__main__":
    main()
