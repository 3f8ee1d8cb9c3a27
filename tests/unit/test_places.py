"""Requests under way: so many of an account, so many in all."""

import pytest

from services.shared.errors import Busy, Mnemonic, Refusal
from services.shared.identity import AccountId
from services.shared.places import Places

ONE, OTHER = AccountId(1), AccountId(2)


def test_an_account_has_its_own_places_and_gets_them_back() -> None:
    places = Places("trials", of_account=3)
    for _ in range(2):
        with (
            places.one(ONE, 2),
            places.one(ONE),
            places.one(OTHER, 3),
            pytest.raises(Refusal) as refused,
            places.one(ONE),
        ):
            raise AssertionError("there was no room")
        assert refused.value.mnemonic is Mnemonic.LIMIT_EXCEEDED
        assert refused.value.params == {"limit_type": "trials at once", "limit_max_value": "3"}
        assert refused.value.retry_after_s == 1.0


def test_there_are_so_many_in_all_whoever_has_them() -> None:
    places = Places("trials", of_account=3, most=4)
    with places.one(ONE, 3):
        with pytest.raises(Busy), places.one(OTHER, 2):
            raise AssertionError("there was no room")
        with places.one(OTHER):
            pass
    with places.one(OTHER, 3):
        pass


def test_a_request_that_fails_gives_its_place_back() -> None:
    places = Places("trials", of_account=1, most=1)
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"), places.one(ONE):
            raise ValueError("broken")
