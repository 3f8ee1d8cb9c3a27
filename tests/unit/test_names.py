"""docs/contract.md 5: when two names are one employee."""

import pytest

from services.intake.names import name_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Anna Petrova", "anna PETROVA", id="5 employee_name any case, letters"),
        pytest.param("Анна Петрова", "АННА петрова", id="5 employee_name any case, Cyrillic"),
        pytest.param("  Anna   Petrova ", "Anna Petrova", id="5 employee_name spaces"),
        pytest.param("Anna\u00a0Petrova", "Anna Petrova", id="5 employee_name spaces, no-break"),
        pytest.param("Jose\u0301", "José", id="composed and not"),
        pytest.param("Straße", "STRASSE", id="sharp s"),
    ],
)
def test_two_spellings_are_one_employee(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


def test_two_people_stay_two() -> None:
    assert name_key("Anna Petrova") != name_key("Anna Petrov")
