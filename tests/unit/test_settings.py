"""Settings that are refused: which and why is said, and nothing of what they hold."""

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from services.intake.settings import IntakeSettings
from services.media.settings import MediaSettings
from services.notify.settings import NotifySettings


def test_what_is_said_of_refused_settings_holds_none_of_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLDOCK_DATABASE_URL", "mysql://calldock:hunter2@db/calldock")
    monkeypatch.setenv("CALLDOCK_INTERNAL_KEY", "hunter2")

    # Others are missing too: the library would show all that it has.
    with pytest.raises(ValidationError) as caught:
        IntakeSettings()  # type: ignore[call-arg]

    assert "database_url" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["garbage!", "c2hvcnQ=", base64.b64encode(bytes(33)).decode(), ""])
@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        (IntakeSettings, "SECRET_KEY"),
        (NotifySettings, "SECRET_KEY"),
        (MediaSettings, "EDGE_KEY"),
        (NotifySettings, "SESSION_KEY"),
    ],
)
def test_what_is_no_key_is_refused_by_its_name_and_not_shown(
    kind: Any, setting: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"CALLDOCK_{setting}", key)

    with pytest.raises(ValidationError) as caught:
        kind()

    assert f"CALLDOCK_{setting} is base64 of 32 bytes" in str(caught.value)
    assert not key or key not in str(caught.value)
