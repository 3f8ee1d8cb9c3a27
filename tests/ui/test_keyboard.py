"""Without a mouse, with a screen reader, large, and with little motion."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.support.running import Account, Calldock
from tests.ui.conftest import LIMIT_MS, a_call_of_the_day, a_page, sign_in

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.ui]

HERE = "document.activeElement.closest('[role=row]')?.getAttribute('aria-rowindex')"


@pytest.fixture(scope="session")
def many(calldock: Calldock) -> Account:
    """An account with 900 calls, call-0 to call-899."""
    account = calldock.account("Many by keyboard")
    for part in range(3):
        calls = [a_call_of_the_day(f"call-{part * 300 + place}", 9) for place in range(300)]
        assert calldock.upload(account, *calls).status == 200
    return account


@pytest_asyncio.fixture(loop_scope="session")
async def rows(chromium: Browser, calldock: Calldock, many: Account) -> AsyncIterator[Page]:
    """A page that shows the 900 calls."""
    async with a_page(chromium, calldock) as page:
        await sign_in(page, calldock, many)
        await expect(page.get_by_role("row").filter(has_text="call-899")).to_have_count(1)
        yield page


async def becomes(page: Page, claim: str) -> None:
    """Waits for what an expression says. (wait_for_function evaluates a text within the page, which its policy forbids.)"""
    async with asyncio.timeout(LIMIT_MS / 1000):
        while not await page.evaluate(claim):
            await page.wait_for_timeout(20)


async def tab_to(page: Page, wanted: str) -> None:
    """Presses Tab until the focus is at what an expression of the focused `element` says."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.evaluate(f"(element => {wanted})(document.activeElement)"):
            return
    pytest.fail(f"Tab does not lead to {wanted}")


async def test_tab_goes_from_the_top_to_the_calls_and_on(page: Page) -> None:
    names = []
    for _ in range(40):
        await page.keyboard.press("Tab")
        name = await page.evaluate(
            "(each => each.getAttribute('role') === 'table' ? 'the table' : each.getAttribute('aria-label') || each.labels?.[0]?.textContent || each.textContent)(document.activeElement)"
        )
        if name not in names:
            names.append(name)
    places = [names.index(each) for each in ("Skip to the page", "Sign out", "Direction", "Columns", "Export as CSV", "the table")]  # fmt: skip

    assert names[0] == "Skip to the page"
    assert places == sorted(places)


async def test_the_table_scrolls_by_keys_and_keeps_the_focus(rows: Page) -> None:
    await tab_to(rows, "element.getAttribute('role') === 'table'")
    table = rows.get_by_role("table")

    for key in ("ArrowDown", "PageDown", "PageDown", "End"):
        before = await table.evaluate("box => box.scrollTop")
        await rows.keyboard.press(key)
        await becomes(rows, f"document.querySelector('[role=table]').scrollTop > {before}")

        await expect(table).to_be_focused()


async def test_arrows_go_from_call_to_call_however_far_and_enter_opens_one(rows: Page) -> None:
    await tab_to(rows, "element.closest('[role=row]')")
    assert await rows.evaluate(HERE) == "2"

    await rows.keyboard.press("ArrowDown")
    assert await rows.evaluate(HERE) == "3"
    await rows.keyboard.press("ArrowUp")
    await rows.keyboard.press("ArrowUp")
    assert await rows.evaluate(HERE) == "2"
    await rows.keyboard.press("End")
    await becomes(rows, f"{HERE} === '201'")
    await expect(rows.get_by_text("700 calls loaded")).to_be_visible()
    await rows.keyboard.press("PageDown")
    assert int(await rows.evaluate(HERE)) > 205
    await expect(rows.locator(":focus")).to_be_in_viewport()

    # Scrolled out of sight, the row with the focus is still there.
    here = await rows.evaluate(HERE)
    await rows.get_by_role("table").evaluate("box => box.scrollTo(0, 0)")
    await expect(rows.locator("[aria-rowindex='2']")).to_have_count(1)
    assert await rows.evaluate(HERE) == here

    await rows.keyboard.press("Home")
    await becomes(rows, f"{HERE} === '2'")
    await rows.keyboard.press("Enter")
    await rows.wait_for_url(re.compile(r"/app/calls/\d+$"))


async def test_a_call_that_has_the_focus_keeps_it_while_others_come(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Coming")
    calldock.upload(account, a_call_of_the_day("first", 9))
    async with a_page(chromium, calldock) as page:
        await sign_in(page, calldock, account)
        await expect(page.get_by_text("Live", exact=True).last).to_be_visible()
        await tab_to(page, "element.closest('[role=row]')")

        calldock.upload(account, a_call_of_the_day("second", 10))

        await expect(page.get_by_role("row")).to_have_count(3)
        assert await page.evaluate("document.activeElement.closest('[role=row]').textContent.includes('first')")
        assert await page.evaluate(HERE) == "3"


async def test_rows_say_where_they_are_and_the_region_speaks_once_a_view(rows: Page) -> None:
    table, region = rows.get_by_role("table"), rows.get_by_role("status")
    await expect(region).to_have_text("200 calls loaded, more below")
    assert await table.get_attribute("aria-rowcount") == "-1"

    for _ in range(2):
        await table.evaluate("box => box.scrollTo(0, box.scrollHeight)")
        await expect(rows.get_by_text(re.compile("^(700 calls loaded|900 calls, all loaded)"))).to_be_visible()
    await expect(rows.get_by_text("900 calls, all loaded")).to_be_visible()

    await expect(region).to_have_text("200 calls loaded, more below")
    assert await table.get_attribute("aria-rowcount") == "901"
    await rows.get_by_label("Direction").select_option("out")
    await expect(region).to_have_text("0 calls, all loaded")


async def test_escape_closes_menus_and_gives_the_focus_back(page: Page) -> None:
    columns = page.get_by_role("button", name="Columns")
    await columns.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("checkbox").first).to_be_focused()
    await page.keyboard.press("Space")
    await expect(page.get_by_role("columnheader", name="Began")).to_have_count(0)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("checkbox")).to_have_count(0)
    await expect(columns).to_be_focused()

    status = page.get_by_role("combobox", name="Status")
    await status.focus()
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("listbox")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("listbox")).to_be_hidden()
    await expect(status).to_be_focused()


async def test_the_sign_in_window_lies_over_menus_and_gives_the_focus_back(page: Page, account: Account) -> None:
    await page.get_by_role("button", name="Columns").click()
    await page.context.clear_cookies()
    await page.get_by_role("combobox", name="Direction").select_option("in")

    token = page.get_by_label("Access token", exact=True)
    await expect(token).to_be_focused()
    box = await page.get_by_role("dialog", name="Sign in").bounding_box()
    assert box is not None
    spots = [(box["x"] + box["width"] * part / 10, box["y"] + box["height"] / 2) for part in range(1, 10)]
    for x, y in spots:
        assert await page.evaluate(
            f"document.elementFromPoint({x}, {y}).closest('[role=dialog]')?.contains(document.querySelector('input[type=password]')) ?? false"
        )

    await token.fill(account.token)
    await page.keyboard.press("Enter")
    await expect(token).to_have_count(0)
    await expect(page.get_by_role("checkbox").first).to_be_focused()


async def test_nothing_moves_for_whoever_asked_for_less_motion(
    chromium: Browser, calldock: Calldock, account: Account
) -> None:
    async with a_page(chromium, calldock, reduced_motion="reduce") as page:
        await sign_in(page, calldock, account)
        await page.get_by_role("button", name="Columns").click()
        moving = await page.evaluate(
            "[...document.querySelectorAll('*')].map(each => getComputedStyle(each)).filter(style => [...style.transitionDuration.split(','), ...style.animationDuration.split(',')].some(time => parseFloat(time) > 0.001)).length"
        )

    assert moving == 0


@pytest.mark.parametrize(
    "width", [pytest.param(640, id="1280 pixels at 200 %"), pytest.param(320, id="1280 pixels at 400 %")]
)
async def test_a_page_that_is_zoomed_is_used_whole(
    chromium: Browser, calldock: Calldock, account: Account, width: int
) -> None:
    async with a_page(
        chromium, calldock, viewport={"width": width, "height": 400}, device_scale_factor=1280 / width
    ) as page:
        await sign_in(page, calldock, account)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

        await page.get_by_role("button", name="Filters", exact=True).click()
        await page.get_by_label("Direction").select_option("out")
        await page.get_by_role("button", name="Filters", exact=True).click()

        await page.get_by_role("row").nth(1).scroll_into_view_if_needed()
        await expect(page.get_by_role("row").nth(1)).to_be_in_viewport()
        await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
