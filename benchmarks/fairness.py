"""By how many claims an account's 100,000 waiting calls delay another account's ten.

Run: `python -m benchmarks.fairness [--database sqlite|postgresql] [--calls 100000]`. The ten come last. Claims take one call each, as the loops do when a place is free; those that are taken stay under lease, so
that the bound on turns is seen also where nothing ends meanwhile, and then each is ended at once, as when calls are short.
"""

import argparse
import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection

from benchmarks.claim_finish import LEASE, intake_database
from benchmarks.filling import Filling, fill_waiting
from benchmarks.upload_batches import databases
from services.intake.store.tables import CALL_WORK, PROCESS
from services.shared.db.database import Database
from tests.support.postgres import Cluster

FEW = 10
OTHER = 2
DUE = 2 * FEW + 1
"""Turns: one of each account, and one that was taken before."""


def _add_few(connection: Connection, first: int, now: datetime) -> None:
    CALL_WORK.add(connection, [(first + place, OTHER) for place in range(FEW)], now, stage=PROCESS)


def _claim(connection: Connection, after_account: int, now: datetime, is_ended: bool) -> int:
    """Takes one call; answers whose it is."""
    (claim,) = CALL_WORK.claim(
        connection, stage=PROCESS, most=1, after_account=after_account, now=now, lease_end=now + LEASE
    )
    if is_ended:
        assert CALL_WORK.finish(connection, claim.key, claim.token)
    return claim.account_id


async def claims_until_served(db: Database, first: int, is_ended: bool) -> tuple[int, float]:
    """How many claims go by until the ten are taken, and the time of one in milliseconds."""
    now = datetime.now(UTC)
    await db.write(_add_few, first, now)
    served = claims = after = 0
    began = time.monotonic()
    while served < FEW:
        after = await db.write(_claim, after, now, is_ended)
        claims += 1
        served += after == OTHER
    return claims, (time.monotonic() - began) / claims * 1000


async def measure(server: Cluster | None, folder: Path, calls: int) -> bool:
    """Prints the rows; answers whether the bound was kept."""
    kept = True
    async with intake_database(server, folder) as db:
        await db.write(fill_waiting, Filling(calls=calls, accounts=1, last=datetime.now(UTC)))
        for place, (name, is_ended) in enumerate((("under lease", False), ("ended at once", True))):
            claims, took_ms = await claims_until_served(db, 10_000_000 + place * FEW, is_ended)
            kept = kept and claims <= DUE
            print(f"| {calls:,} | {name} | {claims} | {took_ms:.2f} |", flush=True)
    return kept


def main() -> None:
    """Prints a table and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--calls", type=int, default=100_000)
    arguments = parser.parse_args()
    print(
        "| waiting before | those that are taken are | claims until ten of another account are taken | a claim, ms |\n|---|---|---|---|"
    )
    with databases(arguments.database) as server, TemporaryDirectory() as name:
        kept = asyncio.run(measure(server, Path(name), arguments.calls))
    print(f"\nAt most {DUE} claims are due: {'kept' if kept else 'MISSED'}.")


if __name__ == "__main__":
    main()
