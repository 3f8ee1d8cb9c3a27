"""What one claim costs with 100 and with 100,000 notifications waiting.

Run: `python -m benchmarks.notify_claims [--claims 200]`. A claim looks who waits, chooses fairly, leases and reads what is to be posted, in one durable transaction;
what it took is given back after each, so that every claim finds the same.
"""

import argparse
import asyncio
import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.notifying import a_notification, fill
from services.notify.picking import PostLimits
from services.notify.store.claims import Cursor, claim_due
from services.notify.store.tables import NOTIFY_WORK
from services.shared.db.engine import SqliteDatabase

FEW, MANY = 100, 100_000
MOST_TIMES = 3.0
LIMITS = PostLimits(per_host=10_000, per_account=10_000)
LAYOUTS = {"1 account, 1 receiver": (1, 1), "1 account, 50 receivers": (1, 50), "50 accounts, 50 receivers": (50, 50)}
FIRST_PORT = 20_000


class Waiting:
    """A database with so many notifications waiting."""

    def __init__(self, db: SqliteDatabase) -> None:
        self._db = db
        self._cursor = Cursor()

    async def claim(self, most: int) -> float:
        """Seconds of one claim, which is undone afterwards."""
        now = datetime.now(UTC)
        began = time.perf_counter()
        claims, self._cursor = await self._db.write(
            claim_due, most, self._cursor, LIMITS, now, now + timedelta(seconds=30), ()
        )
        took = time.perf_counter() - began
        assert len(claims) == most
        await self._db.write(NOTIFY_WORK.free_all, now)
        return took


async def measure(layout: tuple[int, int], claims: int, folder: Path) -> dict[int, tuple[float, float]]:
    """Median seconds of claims of 1 and of 64, with few and with many waiting, in turns."""
    accounts, receivers = layout
    databases = []
    for count in (FEW, MANY):
        place = folder / str(count)
        place.mkdir()
        await fill(
            place,
            [
                a_notification(
                    number, number + 1, 1, FIRST_PORT + number % receivers, account=1 + number % receivers % accounts
                )
                for number in range(count)
            ],
        )
        db = SqliteDatabase(place / "notify.db")
        db.start()
        databases.append(db)
    found = {}
    try:
        few, many = (Waiting(db) for db in databases)
        for most in (1, 64):
            pairs = [(await few.claim(most), await many.claim(most)) for _ in range(claims)]
            found[most] = (statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs))
    finally:
        for db in databases:
            db.close()
    return found


def main() -> None:
    """Prints a table and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=200)
    arguments = parser.parse_args()
    print(f"| waiting for | claimed at once | of {FEW}, ms | of {MANY:,}, ms | times |\n|---|---|---|---|---|")
    times = []
    for name, layout in LAYOUTS.items():
        with TemporaryDirectory() as folder:
            for most, (few, many) in asyncio.run(measure(layout, arguments.claims, Path(folder))).items():
                times.append(many / few)
                print(f"| {name} | {most} | {few * 1000:.2f} | {many * 1000:.2f} | {many / few:.2f} |", flush=True)
    verdict = "kept" if max(times) <= MOST_TIMES else "missed"
    print(f"\nAt worst {max(times):.2f} times, at most {MOST_TIMES:g} is due: {verdict}.")


if __name__ == "__main__":
    main()
