"""Health: a process whose database is away lives but is not ready; one that stops is not ready first, and takes what still comes for a moment."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from tests.support.makers import a_json_call
from tests.support.postgres import Cluster, cluster
from tests.support.running import Calldock, a_calldock, until

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


@pytest.fixture
def database() -> Iterator[Cluster]:
    with cluster("fsync=off", "max_connections=60") as running:
        yield running


def told(calldock: Calldock, service: str, asked: str = "", listener: str = "") -> int:
    """What a service's own health check answers for a name."""
    with grpc.insecure_channel(f"unix:{calldock.runtime()['sockets']}/{service}{listener}.sock") as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
        )
        return int(check(HealthCheckRequest(service=asked), timeout=10).status)


def test_who_has_no_database_lives_and_is_not_ready_until_it_is_back(tmp_path: Path, database: Cluster) -> None:
    settings = {
        "DATABASE_URL": database.create("calldock"),
        "SECRET_KEY": base64.b64encode(os.urandom(32)).decode(),
    }
    with a_calldock(tmp_path, **settings) as calldock:
        pids = [calldock.service_pid(name) for name in ("intake", "media", "notify")]
        assert [told(calldock, name) for name in ("intake", "media", "notify")] == [SERVING] * 3
        database.stop()

        until(lambda: [told(calldock, name) for name in ("intake", "notify")] == [NOT_SERVING] * 2)
        assert told(calldock, "intake", "calldock.intake.v1.CallService") == NOT_SERVING
        assert told(calldock, "intake", listener="-internal") == NOT_SERVING
        assert told(calldock, "media") == SERVING
        assert [told(calldock, name, "live") for name in ("intake", "media", "notify")] == [SERVING] * 3
        until(lambda: calldock.http("GET", "/readyz").status == 503)
        assert calldock.http("GET", "/healthz").status == 200

        database.start()
        until(calldock.is_healthy)
        assert [calldock.service_pid(name) for name in ("intake", "media", "notify")] == pids


def test_a_stop_says_so_first_and_still_takes_what_comes(tmp_path: Path) -> None:
    with a_calldock(tmp_path, DRAIN_NOTICE_S="3") as calldock:
        account = calldock.account()
        pid = calldock.service_pid("intake")
        assert pid is not None
        os.kill(pid, 15)

        until(lambda: told(calldock, "intake") == NOT_SERVING)
        assert told(calldock, "intake", "live") == SERVING
        assert calldock.upload(account, a_json_call(ext_id="late")).status == 200
        assert calldock.service_pid("intake") == pid

        until(lambda: calldock.service_pid("intake") not in (None, pid) and calldock.is_healthy())
        assert calldock.lookup(account, "late").ext_id == "late"
