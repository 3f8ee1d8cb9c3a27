"""docs/contract.md 6: what an account takes beside the contract."""

import json
from typing import Any

import numpy as np
import pytest
from calldock.intake.v1.call_pb2 import CALL_STATUS_ERROR, CALL_STATUS_PROCESSED, Call

from services.media.encode import encode_mp3
from tests.support.audio import good_wav
from tests.support.hosts import Host
from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, Reply, until


def set_audio(calldock: Calldock, account: Account, **audio: Any) -> Reply:
    return calldock.http("PATCH", "/v1/account?update_mask=audio", json.dumps({"audio": audio}), account.token)


def ended(calldock: Calldock, account: Account, ext_id: str) -> Call:
    until(lambda: calldock.lookup(account, ext_id).status in (CALL_STATUS_PROCESSED, CALL_STATUS_ERROR))
    return calldock.lookup(account, ext_id)


def a_wav(url: str) -> dict[str, Any]:
    return {"wav_records": [{"employee_name": "Anna", "employee_channel": "left", "record_url": url}]}


@pytest.mark.contract("6 Content-Type alias refused", "6 Content-Type alias accepted", "6 Content-Type quoted")
def test_a_content_type_is_taken_where_the_account_lists_it(calldock: Calldock, host: Host) -> None:
    account = calldock.account("Aliases")
    url = host.serve("/alias.wav", "Audio/X-WAV; rate=8000", good_wav())
    calldock.upload(account, a_json_call(ext_id="before", **a_wav(url)))
    refused = ended(calldock, account, "before")

    changed = set_audio(calldock, account, wav_content_types=["audio/x-WAV", "audio/wave"])
    calldock.upload(account, a_json_call(ext_id="after", **a_wav(url)))

    assert "'Audio/X-WAV; rate=8000'" in refused.error_message
    assert changed.json["audio"]["wav_content_types"] == ["audio/wave", "audio/x-wav"]
    taken = ended(calldock, account, "after")
    assert taken.status == CALL_STATUS_PROCESSED, taken.error_message
    assert taken.wav_records[0].recording.audio_report.rules_version == 2


@pytest.mark.contract("6 MP3 without ID3", "6 MP3 without ID3 let pass")
def test_an_mp3_without_id3_passes_where_the_account_says_so(calldock: Calldock, host: Host) -> None:
    account = calldock.account("Bare MP3")
    bare = encode_mp3(np.zeros((2, 8000 * 20), np.int16), 8000)
    record = {"mp3_records": [{"record_url": host.serve("/bare.mp3", "audio/mpeg", bare)}]}
    calldock.upload(account, a_json_call(ext_id="before", **record))
    refused = ended(calldock, account, "before")

    set_audio(calldock, account, takes_mp3_without_id3=True)
    calldock.upload(account, a_json_call(ext_id="after", **record))

    assert refused.error_message.startswith(f"recording 1: first bytes are {bare[:3].decode('latin-1')!a}")
    assert ended(calldock, account, "after").status == CALL_STATUS_PROCESSED


def test_settings_are_replaced_whole_and_the_same_ones_keep_their_version(calldock: Calldock) -> None:
    account = calldock.account("Versions")
    policy = {"rule": "AUDIO_RULE_BAND", "policy": "RULE_POLICY_WARN"}

    answers = [
        set_audio(calldock, account, takes_mp3_without_id3=True, policies=[policy]),
        set_audio(calldock, account, takes_mp3_without_id3=True, policies=[policy]),
        set_audio(calldock, account, mp3_content_types=["audio/mp3"]),
        set_audio(calldock, account),
    ]

    assert [answer.json["audio"]["version"] for answer in answers] == [2, 2, 3, 4]
    assert answers[2].json["audio"] == {
        "wav_content_types": [], "mp3_content_types": ["audio/mp3"], "takes_mp3_without_id3": False, "policies": [], "version": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    "audio",
    [
        {"wav_content_types": ["wav"]},
        {"wav_content_types": [f"audio/{number}" for number in range(21)]},
        {"policies": [{"rule": "AUDIO_RULE_ENCODING", "policy": "RULE_POLICY_OFF"}]},
        {"policies": [{"rule": "AUDIO_RULE_BAND"}]},
        {"policies": [{"rule": "AUDIO_RULE_BAND", "policy": "RULE_POLICY_OFF"}] * 2},
    ],
    ids=["no type", "too many types", "a rule that has no policy", "no policy", "a rule twice"],
)
def test_a_wrong_setting_is_refused(calldock: Calldock, account: Account, audio: dict[str, Any]) -> None:
    assert set_audio(calldock, account, **audio).status == 400
