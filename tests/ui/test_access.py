"""Whoever looks: with a screen reader, by keyboard, in the dark, on a phone; and what the first load weighs."""

import gzip
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.running import Account, Calldock
from tests.ui.conftest import a_page, sign_in

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
APP = Path(__file__).parents[2] / "services" / "media" / "app"
FIRST_LOAD_BYTES = 250 * 1024

ui = pytest.mark.ui
PLACES = [
    pytest.param({"color_scheme": "light"}, id="light"),
    pytest.param({"color_scheme": "dark"}, id="dark"),
    pytest.param({"viewport": {"width": 390, "height": 800}, "has_touch": True}, id="phone"),
    pytest.param({"color_scheme": "dark", "locale": "ru-RU"}, id="russian"),
]


async def serious(page: Page) -> list[str]:
    """What axe says is serious or critical. Its script comes past the page's policy, which only these tests' contexts put aside."""
    await page.add_script_tag(path=AXE)
    found: dict[str, Any] = await page.evaluate("axe.run(document)")
    return [
        f"{each['id']}: {[node['html'][:200] for node in each['nodes']]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


@ui
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("place", PLACES)
async def test_axe_finds_nothing_serious(
    chromium: Browser, calldock: Calldock, account: Account, place: dict[str, Any]
) -> None:
    async with a_page(chromium, calldock, bypass_csp=True, reduced_motion="reduce", **place) as page:
        await page.goto("/app/")
        await page.get_by_role("button").last.wait_for()
        assert await serious(page) == []

        made = calldock.http("POST", "/app/links", b"", account.token)
        await page.goto(f"/app/#code={made.json['code']}")
        await expect(page.get_by_role("row")).to_have_count(7)
        assert await serious(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

        if "viewport" in place:
            await page.locator(".filters-toggle").click()
        menus = page.locator(".filters")
        await menus.get_by_role("button", name=re.compile("Columns|Столбцы")).click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        assert await serious(page) == []
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await menus.get_by_role("combobox", name=re.compile("Status|Статус")).press("ArrowDown")
        await expect(page.get_by_role("listbox")).to_be_visible()
        assert await serious(page) == []
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("listbox")).to_be_hidden()

        await page.goto("/app/calls?number=12")
        await expect(page.get_by_role("alert")).to_be_visible()
        assert await serious(page) == []
        await page.context.clear_cookies()
        await page.goto("/app/calls?words=nowhere")
        await page.locator("input[type=password]").wait_for()
        assert await serious(page) == []

        await sign_in(page, calldock, account, "/app/calls?words=nowhere", button=re.compile("Sign out|Выйти"))
        await expect(page.get_by_role("row")).to_have_count(1)
        assert await serious(page) == []
        await page.context.clear_cookies()
        await page.get_by_role("combobox", name=re.compile("Direction|Направление"), include_hidden=True).select_option(
            "in", force=True
        )
        await expect(page.get_by_role("dialog")).to_be_visible()
        assert await serious(page) == []


@ui
@pytest.mark.asyncio(loop_scope="session")
async def test_filters_open_on_a_phone(chromium: Browser, calldock: Calldock, account: Account) -> None:
    async with a_page(chromium, calldock, viewport={"width": 390, "height": 800}) as page:
        await sign_in(page, calldock, account)
        await expect(page.get_by_label("Direction")).to_be_hidden()

        await page.get_by_role("button", name="Filters").click()
        await page.get_by_label("Direction").select_option("out")

        await expect(page.get_by_role("row")).to_have_count(2)


def test_the_first_load_weighs_at_most_250_kb_compressed() -> None:
    index = (APP / "index.html").read_bytes()
    named = re.findall(rb'(?:src|href)="/app/(assets/[^"]+)"', index)
    files = [index, *((APP / name.decode()).read_bytes() for name in named)]

    assert any(name.endswith(b".js") for name in named)
    assert sum(len(gzip.compress(each, 9)) for each in files) <= FIRST_LOAD_BYTES
