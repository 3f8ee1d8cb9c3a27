"""Listening by signed links, through the real Envoy, from local files and from a bucket."""

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.audio import good_wav
from tests.support.buckets import a_bucket
from tests.support.hosts import Host, a_host
from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, Reply, a_calldock, until


def a_recording(calldock: Calldock, account: Account, host: Host, ext_id: str = "heard") -> int:
    """Uploads a call with a recording and waits until it can be heard."""
    host.serve("/good.wav", "audio/wav", good_wav())
    record = {"employee_name": "Anna", "employee_channel": "left", "record_url": f"{host.url}/good.wav"}
    assert calldock.upload(account, a_json_call(ext_id=ext_id, wav_records=[record])).status == 200

    def call() -> dict[str, Any]:
        found: dict[str, Any] = calldock.http("GET", f"/v1/calls:lookup?ext_id={ext_id}", token=account.token).json
        return found

    until(lambda: call()["status"] == "CALL_STATUS_PROCESSED")
    return int(call()["wav_records"][0]["recording"]["recording_id"])


def make_link(calldock: Calldock, token: str, recording_id: int) -> Reply:
    return calldock.http("POST", f"/v1/recordings/{recording_id}:createPlaybackLink", b"{}", token)


@pytest.fixture(scope="module")
def recording(calldock: Calldock, account: Account, host: Host) -> int:
    return a_recording(calldock, account, host)


@pytest.fixture
def link(calldock: Calldock, account: Account, recording: int) -> str:
    path: str = make_link(calldock, account.token, recording).json["path"]
    return path


@pytest.fixture
def audio(calldock: Calldock, account: Account, recording: int) -> bytes:
    return calldock.http("GET", f"/v1/recordings/{recording}/audio", token=account.token).body


def test_a_link_plays_without_a_token(calldock: Calldock, link: str, audio: bytes) -> None:
    heard = calldock.http("GET", link)

    assert heard.status == 200
    assert heard.body == audio
    assert heard.headers["content-type"] == "audio/mpeg"
    assert heard.headers["accept-ranges"] == "bytes"
    assert int(heard.headers["content-length"]) == len(audio)
    assert "no-cache" in heard.headers["cache-control"]


def test_a_link_plays_from_any_place(calldock: Calldock, link: str, audio: bytes) -> None:
    middle = calldock.http("GET", link, range="bytes=1000-1999")
    end = calldock.http("GET", link, range="bytes=-10")

    assert (middle.status, middle.body) == (206, audio[1000:2000])
    assert middle.headers["content-range"] == f"bytes 1000-1999/{len(audio)}"
    assert (end.status, end.body) == (206, audio[-10:])


def test_a_range_behind_the_end_is_416(calldock: Calldock, link: str, audio: bytes) -> None:
    answer = calldock.http("GET", link, range=f"bytes={len(audio)}-")

    assert answer.status == 416
    assert answer.headers["content-range"] == f"bytes */{len(audio)}"


def test_what_a_player_has_already_is_not_sent_again(calldock: Calldock, link: str, audio: bytes) -> None:
    etag = calldock.http("GET", link).headers["etag"]

    assert calldock.http("GET", link, if_none_match=etag).status == 304
    assert calldock.http("GET", link, range="bytes=0-9", if_range=etag).status == 206
    other = calldock.http("GET", link, range="bytes=0-9", if_range='"another"')
    assert (other.status, len(other.body)) == (200, len(audio))


def test_head_tells_the_size_and_sends_nothing(calldock: Calldock, link: str, audio: bytes) -> None:
    answer = calldock.http("HEAD", link)

    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) == len(audio)


def test_an_altered_link_is_refused_in_the_words_of_any_other(calldock: Calldock, link: str) -> None:
    altered = link[:-9] + ("A" if link[-9] != "A" else "B") + link[-8:]
    answers = [calldock.http("GET", path) for path in (altered, "/v1/playback/x", link + "A")]

    assert [answer.status for answer in answers] == [403, 403, 403]
    assert len({answer.body for answer in answers}) == 1
    assert answers[0].json == {"code": 7, "message": "this link is not valid, or not any more", "details": []}


def test_no_link_is_made_for_a_recording_of_another_account(calldock: Calldock, recording: int) -> None:
    stranger = calldock.account("Stranger")

    assert make_link(calldock, stranger.token, recording).status == 404
    assert make_link(calldock, "no-token", recording).status == 401


def test_a_token_that_only_reads_may_listen(calldock: Calldock, account: Account, recording: int) -> None:
    made = calldock.http("POST", "/v1/tokens", json.dumps({"role": "ROLE_READ"}), account.token)

    assert make_link(calldock, made.json["access_token"], recording).status == 200


def test_a_link_ends_with_its_call(calldock: Calldock, account: Account, host: Host) -> None:
    recording = a_recording(calldock, account, host, "erased")
    link = make_link(calldock, account.token, recording).json["path"]
    call = calldock.http("GET", "/v1/calls:lookup?ext_id=erased", token=account.token).json["call_session_id"]
    assert calldock.http("GET", link).status == 200

    assert calldock.http("DELETE", f"/v1/calls/{call}", token=account.token).status == 200

    assert calldock.http("GET", link).status == 404


def test_listening_is_logged_once_a_link_and_the_link_never(calldock: Calldock, account: Account, host: Host) -> None:
    recording = a_recording(calldock, account, host, "logged")
    link = make_link(calldock, account.token, recording).json["path"]

    for _ in range(3):
        assert calldock.http("GET", link, range="bytes=5-9").status == 206

    log = calldock.log.read_text()
    events = [json.loads(line) for line in log.splitlines() if "recording.played" in line]
    mine = [event for event in events if event["recording_id"] == recording]
    assert [(event["account_id"], event["outcome"]) for event in mine] == [(account.account_id, "streamed")]
    assert link.rpartition("/")[2] not in log


def test_a_link_of_a_bucket_leads_there_and_its_time_ends(tmp_path: Path) -> None:
    with a_host(tmp_path) as host, a_bucket(tmp_path) as bucket:
        settings = {
            "EGRESS_ALLOW": f"127.0.0.1:{host.port}", "EGRESS_CA_FILE": str(host.ca_file), "PLAYBACK_LINK_S": "10",
        }  # fmt: skip
        with a_calldock(tmp_path, **settings, **bucket.settings()) as calldock:
            account = calldock.account()
            link = make_link(calldock, account.token, a_recording(calldock, account, host)).json["path"]

            led = calldock.http("GET", link)

            assert (led.status, led.body) == (307, b"")
            target = urlsplit(led.headers["location"])
            assert f"http://{target.netloc}" == bucket.storage.endpoint
            connection = http.client.HTTPConnection(target.netloc, timeout=20)
            connection.request("GET", f"{target.path}?{target.query}", headers={"range": "bytes=0-2"})
            heard = connection.getresponse()
            assert (heard.status, heard.read()) == (206, b"ID3")
            assert heard.getheader("content-type") == "audio/mpeg"
            connection.close()
            until(lambda: calldock.http("GET", link).status == 403)
