"""Settings that are refused: which and why is said, and nothing of what they hold."""

import pytest
from pydantic import ValidationError

from services.intake.settings import IntakeSettings


def test_what_is_said_of_refused_settings_holds_none_of_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLDOCK_DATABASE_URL", "mysql://calldock:hunter2@db/calldock")
    monkeypatch.setenv("CALLDOCK_INTERNAL_KEY", "hunter2")

    # Others are missing too: the library would show all that it has.
    with pytest.raises(ValidationError) as caught:
        IntakeSettings()  # type: ignore[call-arg]

    assert "database_url" in str(caught.value)
    assert "hunter2" not in str(caught.value)
