"""Calls that go in while things break, and the look afterwards: every acknowledged call is there once and ended, told of in order, and nothing is left over."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any, Protocol

from tests.support.audio import good_wav
from tests.support.hosts import Host
from tests.support.makers import a_json_call
from tests.support.running import Account, until

BATCH = 3
ENDED_WITHIN_S = 120.0
GONE_WITHIN_S = 30.0
TOLD = ["in_process", "processed"]


class System(Protocol):
    """What calls go into while it breaks."""

    @property
    def host(self) -> Host:
        """Where recordings come from and notifications go."""

    @property
    def accounts(self) -> Sequence[Account]:
        """Whose calls go in."""

    def url(self, path: str) -> str:
        """An address at the front door."""

    def run(self, statement: str) -> list[Any]:
        """The rows of a statement, in which tables are `intake.calls`, `notify.notifications`."""

    def stored(self) -> set[str]:
        """The keys of all objects."""


@dataclass
class Traffic:
    """Uploads without an end from a few clients, of one account after the other. Each asks once; what is not answered counts for nothing.

    The last `handing_over` of the clients hand their recordings over as files, where others name links.
    """

    system: System
    prefix: str
    clients: int = 2
    pause_s: float = 0.1
    handing_over: int = 0
    acknowledged: dict[str, str] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    failed: Counter[str] = field(default_factory=Counter)
    refusals: set[str] = field(default_factory=set)
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
            self._upload(client, names)
            self._over.wait(self.pause_s)

    def _upload(self, client: int, names: list[str]) -> None:
        account = self.system.accounts[client % len(self.system.accounts)]
        calls = []
        for name in names:
            calls.append(a_call(self.system, name))
            if client >= self.clients - self.handing_over:
                status, answer = hand_over(self.system, account)
                if status != 200:
                    self._failed(status, answer)
                    return
                calls[-1]["wav_records"][0]["record_url"] = answer["record_url"]
        self.sent.update(names)
        status, answer = ask(self.system, "/v1/calls:upload", {"calls": calls}, account)
        if status != 200:
            self._failed(status, answer)
            return
        with self._lock:
            self.acknowledged.update({each["ext_id"]: each["call_session_id"] for each in answer["calls"]})

    def _failed(self, status: int, answer: str) -> None:
        with self._lock:
            self.failed[str(status)] += 1
            self.refusals.add(answer)
            self.last_failure_s = time.monotonic()


def a_call(system: System, ext_id: str) -> dict[str, Any]:
    """A call with one recording, that wants to tell of all that becomes of it."""
    record = {"employee_name": "Anna", "employee_channel": "left", "record_url": f"{system.host.url}/good.wav"}
    return a_json_call(
        ext_id=ext_id,
        wav_records=[record],
        callback={"url": system.host.hook, "events": ["in_process", "processed", "error"]},
    )


def ask(system: System, path: str, body: object = None, account: Account | None = None) -> tuple[int, Any]:
    """One request, of the first account when none is named: its status and answer, which is a text when it is no 200; 0 when there was no answer."""
    data = None if body is None else json.dumps(body).encode()
    return _answer(system, account or system.accounts[0], urllib.request.Request(system.url(path), data))


def hand_over(system: System, account: Account) -> tuple[int, Any]:
    """Sends a recording as a file; answers as `ask`."""
    headers = {"content-type": "audio/wav"}
    return _answer(system, account, urllib.request.Request(system.url("/v1/recordings:put"), _wav(), headers))


def _answer(system: System, account: Account, request: urllib.request.Request) -> tuple[int, Any]:
    request.add_header("authorization", f"Bearer {account.token}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=40) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except (OSError, ValueError):
        return 0, ""


@cache
def _wav() -> bytes:
    return good_wav(17)


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
    system = traffic.system
    rows = Rows(system)
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
    orphans = orphaned(system, rows)
    stored = rows.all(
        "SELECT c.ext_id, c.call_session_id, c.status, count(r.recording_id) FROM intake.calls c"
        " LEFT JOIN intake.recordings r USING (call_session_id) GROUP BY 1, 2, 3"
    )
    ours = [row for row in stored if row[0].startswith(f"{traffic.prefix}-")]
    by_ext_id = Counter(row[0] for row in ours)
    ended = {row[0]: str(row[1]) for row in ours if row[2] == "processed"}
    heard = {name: [each["status"] for each in system.host.heard[name]] for name in by_ext_id}
    batches = Counter(name.rpartition("-")[0] for name in by_ext_id)
    deliveries = Counter(delivery for delivery, name, _ in system.host.deliveries if name in by_ext_id)
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


def orphaned(system: System, rows: "Rows") -> set[str]:
    """Objects that stay though no row names them, and names that stay without an object."""
    left = _left_over(system, rows)

    def is_gone() -> bool:
        left.intersection_update(_left_over(system, rows))
        return not left

    with suppress(TimeoutError):
        until(is_gone, GONE_WITHIN_S)
    return left


def _left_over(system: System, rows: "Rows") -> set[str]:
    """At this moment: something may be on its way out."""
    rows.run("UPDATE intake.object_garbage SET not_before = 0 WHERE not_before > 0")
    named = rows.all("SELECT audio_key, source_key FROM intake.recordings")
    kept = system.stored()
    return (kept - {key for row in named for key in row}) | ({row[0] for row in named if row[0]} - kept)


class Rows:
    """Statements on a system's databases."""

    def __init__(self, system: System) -> None:
        self.all = system.run

    def number(self, statement: str) -> int:
        """The only number."""
        found: int = self.all(statement)[0][0]
        return found

    def run(self, statement: str) -> None:
        """Changes something."""
        self.all(statement)
