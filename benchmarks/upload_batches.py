"""How fast calls are taken in batches of 500 through Envoy, beside the database alone taking the same rows.

Run: `python -m benchmarks.upload_batches [--database sqlite|postgresql] [--batches 20] [--rounds 3]`. Calls have no recording and one tag each, so that nothing else runs
meanwhile. The bare side puts the rows that calldock stored into the same tables of a fresh database, 500 calls a commit, as durably: `executemany` on SQLite, one `unnest` for
each table on PostgreSQL. One client with two batches under way; its CPU is not calldock's, but the machine has it to share.
"""

import argparse
import asyncio
import base64
import json
import os
import sqlite3
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from calldock.intake.v1.call_pb2 import CallDraft
from calldock.intake.v1.call_service_pb2 import UploadCallsRequest
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub
from google.protobuf.json_format import ParseDict

from services.intake.server import MIGRATIONS
from services.shared.db.engine import SqliteDatabase
from services.shared.db.migrate import migrate
from services.shared.db.postgres import PostgresDatabase
from tests.support.makers import a_json_call
from tests.support.postgres import Cluster, cluster
from tests.support.running import Account, Calldock, a_calldock

BATCH = 500
TABLES = ("calls", "call_tags", "call_changes")
"""What an upload of these calls writes a row of each into."""
DUE = {"sqlite": 0.06, "postgresql": 0.25}

Rows = Mapping[str, Sequence[Sequence[Any]]]


def batches(count: int) -> list[UploadCallsRequest]:
    """So many requests of 500 calls, each with numbers and an ext_id of its own."""
    return [
        UploadCallsRequest(
            calls=[
                ParseDict(
                    {
                        **a_json_call(start_time=..., finish_time=...),
                        "ext_id": f"call-{number}",
                        "calling_phone_number": f"8926{number:07}",
                        "start_time": "2026-11-02T07:00:00Z",
                        "finish_time": "2026-11-02T07:01:00Z",
                        "wait_duration": "4.5s",
                        "talk_duration": "40s",
                        "tags": [{"tag_name": f"tag {number % 20}"}],
                    },
                    CallDraft(),
                )
                for number in range(batch * BATCH, (batch + 1) * BATCH)
            ]
        )
        for batch in range(count)
    ]


def our_rate(calldock: Calldock, account: Account, requests: Sequence[UploadCallsRequest]) -> float:
    """Calls a second."""
    stub = CallServiceStub(calldock.channel)
    metadata = (("authorization", f"Bearer {account.token}"),)

    def upload(request: UploadCallsRequest) -> None:
        stub.UploadCalls(request, metadata=metadata, timeout=60)

    upload(requests[0])
    began = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(upload, requests[1:]))
    return (len(requests) - 1) * BATCH / (time.monotonic() - began)


def bare_sqlite_rate(folder: Path, rows: Rows) -> float:
    """Calls a second of `executemany` into the same tables."""
    db = SqliteDatabase(folder / "bare.db")
    migrate(db.engine, MIGRATIONS)
    db.close()
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as raw:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        began = time.monotonic()
        for start in range(0, len(rows["calls"]), BATCH):
            raw.execute("BEGIN IMMEDIATE")
            for table in TABLES:
                some = rows[table][start : start + BATCH]
                raw.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(some[0]))})", some)  # noqa: S608
            raw.execute("COMMIT")
        return len(rows["calls"]) / (time.monotonic() - began)


def stored_by_sqlite(data_dir: Path) -> Rows:
    """What calldock stored, in the order in which it did."""
    with closing(sqlite3.connect(data_dir / "intake.db")) as raw:
        return {table: raw.execute(_all_of(table)).fetchall() for table in TABLES}


async def bare_postgres_rate(server: Cluster, url: str) -> float:
    """Calls a second of one `unnest` for each table, with the rows that calldock stored."""
    fresh = server.create(f"bare{time.monotonic_ns()}")
    db = PostgresDatabase(fresh, "intake")
    await db.migrate(MIGRATIONS)
    await db.stop()
    theirs, ours = await asyncpg.connect(url), await asyncpg.connect(fresh)
    await ours.copy_records_to_table(
        "tags", schema_name="intake", records=await theirs.fetch("SELECT * FROM intake.tags")
    )
    rows = {table: await theirs.fetch(_all_of(f"intake.{table}")) for table in TABLES}
    statements = {}
    for table in TABLES:
        names = list(rows[table][0].keys())
        kinds = {
            row["column_name"]: row["data_type"]
            for row in await ours.fetch(
                "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'intake' AND table_name = $1",
                table,
            )
        }
        arrays = ", ".join(f"${place}::{kinds[name]}[]" for place, name in enumerate(names, start=1))
        statements[table] = f"INSERT INTO intake.{table} ({', '.join(names)}) SELECT * FROM unnest({arrays})"  # noqa: S608
    began = time.monotonic()
    for start in range(0, len(rows["calls"]), BATCH):
        async with ours.transaction():
            for table in TABLES:
                columns = zip(*(row.values() for row in rows[table][start : start + BATCH]), strict=True)
                await ours.execute(statements[table], *map(list, columns))
    rate = len(rows["calls"]) / (time.monotonic() - began)
    await theirs.close()
    await ours.close()
    return rate


def _all_of(table: str) -> str:
    return f"SELECT * FROM {table} ORDER BY call_session_id"  # noqa: S608 - a name of ours


@contextmanager
def databases(kind: str) -> Iterator[Cluster | None]:
    """A cluster for PostgreSQL, durable as it comes; nothing for SQLite."""
    if kind == "sqlite":
        yield None
        return
    with cluster("max_connections=60") as server:
        yield server


def main() -> None:
    """Runs the rounds and prints their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=sorted(DUE), default="sqlite")
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the ratios as JSON on the last line")
    arguments = parser.parse_args()
    requests = batches(arguments.batches)
    ratios = []
    print("| round | the database alone, calls/s | calldock, calls/s | ratio |\n|---|---|---|---|")
    with databases(arguments.database) as server:
        for number in range(1, arguments.rounds + 1):
            with TemporaryDirectory() as name:
                folder = Path(name)
                url = server.create(f"round{number}") if server else ""
                key = base64.b64encode(os.urandom(32)).decode()
                settings = {"DATABASE_URL": url, "SECRET_KEY": key} if server else {}
                with a_calldock(folder, **settings) as calldock:
                    ours = our_rate(calldock, calldock.account(), requests)
                if server:
                    bare = asyncio.run(bare_postgres_rate(server, url))
                else:
                    bare = bare_sqlite_rate(folder, stored_by_sqlite(folder / "data"))
            ratios.append(ours / bare)
            print(f"| {number} | {bare:.0f} | {ours:.0f} | {ours / bare:.3f} |", flush=True)
    due = DUE[arguments.database]
    middle = statistics.median(ratios)
    verdict = "kept" if middle >= due else "MISSED"
    print(f"\nMedian {middle:.3f} ({min(ratios):.3f} to {max(ratios):.3f}), at least {due} is due: {verdict}.")
    if arguments.json:
        print(json.dumps(ratios))


if __name__ == "__main__":
    main()
