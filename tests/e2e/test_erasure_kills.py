"""Calls are erased while they are worked on and told, and while each service is killed again and again: nothing of them is left."""

import itertools
import os
import random
import signal
import sqlite3
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.support.audio import good_wav
from tests.support.hosts import Host, reply
from tests.support.makers import a_json_call
from tests.support.running import Calldock, a_calldock, until

CALLS = 40
SERVICES = ("intake", "media", "notify")
SECRET = "the words of the caller"


def a_call(host: Host, number: int) -> dict[str, Any]:
    record = {"employee_name": "Anna", "employee_channel": "left", "record_url": f"{host.url}/erased-{number}.wav"}
    callback = {"url": host.hook, "events": ["in_process", "processed", "error"]}
    return a_json_call(ext_id=f"erased-{number}", comment=SECRET, wav_records=[record], callback=callback)


def kill(calldock: Calldock, service: str) -> None:
    """SIGKILL; `up` starts it again."""
    until(lambda: calldock.service_pid(service) is not None)
    pid = calldock.service_pid(service)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: calldock.service_pid(service) not in (None, pid))


def delete(calldock: Calldock, token: str, number: int) -> None:
    """As a client does that repeats what got no answer."""

    def is_gone() -> bool:
        try:
            return calldock.http("DELETE", f"/v1/calls/{number}", token=token).status in (200, 404)
        except OSError:
            return False

    until(is_gone)


def told(calldock: Calldock, token: str) -> Any:
    """The notifications that are kept; None while notify is away."""
    answer = calldock.http("GET", "/v1/notifications", token=token)
    return answer.json["notifications"] if answer.status == 200 else None


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}


def test_calls_that_are_erased_while_everything_is_killed_leave_nothing(host: Host, tmp_path: Path) -> None:
    rng = random.Random(7)
    come = threading.Event()

    def page(request: BaseHTTPRequestHandler) -> None:
        # Half of them come while their call is erased.
        if int(request.path.rpartition("-")[2].removesuffix(".wav")) % 2:
            come.wait(10)
        reply(request, 200, "audio/wav", good_wav())

    for number in range(CALLS):
        host.pages[f"/erased-{number}.wav"] = page
    settings = {
        "EGRESS_ALLOW": f"127.0.0.1:{host.port}",
        "EGRESS_CA_FILE": str(host.ca_file),
        "DATABASE_URL": "",
        "LEASE_S": "3",
    }
    with a_calldock(tmp_path, **settings) as calldock:
        account = calldock.account("Erased")
        host.secrets.append(account.secret)
        uploaded = calldock.upload(account, *(a_call(host, number) for number in range(CALLS))).json["calls"]
        until(lambda: any(host.heard[f"erased-{number}"] for number in range(CALLS)))
        victims = itertools.cycle(SERVICES)
        for place, call in enumerate(rng.sample(uploaded, CALLS)):
            if place % 4 == 0:
                kill(calldock, next(victims))
            if place == CALLS // 2:
                come.set()
            delete(calldock, account.token, int(call["call_session_id"]))
        for service in SERVICES:
            kill(calldock, service)

        until(calldock.is_healthy)
        assert calldock.http("GET", "/v1/calls", token=account.token).json["calls"] == []
        until(lambda: told(calldock, account.token) == [])
        database = calldock.data_dir / "intake.db"
        until(lambda: not rows(database)["erasures"])
        files = calldock.data_dir / "recordings"
        until(lambda: not [path for path in files.rglob("*") if path.is_file() and is_nobodys(path, files, database)])

    left = rows(database) | rows(calldock.data_dir / "notify.db")
    for table in (
        "calls",
        "recordings",
        "call_tags",
        "outbox",
        "call_work",
        "outbox_work",
        "erasures",
        "notifications",
        "attempts",
    ):
        assert left[table] == [], table
    assert SECRET not in str(left)
    assert "erased-" not in str(left)


def is_nobodys(path: Path, files: Path, database: Path) -> bool:
    """Whether a file is neither to be deleted later, as a killed worker may have written it, nor anything else that is known. What a killed put left, `key#1`, goes with its key."""
    return str(path.relative_to(files)).partition("#")[0] not in {key for key, _ in rows(database)["object_garbage"]}
