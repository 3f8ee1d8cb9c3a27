"""One call, one trace: from Envoy through intake and media to notify's POST, as a real OTLP collector sees it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.audio import good_wav
from tests.support.collector import Collector, SeenSpan, a_collector, tree
from tests.support.hosts import Host
from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, a_calldock

UPLOAD_JSON = "calldock.intake.v1.JsonDoorService/UploadCallsJson"
FETCH = "calldock.media.internal.v1.ProcessingService/FetchRecording"
PROCESS = "calldock.media.internal.v1.ProcessingService/ProcessRecording"
ENQUEUE = "calldock.notify.internal.v1.DeliveryService/EnqueueNotifications"
ENVOY, INTAKE, MEDIA, NOTIFY = "calldock-envoy", "calldock-intake", "calldock-media", "calldock-notify"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with a_collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def calldock(host: Host, collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calldock]:
    settings = {
        "EGRESS_ALLOW": f"127.0.0.1:{host.port}",
        "EGRESS_CA_FILE": str(host.ca_file),
        "TRACES_ENDPOINT": collector.url,
        "TRACES_SHARE": "1",
    }
    with a_calldock(Path(tmp_path_factory.mktemp("traced")), **settings) as calldock:
        yield calldock


@pytest.fixture(scope="module")
def account(calldock: Calldock, host: Host) -> Account:
    account = calldock.account("Traced")
    host.secrets.append(account.secret)
    return account


def a_call(host: Host, ext_id: str) -> dict[str, object]:
    record = {
        "employee_name": "Anna",
        "employee_channel": "left",
        "record_url": host.serve(f"/{ext_id}.wav", "audio/wav", good_wav()),
    }
    hook = {"url": host.hook, "events": ["in_process", "processed"]}
    return a_json_call(ext_id=ext_id, is_lost=False, wav_records=[record], callback=hook)


def edges(spans: list[SeenSpan]) -> set[tuple[str, str, str, str]]:
    """Each span with its parent, as (service, name) of both, where both have come."""
    by_id = {span.span_id: span for span in spans}
    return {
        (by_id[span.parent_id].service, by_id[span.parent_id].name, span.service, span.name)
        for span in spans
        if span.parent_id in by_id
    }


EXPECTED = {
    (INTAKE, UPLOAD_JSON, INTAKE, "call.fetch"),
    (INTAKE, "call.fetch", INTAKE, FETCH),
    (INTAKE, FETCH, MEDIA, FETCH),
    (INTAKE, UPLOAD_JSON, INTAKE, "call.process"),
    (INTAKE, "call.process", INTAKE, PROCESS),
    (INTAKE, PROCESS, MEDIA, PROCESS),
    (INTAKE, UPLOAD_JSON, INTAKE, "notification.relay"),
    (INTAKE, "notification.relay", INTAKE, ENQUEUE),
    (INTAKE, ENQUEUE, NOTIFY, ENQUEUE),
    (INTAKE, UPLOAD_JSON, NOTIFY, "notification.post"),
}


def is_whole(spans: list[SeenSpan]) -> bool:
    """Whether all is there that one call makes, and what it began from: each process sends its spans when it likes."""
    known = {span.span_id for span in spans}
    return edges(spans) >= EXPECTED and all(span.parent_id in known for span in spans if span.parent_id)


def test_one_call_is_one_trace_from_the_front_door_to_its_receiver(
    calldock: Calldock, host: Host, account: Account, collector: Collector
) -> None:
    assert calldock.upload(account, a_call(host, "one")).status == 200
    host.wait(lambda: [told["status"] for told in host.heard["one"]] == ["in_process", "processed"])
    call_session_id = calldock.lookup(account, "one").call_session_id

    upload = collector.wait(UPLOAD_JSON, ext_id="one")
    collector.wait("notification.post", call_session_id=call_session_id, outcome="delivered")
    with collector.changed:
        assert collector.changed.wait_for(
            lambda: len(collector.named("notification.post", call_session_id=call_session_id)) == 2, 30
        )
        assert collector.changed.wait_for(lambda: is_whole(collector.trace(upload.trace_id)), 30), tree(
            collector.trace(upload.trace_id)
        )
    spans = collector.trace(upload.trace_id)
    print("\n" + tree(spans))

    (first,) = [span for span in spans if not span.parent_id]
    assert first.service == ENVOY
    assert upload.parent_id == first.span_id
    posts = [span for span in spans if span.name == "notification.post"]
    assert {span.attributes["http.response.status_code"] for span in posts} == {204}
    assert all(host.url not in str(span.attributes) for span in spans)


def test_calls_of_a_batch_have_traces_of_their_own_that_link_to_the_upload(
    calldock: Calldock, host: Host, account: Account, collector: Collector
) -> None:
    assert calldock.upload(account, a_call(host, "two"), a_call(host, "three")).status == 200
    host.wait(lambda: len(host.heard["two"]) == len(host.heard["three"]) == 2)

    firsts = [collector.wait("call", ext_id=ext_id) for ext_id in ("two", "three")]
    assert len({first.trace_id for first in firsts}) == 2
    for first, ext_id in zip(firsts, ("two", "three"), strict=True):
        call_session_id = calldock.lookup(account, ext_id).call_session_id
        post = collector.wait("notification.post", call_session_id=call_session_id)
        assert (post.trace_id, post.parent_id) == (first.trace_id, first.span_id)
        assert collector.wait("call.process", call_session_id=call_session_id).parent_id == first.span_id
        ((upload_trace, upload_span),) = first.links
        (upload,) = [span for span in collector.trace(upload_trace) if span.span_id == upload_span]
        assert (upload.service, upload.name) == (INTAKE, UPLOAD_JSON)


def test_a_call_of_a_batch_that_ends_with_its_upload_has_no_trace_of_its_own(
    calldock: Calldock, host: Host, account: Account, collector: Collector
) -> None:
    plain = [a_json_call(ext_id=ext_id) for ext_id in ("plain-1", "plain-2")]
    told = a_json_call(ext_id="told", callback={"url": host.hook, "events": ["processed"]})
    assert calldock.upload(account, told, *plain).status == 200

    call = collector.wait("call", ext_id="told")
    ((upload_trace, upload_span),) = call.links
    collector.wait(UPLOAD_JSON, calls=3)
    (upload,) = [span for span in collector.trace(upload_trace) if span.span_id == upload_span]
    assert upload.attributes["calldock.calls"] == 3
    # Spans of an upload are made from its last call on.
    assert not [span for ext_id in ("plain-1", "plain-2") for span in collector.named("call", ext_id=ext_id)]


def test_a_trace_that_the_client_began_goes_on_and_one_that_it_does_not_sample_is_not_there(
    calldock: Calldock, account: Account, collector: Collector
) -> None:
    import json

    theirs, silent = "4bf92f3577b34da6a3ce929d0e0e4736", "5bf92f3577b34da6a3ce929d0e0e4736"
    for ext_id, trace_id, flags in (("quiet", silent, "00"), ("loud", theirs, "01")):
        body = json.dumps({"calls": [a_json_call(ext_id=ext_id)]})
        headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-{flags}"}
        assert calldock.http("POST", "/v1/calls:upload", body, account.token, **headers).status == 200

    assert collector.wait(UPLOAD_JSON, ext_id="loud").trace_id == theirs
    assert collector.trace(silent) == []
