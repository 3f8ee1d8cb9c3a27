"""A whole calldock whose recordings lie in a bucket."""

from pathlib import Path
from typing import Any

from tests.support.audio import good_wav
from tests.support.buckets import a_bucket
from tests.support.hosts import a_host
from tests.support.makers import a_json_call
from tests.support.running import a_calldock, until


def test_a_call_is_processed_heard_and_its_source_leaves_the_bucket(tmp_path: Path) -> None:
    with a_host(tmp_path) as host, a_bucket(tmp_path) as bucket:
        settings = {"EGRESS_ALLOW": f"127.0.0.1:{host.port}", "EGRESS_CA_FILE": str(host.ca_file), "SOURCE_KEEP_S": "0"}
        with a_calldock(tmp_path, **settings, **bucket.settings()) as calldock:
            account = calldock.account()
            url = host.serve("/good.wav", "audio/wav", good_wav())
            record = {"employee_name": "Anna", "employee_channel": "left", "record_url": url}
            assert calldock.upload(account, a_json_call(wav_records=[record])).status == 200

            def call() -> dict[str, Any]:
                found: dict[str, Any] = calldock.http("GET", "/v1/calls:lookup?ext_id=call-1", token=account.token).json
                return found

            until(lambda: call()["status"] == "CALL_STATUS_PROCESSED")
            number = call()["wav_records"][0]["recording"]["recording_id"]
            audio = calldock.http("GET", f"/v1/recordings/{number}/audio", token=account.token)
            assert audio.body[:3] == b"ID3"
            until(lambda: [key.rpartition(".")[2] for key in bucket.stored()] == ["mp3"])
            assert calldock.http("GET", f"/v1/recordings/{number}/source", token=account.token).status == 404
            assert not (calldock.data_dir / "recordings").exists()
