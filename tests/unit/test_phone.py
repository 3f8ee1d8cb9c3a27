"""docs/contract.md 1: telephone numbers."""

import pytest

from services.intake.phone import to_e164


@pytest.mark.parametrize(
    ("written", "region", "number"),
    [
        pytest.param("+74955140576", "RU", "+74955140576", id="1 number with the plus"),
        pytest.param("74955140576", "RU", "+74955140576", id="1 number without the plus"),
        pytest.param("89262444397", "RU", "+79262444397", id="1 number in national form"),
        pytest.param("8 (926) 244-43-97", "RU", "+79262444397", id="as people write it"),
        pytest.param("74955140576", "US", "+74955140576", id="E.164 without the plus, from abroad"),
        pytest.param("2025550123", "US", "+12025550123", id="1 national form by region, United States"),
        pytest.param("+442079460018", "RU", "+442079460018", id="foreign"),
    ],
)
def test_a_number_is_read_as(written: str, region: str, number: str) -> None:
    assert to_e164(written, region) == number


@pytest.mark.parametrize(
    "written",
    [
        "abc",
        "12",
        "+",
        "+1",
        "+7495514057612345",
        "1-800-FLOWERS",
        "99999999999999999999",
        "+7 495 \u0661\u0662\u0663 45 67",
        "tel:+74955140576",
        " ",
        "2345678",
    ],
)
@pytest.mark.contract("1 no number")
def test_what_cannot_be_a_number_is_none(written: str) -> None:
    assert to_e164(written, "RU") is None
