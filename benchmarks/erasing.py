"""How long erasing holds up those who write: `python -m benchmarks.erasing`.

Calls with two recordings, a tag and a notification each are erased by a filter, on SQLite on disk, while one writer after another stores a call, all in one process as in intake. Measured: how long each
transaction of the erasure holds the database's writer (5 ms at most are due), and how long the calls that are stored meanwhile take beside the same without an erasure.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

from services.intake import erasing
from services.intake.account import Account
from services.intake.call_filter import CallFilter
from services.intake.erasing import Erasing
from services.intake.server import MIGRATIONS
from services.intake.store.accounts import create_account
from services.intake.store.erasing import count_matching
from services.intake.store.uploads import save_upload
from services.shared.clock import SystemClock
from services.shared.db.engine import SqliteDatabase
from services.shared.db.migrate import migrate
from tests.support.makers import a_callback, a_checked_call, a_new_account, a_wav_record

BATCH = 500
DUE_MS = 5.0
PROBES = 300


class Timed:
    """A database that notes how long each write function of one kind holds the writer, in seconds."""

    def __init__(self, db: SqliteDatabase) -> None:
        self._db = db
        self.held_s: list[float] = []
        self.cpu_s: list[float] = []

    async def write(self, function: Callable[..., Any], *args: Any) -> Any:
        """As the database's."""

        def timed(connection: Any, *given: Any) -> Any:
            began, cpu = perf_counter(), thread_time()
            try:
                return function(connection, *given)
            finally:
                self.held_s.append(perf_counter() - began)
                self.cpu_s.append(thread_time() - cpu)

        return await self._db.write(timed, *args)

    async def read(self, function: Callable[..., Any], *args: Any) -> Any:
        """As the database's."""
        return await self._db.read(function, *args)


async def fill(db: SqliteDatabase, account: Account, calls: int, now: datetime) -> None:
    """Stores calls in batches."""
    records = [a_wav_record(), a_wav_record(record_url="https://records.example.com/2.wav")]
    for start in range(0, calls, BATCH):
        batch = [
            a_checked_call(ext_id=str(number), wav_records=records, callback=a_callback(), is_lost=True)
            for number in range(start, start + BATCH)
        ]
        await db.write(save_upload, account.account_id, batch, "", now)


async def probe(db: SqliteDatabase, account: Account, name: str, now: datetime) -> list[float]:
    """Stores calls one after another; answers how long each took, in seconds."""
    took = []
    for number in range(PROBES):
        call = a_checked_call(ext_id=f"{name} {number}", is_lost=False)
        began = perf_counter()
        await db.write(save_upload, account.account_id, [call], "", now)
        took.append(perf_counter() - began)
        await asyncio.sleep(0.002)
    return took


async def run(calls: int, folder: Path) -> None:
    """Measures and prints."""
    now = SystemClock().now()
    db = SqliteDatabase(folder / "intake.db")
    migrate(db.engine, MIGRATIONS)
    db.start()
    account = await db.write(create_account, a_new_account(), b"t" * 32, None, now)
    await fill(db, account, calls, now)
    alone = await probe(db, account, "alone", now)
    timed: Any = Timed(db)
    at_work = Erasing(timed, SystemClock(), lambda: None)
    lost = CallFilter(is_lost=True, start_time_before=now + timedelta(days=3650))
    began = perf_counter()
    task = asyncio.create_task(at_work.delete_matching(account.account_id, lost, calls))
    beside = await probe(db, account, "beside", now)
    erased = await task
    took_s = perf_counter() - began
    left = await db.read(count_matching, account.account_id, lost)
    db.close()
    held_ms = [each * 1000 for each in timed.held_s]
    print(
        f"{erased.deleted:,} of {calls:,} calls erased in {took_s:.1f} s, {erased.deleted / took_s:,.0f} a second; {left:,} left; {erasing.ERASED_AT_ONCE} a transaction\n"
    )
    print("| ms | median | 99 % | longest |\n|---|---|---|---|")
    print(row("a transaction of the erasure holds the writer", held_ms))
    print(row("its CPU", [each * 1000 for each in timed.cpu_s]))
    print(row("a call is stored, alone", [each * 1000 for each in alone]))
    print(row("a call is stored, beside the erasure", [each * 1000 for each in beside]))
    longer = sum(each > DUE_MS for each in held_ms)
    print(
        f"\n{longer:,} of {len(held_ms):,} longer than {DUE_MS:.0f} ms. The first {held_ms[0]:.1f} ms, longest {max(held_ms):.1f} ms, at most {DUE_MS:.0f} ms are due: {'kept' if max(held_ms) <= DUE_MS else 'missed'}."
    )


def row(name: str, values_ms: list[float]) -> str:
    """A line of the table."""
    quantiles = statistics.quantiles(values_ms, n=100)
    return f"| {name} | {statistics.median(values_ms):.2f} | {quantiles[98]:.2f} | {max(values_ms):.2f} |"


def main() -> None:
    """Runs the benchmark in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="calldock-benchmark-") as folder:
        asyncio.run(run(asked.calls, Path(folder)))


if __name__ == "__main__":
    main()
