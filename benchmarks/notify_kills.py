"""Nothing lost: notifications to receivers that fail at random, while notify is killed again and again.

Run: `python -m benchmarks.notify_kills [--calls 500] [--each 20] [--kills 10] [--seed 1]` (`make soak`). Every notification has to be taken at least once, each call in its order, and
none twice but for each kill that came between its answer and its settling; every POST carries a signature of HMAC and one of Ed25519, which `standardwebhooks` and `cryptography` verify.
Every attempt that the receivers saw has to be logged but for those that were under way at a kill. Exit code 1 otherwise.
"""

import argparse
import asyncio
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.progress import Progress, TaskID

from benchmarks.flaky import FlakyReceivers, Request, flaky_receivers
from benchmarks.notifying import ACCOUNT_ID, KEY, fill, notify
from services.notify.notification import NewNotification
from services.notify.payload import Event
from services.notify.secrets import Secrets
from services.notify.server import MIGRATIONS
from services.notify.signature import SignatureScheme
from services.shared.clock import SystemClock
from services.shared.db.engine import SqliteDatabase
from services.shared.db.migrate import migrate
from services.shared.ids import uuid7
from services.shared.sealing import Sealer

RECEIVERS = 5
TIMEOUT_S = 0.5
STUCK_S = 60.0
SETTINGS = {
    "notify_timeout_s": TIMEOUT_S,
    # Long enough that bad luck buries nothing.
    "notify_retry_schedule_s": ",".join(["0.05,0.1,0.2"] * 30),
    "notify_breaker_pause_s": 0.05,
}


@dataclass(slots=True)
class Run:
    """What was seen: all requests; at each kill how many had come, how many attempts the database had not settled, and which notifications were taken and it did not know; what it held in the end.

    `late` counts attempts that ended by their time-out though the receiver had not hung: nobody was killed, and it may be answered again.
    """

    notifications: int
    requests: Sequence[Request] = ()
    came: list[int] = field(default_factory=list)
    unsettled: list[int] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    took_s: float = 0.0

    @property
    def taken(self) -> Counter[str]:
        """How often each notification was taken."""
        return Counter(request.notification_id for request in self.requests if request.is_taken)

    @property
    def twice(self) -> int:
        """Deliveries beyond the first of each notification."""
        return self.taken.total() - len(self.taken)

    @property
    def seen(self) -> int:
        """Attempts that the receivers saw."""
        bounds = [0, *self.came, len(self.requests)]
        return sum(attempts(self.requests[start:end]) for start, end in pairwise(bounds))

    def wrong(self) -> list[str]:
        """All that may not be, in words; empty when all is well."""
        found = []
        if len(self.taken) != self.notifications:
            found.append(f"{self.notifications - len(self.taken)} were never taken")
        if self.statuses != Counter(delivered=self.notifications):
            found.append(f"the database has {dict(self.statuses)}")
        beyond = self.taken - Counter(self.taken.keys()) - self.unknown - self.late
        if beyond:
            found.append(f"{beyond.total()} deliveries too many, which no kill explains: {', '.join(sorted(beyond))}")
        if min(self.unsettled, default=0) < -self.late.total():
            found.append(f"attempts are logged that nobody saw: {self.unsettled} under way at the kills")
        unlogged = self.seen - self.attempts - sum(self.unsettled)
        if abs(unlogged) > self.late.total():
            found.append(f"{self.seen} attempts were seen, {self.attempts} are logged")
        if self.attempts > len(self.requests) + self.late.total():
            found.append(f"{len(self.requests)} requests came, {self.attempts} attempts are logged")
        if forged := sum(not request.is_signed for request in self.requests):
            found.append(f"{forged} requests were not signed rightly")
        return found + [f"call {call} was overtaken" for call in sorted(overtaken(self.requests))]


def attempts(requests: Sequence[Request]) -> int:
    """How many attempts of one notify process these requests are: what is reset on a connection that was used before is sent again at once, within its attempt."""
    again: set[str] = set()
    count = 0
    for request in requests:
        if request.notification_id in again:
            again.remove(request.notification_id)
            continue
        count += 1
        if request.done == "reset" and request.is_on_used:
            again.add(request.notification_id)
    return count


def overtaken(requests: Sequence[Request]) -> set[str]:
    """Calls of which a notification came before the one before it was taken."""
    settled: Counter[str] = Counter()
    found = set()
    for request in requests:
        if request.seq > settled[request.call] + 1:
            found.add(request.call)
        if request.is_taken:
            settled[request.call] = max(settled[request.call], request.seq)
    return found


def run(calls: int, each: int, kills: int, seed: int, folder: Path, progress: Progress) -> Run:
    """Runs until all are taken and settled. Raises TimeoutError when nothing moves any more."""
    secret, public_key = asyncio.run(make_secrets(folder))
    seen = Run(notifications=calls * each)
    rng = random.Random(seed)
    moments = sorted(rng.randrange(seen.notifications // 20, seen.notifications * 19 // 20) for _ in range(kills))
    with flaky_receivers(RECEIVERS, secret, public_key, seed) as receivers:
        asyncio.run(
            fill(
                folder,
                [_a_notification(call, seq, receivers.ports) for call in range(calls) for seq in range(1, each + 1)],
            )
        )
        bar = progress.add_task("taken", total=seen.notifications)
        began_s = time.monotonic()
        for moment in moments:
            with notify(folder, **SETTINGS) as process:
                _wait(receivers, moment, progress, bar)
                posters = _children(process.pid)
                process.kill()
                process.wait()
            _wait_until_gone(posters)
            _wait_until(lambda: receivers.open() == 0, "connections of a process that is dead stay open")
            _note_kill(seen, receivers.log(), folder)
        with notify(folder, **SETTINGS):
            _wait(receivers, seen.notifications, progress, bar)
            waiting = "SELECT count(*) FROM notifications WHERE status = 'waiting'"
            _wait_until(lambda: _count(folder, waiting) == 0, "not all is settled")
        seen.took_s = time.monotonic() - began_s
        seen.requests = receivers.log()
    hung = Counter(request.notification_id for request in seen.requests if request.done == "hang")
    timed_out = "SELECT notification_id, count(*) FROM attempts WHERE outcome = 'timeout' GROUP BY 1"
    seen.late = Counter(dict(_rows(folder, timed_out))) - hung
    seen.statuses = Counter(dict(_rows(folder, "SELECT status, count(*) FROM notifications GROUP BY 1")))
    seen.attempts = _count(folder, "SELECT count(*) FROM attempts")
    return seen


def _note_kill(seen: Run, requests: Sequence[Request], folder: Path) -> None:
    """What was under way: all that the receivers saw and the database, as the dead process left it, had not settled."""
    of_this_process = requests[seen.came[-1] if seen.came else 0 :]
    waiting = {row[0] for row in _rows(folder, "SELECT notification_id FROM notifications WHERE status = 'waiting'")}
    seen.unknown.update({each.notification_id for each in of_this_process if each.is_taken} & waiting)
    seen.came.append(len(requests))
    seen.requests = requests
    seen.unsettled.append(seen.seen - _count(folder, "SELECT count(*) FROM attempts") - sum(seen.unsettled))


async def make_secrets(folder: Path) -> tuple[str, str]:
    """Gives the account a secret of either scheme; answers that of HMAC and the public key of the other."""
    db = SqliteDatabase(folder / "notify.db")
    migrate(db.engine, MIGRATIONS)
    db.start()
    secrets = Secrets(db, Sealer(KEY), SystemClock())
    secret = await secrets.ensure(ACCOUNT_ID)
    made, _ = await secrets.rotate(ACCOUNT_ID, SignatureScheme.ED25519, timedelta(days=30))
    db.close()
    return secret, made.public_key


def _a_notification(call: int, seq: int, ports: Sequence[int]) -> NewNotification:
    now = datetime.now(UTC)
    event = Event(name="processed", ext_id=f"call-{call}/{seq}", call_session_id=call + 1, event_time=now)
    return NewNotification(
        notification_id=uuid7(now, os.urandom(10)),
        account_id=ACCOUNT_ID,
        seq=seq,
        previous_seq=seq - 1,
        url=f"http://127.0.0.1:{ports[call % len(ports)]}/hook",
        event=event,
    )


def _wait(receivers: FlakyReceivers, count: int, progress: Progress, bar: TaskID) -> None:
    last, moved_s = -1, time.monotonic()
    while (now := receivers.taken()) < count:
        progress.update(bar, completed=now)
        if now > last:
            last, moved_s = now, time.monotonic()
        elif time.monotonic() - moved_s > STUCK_S:
            raise TimeoutError(f"{now} of {count} are taken, and nothing for {STUCK_S:g} s")
        time.sleep(0.01)
    progress.update(bar, completed=now)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _wait_until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline_s = time.monotonic() + STUCK_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError(otherwise)
        time.sleep(0.02)


def _wait_until_gone(pids: Sequence[int]) -> None:
    _wait_until(lambda: not any(map(_is_running, pids)), "a poster outlives its notify")


def _is_running(pid: int) -> bool:
    """False for a zombie too: whoever inherits the children of the dead may take a while to bury them, or never do (proc(5), stat)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _count(folder: Path, statement: str) -> int:
    found: int = _rows(folder, statement)[0][0]
    return found


def _rows(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(f"file:{folder / 'notify.db'}?mode=ro", uri=True, timeout=10)
    try:
        return db.execute(statement).fetchall()
    finally:
        db.close()


def main() -> None:
    """Prints what came of it; exit code 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with TemporaryDirectory() as folder, Progress(console=Console(stderr=True)) as progress:
        seen = run(arguments.calls, arguments.each, arguments.kills, arguments.seed, Path(folder), progress)
    done = Counter(request.done for request in seen.requests)
    print(
        f"{seen.notifications:,} notifications of {arguments.calls} calls, {arguments.kills} kills, {seen.took_s:.0f} s"
    )
    print("\n| | |\n|---|---|")
    print(f"| taken at least once | {len(seen.taken):,} |")
    print(f"| calls that were overtaken | {len(overtaken(seen.requests))} |")
    print(f"| deliveries beyond the first | {seen.twice} |")
    print(f"| of these, taken before a kill that came before their settling | {seen.unknown.total()} |")
    print(f"| attempts under way at the kills | {sum(seen.unsettled)} ({', '.join(map(str, seen.unsettled))}) |")
    print(f"| attempts that were seen, that are logged | {seen.seen:,}, {seen.attempts:,} |")
    print(f"| attempts that timed out under an answer | {seen.late.total()} |")
    print(
        f"| requests in all | {len(seen.requests):,} ({', '.join(f'{name} {count}' for name, count in done.most_common())}) |"
    )
    print(f"| signed rightly by v1 and v1a | {sum(request.is_signed for request in seen.requests):,} |")
    for wrong in seen.wrong():
        print(f"WRONG: {wrong}")
    sys.exit(1 if seen.wrong() else 0)


if __name__ == "__main__":
    main()
