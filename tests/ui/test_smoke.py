"""The client area in Chromium, in short: what `make test` looks at. The rest is marked ui."""

import pytest
from playwright.async_api import Page, expect

from tests.support.running import Account, Calldock
from tests.ui.conftest import path_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_one_time_link_shows_the_calls_and_leaves_no_code_in_the_address(page: Page) -> None:
    await expect(page.get_by_role("row")).to_have_count(7)

    await expect(page.get_by_role("row").filter(has_text="short")).to_contain_text("Error")
    assert path_of(page) == "/app/calls"


async def test_an_access_token_signs_in(blank: Page, account: Account) -> None:
    await blank.goto("/")
    await blank.get_by_label("Access token", exact=True).fill(account.token)
    await blank.get_by_role("button", name="Sign in").click()

    await expect(blank.get_by_role("row")).to_have_count(7)


async def test_a_wrong_token_is_told_and_can_be_typed_anew(blank: Page, calldock: Calldock, account: Account) -> None:
    await blank.goto("/app/")
    await blank.get_by_label("Access token", exact=True).fill("wrong")
    await blank.get_by_role("button", name="Sign in").click()
    await expect(blank.get_by_role("alert")).to_contain_text("Access token is invalid")

    await blank.get_by_label("Access token", exact=True).fill(account.token)
    await blank.get_by_role("button", name="Sign in").click()

    await expect(blank.get_by_role("row")).to_have_count(7)
