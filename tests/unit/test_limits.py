"""docs/contract.md 6, 7, 8: the limits that hold when nobody sets another."""

from itertools import pairwise

import pytest
from pydantic import SecretStr, ValidationError

from services.intake.audio_settings import AudioSettings
from services.intake.peers import audio_rules
from services.intake.settings import IntakeSettings
from services.media.settings import MediaSettings
from services.notify.schedule import STANDARD_SCHEDULE_S
from services.shared.identity import EVERYWHERE, is_within


def intake_settings() -> IntakeSettings:
    return IntakeSettings(public_listen="unix:/x", internal_listen="unix:/y", media_address="unix:/m", notify_address="unix:/n", secret_key=SecretStr("A" * 43 + "="))  # fmt: skip


@pytest.mark.contract("6 50 MB", "6 16 seconds", "6 SNR")
def test_the_rules_for_recordings_are_the_contracts() -> None:
    rules = audio_rules(AudioSettings())

    assert rules.max_size_bytes == 50 * 1024 * 1024
    assert rules.min_duration.ToTimedelta().total_seconds() == 16
    assert rules.min_snr_db == 15


@pytest.mark.contract("6 30 seconds")
def test_a_download_has_thirty_seconds() -> None:
    settings = MediaSettings(public_listen="unix:/x", internal_listen="unix:/y", intake_address="unix:/i")

    assert settings.media_download_timeout_s == 30


@pytest.mark.contract("8 524,288 bytes", "8 500 calls")
def test_a_request_holds_512_kb_and_500_calls() -> None:
    assert (intake_settings().max_request_bytes, intake_settings().max_calls_per_request) == (512 * 1024, 500)


@pytest.mark.contract("8 both settings")
def test_what_a_request_holds_is_set_by_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLDOCK_MAX_REQUEST_BYTES", "100000")
    monkeypatch.setenv("CALLDOCK_MAX_CALLS_PER_REQUEST", "50")

    assert (intake_settings().max_request_bytes, intake_settings().max_calls_per_request) == (100_000, 50)
    monkeypatch.setenv("CALLDOCK_MAX_CALLS_PER_REQUEST", "0")
    with pytest.raises(ValidationError):
        intake_settings()


@pytest.mark.contract("7 growing pauses")
def test_the_pauses_between_tries_grow() -> None:
    assert all(shorter < longer for shorter, longer in pairwise(STANDARD_SCHEDULE_S))


@pytest.mark.parametrize(
    "address",
    ["203.0.113.9", "127.0.0.1", "2001:db8::1", "::ffff:10.0.0.1"],
    ids=lambda address: f"8 0.0.0.0/0 {address}",
)
def test_a_new_account_is_reached_from_everywhere(address: str) -> None:
    assert EVERYWHERE == ("0.0.0.0/0", "::/0")
    assert is_within(address, EVERYWHERE)
