"""`calldock check`, as a person runs it: a file without any calldock, a link through one."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from services.cli.demo.speech import conversation, wav_bytes, with_noise
from services.media.encode import encode_mp3
from services.media.id3 import id3_tag
from tests.support.audio import good_wav
from tests.support.hosts import Host
from tests.support.makers import NOON
from tests.support.running import CALLDOCK, Account, Calldock


def check(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([CALLDOCK, "check", *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_a_good_file_is_accepted_with_its_figures_and_its_outline(tmp_path: Path) -> None:
    file = tmp_path / "good.wav"
    file.write_bytes(good_wav())

    done = check(str(file))

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("accepted")
    for told in ("8,000 Hz", "20.000 s", "SNR", "band edges"):
        assert told in done.stdout
    left, right = [line for line in done.stdout.splitlines() if "▆" in line or "▇" in line or "█" in line]
    assert (len(left), len(right)) == (78, 78)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        pytest.param(
            wav_bytes(conversation(16)[:, :-1]),
            "wav_min_duration_processing_error: duration 15.999 s",
            id="a sample short",
        ),
        pytest.param(good_wav(5), "wav_min_duration_processing_error: duration 5 s", id="short"),
        pytest.param(wav_bytes(conversation(20)[:1]), "wav_channels_processing_error: 1 channel", id="mono"),
        pytest.param(
            wav_bytes(with_noise(conversation(20), -24)),
            "wav_processing_error: left channel: signal-to-noise",
            id="noisy",
        ),
        pytest.param(b"<html>", "decode_error: first bytes are '<htm'", id="a page"),
    ],
)
def test_a_bad_file_is_refused_with_the_rule_and_the_figure(tmp_path: Path, data: bytes, told: str) -> None:
    file = tmp_path / "bad.WAV"
    file.write_bytes(data)

    done = check(str(file))

    assert done.returncode == 1
    assert f"refused: {told}" in done.stdout
    assert "16.000 s" not in done.stdout
    assert "Traceback" not in done.stderr


def test_a_machine_reads_json_and_an_mp3_is_judged_too(tmp_path: Path) -> None:
    file = tmp_path / "sound"
    file.write_bytes(id3_tag(NOON, {}) + encode_mp3(np.zeros((2, 24_000), np.int16), 8000))

    done = check(str(file), "--format", "mp3", "--json")

    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert (verdict["is_accepted"], verdict["audio_report"]["codec"]) == (True, "MP3")


def test_wrong_usage_is_said(tmp_path: Path) -> None:
    unknown = tmp_path / "sound.ogg"
    unknown.write_bytes(b"x")

    nameless = check(str(unknown))
    strange = check("https://127.0.0.1/x.wav")

    assert check(str(tmp_path / "none.wav")).returncode == 2
    assert (nameless.returncode, strange.returncode) == (2, 2)
    assert "--format" in nameless.stderr
    assert "--token" in strange.stderr


def test_what_could_not_be_asked_does_not_read_as_refused(calldock: Calldock, account: Account) -> None:
    nobody = calldock.cli("check", "https://127.0.0.1/x.wav", "--token", "none")
    away = check("https://127.0.0.1/x.wav", "--token", account.token, "--url", "http://127.0.0.1:1")
    no_link = calldock.cli("check", "http://127.0.0.1/x.wav", "--token", account.token)

    assert [done.returncode for done in (nobody, away, no_link)] == [2, 2, 2]
    assert nobody.stderr == "Access token is invalid\n"
    assert "Is calldock running?" in away.stderr
    assert "https only" in no_link.stderr


def test_a_link_is_fetched_by_calldock(calldock: Calldock, account: Account, host: Host) -> None:
    good = calldock.cli("check", f"{host.url}/good.wav", "--token", account.token)
    gone = calldock.cli("check", f"{host.url}/gone.wav?x=1", "--token", account.token)

    assert (good.returncode, good.stdout.splitlines()[0]) == (0, "accepted")
    assert gone.returncode == 1
    assert "http_status_download_error: the server answered 404" in gone.stdout
