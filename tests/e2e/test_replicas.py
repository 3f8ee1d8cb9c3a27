"""Two whole instances on one PostgreSQL and one object store: every call is stored once and ends, every callback comes, in order, whoever is killed."""

import base64
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from calldock.intake.v1.call_pb2 import CALL_STATUS_IN_PROCESS, CALL_STATUS_NEW, CALL_STATUS_PROCESSED
from calldock.intake.v1.call_service_pb2 import WatchCallsRequest
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub

from tests.support.audio import good_wav
from tests.support.hosts import Host, a_host
from tests.support.makers import a_json_call
from tests.support.postgres import Cluster, cluster
from tests.support.running import Account, Calldock, a_calldock, until

CALLS = 60


@dataclass(frozen=True)
class Pair:
    """Two instances with what they share."""

    instances: tuple[Calldock, Calldock]
    cluster: Cluster
    host: Host
    account: Account


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder: Path = tmp_path_factory.mktemp("replicas")
    with ExitStack() as stack:
        database = stack.enter_context(cluster("max_connections=80"))
        host = stack.enter_context(a_host(folder))
        host.serve("/good.wav", "audio/wav", good_wav())
        settings = {
            "DATABASE_URL": database.create("calldock"),
            "SECRET_KEY": base64.b64encode(os.urandom(32)).decode(),
            "STORAGE_URL": (folder / "recordings").as_uri(),
            "EGRESS_ALLOW": f"127.0.0.1:{host.port}",
            "EGRESS_CA_FILE": str(host.ca_file),
            "NOTIFY_RETRY_SCHEDULE_S": "0.2,0.5,1,1,1",
            "MEDIA_DOWNLOAD_PAUSES_S": "0.1,0.1,0.1",
            "LEASE_S": "2",
        }
        instances = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            instances.append(stack.enter_context(a_calldock(folder / name, **settings)))
        account = instances[0].account()
        host.secrets.append(account.secret)
        yield Pair((instances[0], instances[1]), database, host, account)


def a_call(pair: Pair, ext_id: str) -> dict[str, Any]:
    return a_json_call(
        ext_id=ext_id,
        wav_records=[
            {"employee_name": "Anna", "employee_channel": "left", "record_url": f"{pair.host.url}/good.wav"},
        ],
        callback={"url": pair.host.hook, "events": ["in_process", "processed", "error"]},
    )


def upload(pair: Pair, calls: list[dict[str, Any]], through: int) -> list[dict[str, Any]]:
    """Uploads until it is taken: an instance may be down for a moment."""
    taken: list[dict[str, Any]] = []

    def is_taken() -> bool:
        try:
            answer = pair.instances[through].upload(pair.account, *calls)
        except OSError:
            return False
        taken[:] = answer.json["calls"] if answer.status == 200 else []
        return bool(taken)

    until(is_taken, 60)
    return taken


def statuses(pair: Pair, prefix: str, through: int) -> dict[str, str]:
    stored = pair.instances[through].all_of(pair.account, "calls")
    return {each["ext_id"]: each["status"] for each in stored if each["ext_id"].startswith(prefix)}


def all_end(pair: Pair, prefix: str, count: int) -> None:
    """Returns when both instances show so many calls, all processed."""
    for through in (0, 1):
        until(partial(_all_end, pair, prefix, through, count), 90)


def _all_end(pair: Pair, prefix: str, through: int, count: int) -> bool:
    return [*statuses(pair, prefix, through).values()] == ["CALL_STATUS_PROCESSED"] * count


def told(pair: Pair, prefix: str) -> dict[str, list[str]]:
    """What the receiver heard of each call, repeats left out."""
    return {
        ext_id: [each["status"] for each in heard]
        for ext_id, heard in list(pair.host.heard.items())
        if ext_id.startswith(prefix)
    }


def test_what_one_takes_the_other_shows_and_a_repeat_at_the_other_is_one(pair: Pair) -> None:
    calls = [a_call(pair, f"both-{number}") for number in range(CALLS)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda turn: upload(pair, calls[:: 1 if turn % 2 else -1], turn % 2), range(6)))

    numbers = [{each["ext_id"]: each["call_session_id"] for each in answer} for answer in answers]
    assert all(each == numbers[0] for each in numbers)
    outcomes = [each["outcome"] for answer in answers for each in answer]
    assert outcomes.count("OUTCOME_CREATED") == CALLS
    all_end(pair, "both-", CALLS)


def test_processes_that_are_killed_lose_nothing_and_overtake_nobody(pair: Pair) -> None:
    for kill in range(4):
        calls = [a_call(pair, f"kill-{kill}-{number}") for number in range(15)]
        upload(pair, calls, kill % 2)
        service = ("intake", "notify", "media", "intake")[kill]
        pid = pair.instances[kill % 2].service_pid(service)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    all_end(pair, "kill-", 60)
    until(lambda: [*map(len, told(pair, "kill-").values())] == [2] * 60, 90)
    assert set(map(tuple, told(pair, "kill-").values())) == {("in_process", "processed")}


def test_a_watcher_misses_nothing_though_writers_are_elsewhere_and_its_server_is_killed(pair: Pair) -> None:
    metadata = (("authorization", f"Bearer {pair.account.token}"),)
    cursor = pair.instances[1].http("GET", "/v1/calls?page_size=1", token=pair.account.token).json["watch_cursor"]
    heard: list[tuple[str, int]] = []

    def watch() -> None:
        nonlocal cursor
        ends = 0
        while ends < 40:
            stream = CallServiceStub(pair.instances[1].channel).WatchCalls(
                WatchCallsRequest(cursor=cursor), metadata=metadata, wait_for_ready=True
            )
            # Whatever ends the stream: one goes on where one was.
            with suppress(grpc.RpcError):
                for told in stream:
                    if told.status:
                        heard.append((told.call.ext_id, told.status))
                        ends += told.status == CALL_STATUS_PROCESSED
                    cursor = told.cursor
                    if ends == 40:
                        break
            stream.cancel()

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        for batch in range(4):
            upload(pair, [a_call(pair, f"watch-{batch}-{number}") for number in range(10)], batch % 2)
            if batch == 1:
                pid = pair.instances[1].service_pid("intake")
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
        watching.result(timeout=90)

    by_call: dict[str, list[int]] = {}
    for ext_id, status in heard:
        by_call.setdefault(ext_id, []).append(status)
    assert list(by_call.values()) == [[CALL_STATUS_NEW, CALL_STATUS_IN_PROCESS, CALL_STATUS_PROCESSED]] * 40


def test_a_database_that_was_away_is_used_again(pair: Pair) -> None:
    upload(pair, [a_call(pair, f"away-{number}") for number in range(10)], 0)

    pair.cluster.restart()

    upload(pair, [a_call(pair, f"away-{number}") for number in range(10, 20)], 1)
    all_end(pair, "away-", 20)
