"""How many calls a second are claimed and ended with 100,000 waiting, one transaction a call.

Run: `python -m benchmarks.claim_finish [--database sqlite|postgresql] [--calls 100000] [--accounts 5000] [--finished 2000] [--rounds 3]`. In the one transaction of a call stands all that the process loop
writes when the verdicts are there: the claim of one call in turns over the accounts, under a lease and with a token; then `finish_call`: the call locked, its work removed if the token still holds, its
recordings read, its status and count of events written, a notification for its receiver put into the outbox with the relay's work for it, and the change numbered for those who watch. Left out is what the
loop commits before: `begin_work` and the verdict itself. Durable as it comes: synchronous=FULL, fsync on.

Measured one after another and with eight under way, as loops have them: SQLite's writer then commits together what waits (each has a savepoint of its own), PostgreSQL's clients run side by side.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection

from benchmarks.filling import Filling, fill_waiting
from benchmarks.upload_batches import databases
from services.intake.server import MIGRATIONS
from services.intake.store.call_work import finish_call
from services.intake.store.tables import CALL_WORK, PROCESS
from services.shared.db.database import Database
from services.shared.db.engine import SqliteDatabase
from services.shared.db.migrate import migrate
from services.shared.db.postgres import PostgresDatabase
from services.shared.db.work_table import Claim
from tests.support.postgres import Cluster

DUE = 500
LEASE = timedelta(minutes=5)
AT_ONCE = (1, 8)


def claim_and_finish(connection: Connection, after_account: int, now: datetime) -> Claim | None:
    """One call from ready to its end; None when others have locked all that this claim looked at."""
    claims = CALL_WORK.claim(
        connection, stage=PROCESS, most=1, after_account=after_account, now=now, lease_end=now + LEASE
    )
    for claim in claims:
        assert finish_call(connection, claim, now)
    return claims[0] if claims else None


async def rate(db: Database, count: int, accounts: int, at_once: int) -> float:
    """Calls a second, each in a transaction of its own, so many under way. Each lane goes on from the account where it was, as the loops of replicas do."""
    left = count

    async def lane(after: int) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            claim = await db.write(claim_and_finish, after, datetime.now(UTC))
            if claim is None:
                left += 1
            else:
                after = claim.account_id

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for place in range(at_once):
            group.create_task(lane(place * accounts // at_once))
    return count / (time.monotonic() - began)


@asynccontextmanager
async def intake_database(server: Cluster | None, folder: Path) -> AsyncIterator[Database]:
    """An empty database of intake: in the server, or a file in the folder."""
    if server:
        shared = PostgresDatabase(server.create(f"b{time.monotonic_ns()}"), "intake")
        await shared.migrate(MIGRATIONS)
        yield shared
        await shared.stop()
        return
    file = SqliteDatabase(folder / "intake.db")
    migrate(file.engine, MIGRATIONS)
    file.start()
    yield file
    await file.stop()


async def measure(server: Cluster | None, folder: Path, arguments: argparse.Namespace) -> dict[int, list[float]]:
    """Rates by how many were under way."""
    found: dict[int, list[float]] = {at_once: [] for at_once in AT_ONCE}
    async with intake_database(server, folder) as db:
        filling = Filling(calls=arguments.calls, accounts=arguments.accounts, last=datetime.now(UTC))
        await db.write(fill_waiting, filling)
        if server:
            # As autovacuum does with tables that grow by themselves.
            await db.write(_analyze)
        for number in range(1, arguments.rounds + 1):
            cpu_before_s = time.process_time()
            for at_once in AT_ONCE:
                found[at_once].append(await rate(db, arguments.finished, arguments.accounts, at_once))
            cpu_us = (time.process_time() - cpu_before_s) / (len(AT_ONCE) * arguments.finished) * 1e6
            rates = " | ".join(f"{of_kind[-1]:.0f}" for of_kind in found.values())
            print(f"| {number} | {rates} | {cpu_us:.0f} |", flush=True)
    return found


def _analyze(connection: Connection) -> None:
    connection.exec_driver_sql("ANALYZE")


def main() -> None:
    """Prints a table and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--accounts", type=int, default=5000)
    parser.add_argument("--finished", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(
        "| round | one after another, calls/s | eight under way, calls/s | this process's CPU, µs a call |\n|---|---|---|---|"
    )
    with databases(arguments.database) as server, TemporaryDirectory() as name:
        found = asyncio.run(measure(server, Path(name), arguments))
    middles = [statistics.median(rates) for rates in found.values()]
    verdicts = ["kept" if middle >= DUE else "MISSED" for middle in middles]
    print(
        f"\nMedian {middles[0]:.0f} a second one after another, {middles[1]:.0f} with eight under way, at least {DUE} is due: {verdicts[0]}, {verdicts[1]}."
    )


if __name__ == "__main__":
    main()
