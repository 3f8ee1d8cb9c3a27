"""All three services serve metrics, each at an address of its own, and they change as calls come and go."""

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.audio import good_wav
from tests.support.hosts import Host
from tests.support.makers import a_json_call
from tests.support.running import Calldock, a_calldock, free_port, until

SERVICES = ("intake", "media", "notify")


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {service: free_port() for service in SERVICES}


@pytest.fixture(scope="module")
def calldock(host: Host, ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calldock]:
    settings = {
        "EGRESS_ALLOW": f"127.0.0.1:{host.port}",
        "EGRESS_CA_FILE": str(host.ca_file),
        **{f"{service.upper()}_METRICS_LISTEN": f"127.0.0.1:{port}" for service, port in ports.items()},
    }
    with a_calldock(Path(tmp_path_factory.mktemp("measured")), **settings) as calldock:
        yield calldock


def change(port: int, before: dict[str, float], series: str) -> float:
    """How much a series has grown."""
    return read(port).get(series, 0.0) - before.get(series, 0.0)


def read(port: int) -> dict[str, float]:
    """Each series with its value."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_metrics_of_all_services_change_with_a_days_calls(
    calldock: Calldock, host: Host, ports: dict[str, int]
) -> None:
    account = calldock.account("Measured")
    host.secrets.append(account.secret)
    hook = {"url": host.hook, "events": ["processed", "error"]}

    def a_call(ext_id: str, link: str) -> dict[str, object]:
        record = {"employee_name": "Anna", "employee_channel": "left", "record_url": link}
        return a_json_call(ext_id=ext_id, is_lost=False, wav_records=[record], callback=hook)

    before = {service: read(port) for service, port in ports.items()}

    def grew(service: str, series: str) -> float:
        return change(ports[service], before[service], series)

    good = a_call("measured", host.serve("/measured.wav", "audio/wav", good_wav()))
    assert calldock.upload(account, good, a_call("gone", f"{host.url}/gone.wav")).status == 200
    assert calldock.upload(account, good).status == 200
    host.wait(lambda: bool(host.heard["measured"] and host.heard["gone"]))

    until(lambda: grew("intake", 'calldock_work_pieces_total{ending="done",loop="relay"}') >= 2)
    assert grew("intake", 'calldock_intake_calls_total{outcome="created"}') == 2
    assert grew("intake", 'calldock_intake_calls_total{outcome="duplicate"}') == 1
    assert grew("intake", 'calldock_intake_verdicts_total{code="accepted"}') == 1
    assert grew("intake", 'calldock_intake_verdicts_total{code="http_status_download_error"}') == 1
    assert grew("intake", 'calldock_intake_ended_calls_total{status="processed"}') == 1
    assert grew("intake", 'calldock_intake_ended_calls_total{status="error"}') == 1
    assert grew("intake", 'calldock_work_pieces_total{ending="done",loop="process"}') == 1
    queues = {f'calldock_work_oldest_seconds{{loop="{loop}"}}' for loop in ("fetch", "process", "relay")}
    assert queues <= read(ports["intake"]).keys()
    kept = f'calldock_intake_stored_bytes{{account="{account.account_id}"}}'
    until(lambda: read(ports["intake"]).get(kept, 0) > len(good_wav()))

    assert grew("media", 'calldock_media_downloads_total{outcome="ok"}') == 1
    assert grew("media", 'calldock_media_downloads_total{outcome="http_status_download_error"}') == 1
    assert grew("media", "calldock_media_downloaded_bytes_total") == len(good_wav())
    audio_s = grew("media", "calldock_media_judged_audio_seconds_total")
    assert audio_s > 16
    assert 0 < grew("media", "calldock_media_judging_cpu_seconds_total") < audio_s

    until(lambda: grew("notify", 'calldock_notify_attempts_total{outcome="delivered"}') == 2)
    assert all("process_cpu_seconds_total" in read(port) for port in ports.values())


def test_each_piece_of_work_has_one_wide_event(calldock: Calldock, host: Host) -> None:
    account = calldock.account("Logged")
    host.secrets.append(account.secret)
    link = host.serve("/logged.wav", "audio/wav", good_wav())
    record = {"employee_name": "Anna", "employee_channel": "left", "record_url": link}
    hook = {"url": host.hook, "events": ["processed"]}
    call = a_json_call(ext_id="logged", is_lost=False, wav_records=[record], callback=hook)

    assert calldock.upload(account, call).status == 200
    host.wait(lambda: bool(host.heard["logged"]))
    call_session_id = calldock.lookup(account, "logged").call_session_id

    def events() -> dict[str, list[dict[str, object]]]:
        found: dict[str, list[dict[str, object]]] = {}
        for line in re.findall(r"^\{.*\}$", calldock.log.read_text(), re.MULTILINE):
            event = json.loads(line)
            if event.get("call_session_id") == call_session_id:
                found.setdefault(str(event["event"]), []).append(event)
        return found

    until(lambda: "notification.attempted" in events())
    seen = events()
    assert {name: len(each) for name, each in seen.items()} == {
        "recording.fetched": 1,
        "recording.examined": 1,
        "recording.judged": 1,
        "call.ended": 1,
        "notification.attempted": 1,
    }
    (ended,) = seen["call.ended"]
    assert (ended["account_id"], ended["outcome"], ended["recordings"]) == (account.account_id, "processed", 1)
    assert isinstance(ended["duration_ms"], int)
    assert isinstance(seen["recording.examined"][0]["cpu_ms"], int)
