"""Calls that go in while things break, and the look afterwards: every acknowledged call is there once and ended, told of in order, and nothing is left over."""

import asyncio
import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from tests.chaos.topology import Topology
from tests.support.makers import a_json_call
from tests.support.running import until

BATCH = 3
ENDED_WITHIN_S = 120.0
GONE_WITHIN_S = 30.0
TOLD = ["in_process", "processed"]


@dataclass
class Traffic:
    """Uploads without an end from a few clients. Each asks once; what is not answered counts for nothing."""

    topology: Topology
    prefix: str
    clients: int = 2
    pause_s: float = 0.1
    acknowledged: dict[str, str] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    failed: Counter[str] = field(default_factory=Counter)
    last_failure_s: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> "Traffic":
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(self.clients)]
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for each in self._threads:
            each.join()

    def _run(self, client: int) -> None:
        for number in count():
            if self._over.is_set():
                return
            names = [f"{self.prefix}-{client}-{number}-{place}" for place in range(BATCH)]
            self._upload(names)
            self._over.wait(self.pause_s)

    def _upload(self, names: list[str]) -> None:
        self.sent.update(names)
        calls = [a_call(self.topology, name) for name in names]
        status, answer = ask(self.topology, "/v1/calls:upload", {"calls": calls})
        with self._lock:
            if status == 200:
                self.acknowledged.update({each["ext_id"]: each["call_session_id"] for each in answer["calls"]})
            else:
                self.failed[str(status)] += 1
                self.last_failure_s = time.monotonic()


def a_call(topology: Topology, ext_id: str) -> dict[str, Any]:
    """A call with one recording, that wants to tell of all that becomes of it."""
    record = {"employee_name": "Anna", "employee_channel": "left", "record_url": f"{topology.host.url}/good.wav"}
    return a_json_call(
        ext_id=ext_id,
        wav_records=[record],
        callback={"url": topology.host.hook, "events": ["in_process", "processed", "error"]},
    )


def ask(topology: Topology, path: str, body: object = None) -> tuple[int, Any]:
    """One request; 0 when there was no answer."""
    request = urllib.request.Request(topology.url(path), None if body is None else json.dumps(body).encode())
    request.add_header("authorization", f"Bearer {topology.account.token}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=40) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, None
    except (OSError, ValueError):
        return 0, None


@dataclass(frozen=True)
class Seen:
    """What came of the traffic of one fault."""

    calls: int
    lost: int
    duplicated: int
    half_stored: int
    out_of_order: int
    orphans: int
    repeated_callbacks: int
    dry_at: float
    """When the loops had nothing left, by the monotonic clock."""

    def wrong(self) -> dict[str, int]:
        """What may not be."""
        names = ("lost", "duplicated", "half_stored", "out_of_order", "orphans")
        return {name: found for name in names if (found := getattr(self, name))}


def look(traffic: Traffic) -> Seen:
    """Waits until the loops ran dry, then counts. Raises TimeoutError when they do not."""
    topology = traffic.topology
    rows = Rows(topology)
    until(
        lambda: (
            rows.number("SELECT (SELECT count(*) FROM intake.call_work) + (SELECT count(*) FROM intake.outbox)") == 0
        ),
        ENDED_WITHIN_S,
    )
    until(
        lambda: rows.number("SELECT count(*) FROM notify.notifications WHERE status = 'waiting'") == 0, ENDED_WITHIN_S
    )
    dry_at = time.monotonic()
    # What late writers may still bring goes ten minutes later: here, now.
    rows.run("UPDATE intake.object_garbage SET not_before = 0")
    until(lambda: rows.number("SELECT count(*) FROM intake.object_garbage") == 0, ENDED_WITHIN_S)
    orphans = orphaned(topology, rows)
    stored = rows.all(
        "SELECT c.ext_id, c.call_session_id, c.status, count(r.recording_id) FROM intake.calls c"
        " LEFT JOIN intake.recordings r USING (call_session_id) GROUP BY 1, 2, 3"
    )
    ours = [row for row in stored if row[0].startswith(f"{traffic.prefix}-")]
    by_ext_id = Counter(row[0] for row in ours)
    ended = {row[0]: str(row[1]) for row in ours if row[2] == "processed"}
    heard = {name: [each["status"] for each in topology.host.heard[name]] for name in by_ext_id}
    batches = Counter(name.rpartition("-")[0] for name in by_ext_id)
    deliveries = Counter(delivery for delivery, name, _ in topology.host.deliveries if name in by_ext_id)
    return Seen(
        calls=len(traffic.acknowledged),
        lost=sum(ended.get(name) != number for name, number in traffic.acknowledged.items()),
        duplicated=sum(times - 1 for times in by_ext_id.values()),
        half_stored=sum(row[3] != 1 or row[2] != "processed" for row in ours)
        + sum(found != BATCH for found in batches.values()),
        out_of_order=sum(statuses != TOLD for statuses in heard.values()),
        orphans=len(orphans),
        repeated_callbacks=deliveries.total() - len(deliveries),
        dry_at=dry_at,
    )


def orphaned(topology: Topology, rows: "Rows") -> set[str]:
    """Objects that stay though no row names them, and names that stay without an object."""
    left = _left_over(topology, rows)

    def is_gone() -> bool:
        left.intersection_update(_left_over(topology, rows))
        return not left

    with suppress(TimeoutError):
        until(is_gone, GONE_WITHIN_S)
    return left


def _left_over(topology: Topology, rows: "Rows") -> set[str]:
    """At this moment: something may be on its way out."""
    rows.run("UPDATE intake.object_garbage SET not_before = 0 WHERE not_before > 0")
    named = rows.all("SELECT audio_key, source_key FROM intake.recordings")
    kept = {key.removeprefix("calls/") for key in topology.bucket.stored()}
    return (kept - {key for row in named for key in row}) | ({row[0] for row in named if row[0]} - kept)


class Rows:
    """Statements on the topology's PostgreSQL, each with a connection of its own."""

    def __init__(self, topology: Topology) -> None:
        self._url = topology.database_url

    def all(self, statement: str) -> list[Any]:
        """The rows."""

        async def fetch() -> list[Any]:
            connection = await asyncpg.connect(self._url)
            try:
                found: list[Any] = await connection.fetch(statement)
                return found
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def number(self, statement: str) -> int:
        """The only number."""
        found: int = self.all(statement)[0][0]
        return found

    def run(self, statement: str) -> None:
        """Changes something."""
        self.all(statement)
