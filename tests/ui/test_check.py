"""Checking recordings without storing them, in Chromium."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, FilePayload, Page, Route, expect

from tests.support.audio import good_wav
from tests.support.hosts import Host
from tests.support.running import Account, Calldock, until
from tests.ui.conftest import a_page, sign_in
from tests.ui.test_access import PLACES, serious
from tests.ui.test_upload import HOSTILE

pytestmark = pytest.mark.asyncio(loop_scope="session")
ui = pytest.mark.ui


@asynccontextmanager
async def a_check_page(chromium: Browser, calldock: Calldock, account: Account) -> AsyncIterator[Page]:
    async with a_page(chromium, calldock) as page:
        await sign_in(page, calldock, account, "/app/check")
        yield page


async def choose(page: Page, *files: tuple[str, bytes]) -> None:
    payloads = [FilePayload(name=name, mimeType="audio/wav", buffer=content) for name, content in files]
    await page.locator("input[type=file]").set_input_files(payloads)


async def test_files_are_judged_and_not_stored(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Checks")
    async with a_check_page(chromium, calldock, account) as page:
        await choose(page, ("good.wav", good_wav()), ("short.wav", good_wav(3)), ("notes.txt", b"x"))

        good = page.get_by_role("article").filter(has_text="good.wav")
        await expect(good).to_contain_text("Would be accepted")
        await expect(good.get_by_role("row", name="Sample rate")).to_contain_text("8000 Hz")
        short = page.get_by_role("article").filter(has_text="short.wav")
        await expect(short).to_contain_text("Would be refused")
        await expect(short.get_by_role("row", name="Length")).to_contain_text("at least 16 s")
        await expect(page.get_by_role("article").filter(has_text="notes.txt")).to_contain_text("neither .wav nor .mp3")
    assert calldock.http("GET", "/v1/calls", token=account.token).json["calls"] == []


@ui
async def test_links_are_fetched_and_judged(chromium: Browser, calldock: Calldock, host: Host) -> None:
    account = calldock.account("Links")
    async with a_check_page(chromium, calldock, account) as page:
        for name, told in (
            ("good.wav", "Would be accepted"),
            ("none.wav", "http_status_download_error"),
            ("short.wav", "wav_min_duration_processing_error"),
        ):
            await page.get_by_role("textbox", name="Or a link").fill(f"{host.url}/{name}")
            await page.get_by_role("button", name="Check", exact=True).click()
            await expect(page.get_by_role("article").filter(has_text=name)).to_contain_text(told)


@ui
async def test_the_ending_of_a_link_says_its_format(chromium: Browser, calldock: Calldock, account: Account) -> None:
    async with a_check_page(chromium, calldock, account) as page:
        link, form = page.get_by_role("textbox", name="Or a link"), page.get_by_label("It is to be")
        await link.fill("https://example.com/a.mp3?x=1")
        await expect(form).to_have_value("mp3")
        await link.fill("https://example.com/a.wav")
        await expect(form).to_have_value("wav")


@ui
async def test_damaged_and_hostile_files_are_told(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Damaged")
    async with a_check_page(chromium, calldock, account) as page:
        await choose(page, (f"{HOSTILE}.wav", b"RIFF" + b"\xff" * 2000), ("empty.mp3", b""))

        await expect(page.get_by_role("article").filter(has_text=HOSTILE)).to_contain_text("Would be refused")
        told = page.get_by_role("article").filter(has_text="empty.mp3")
        await expect(told).to_contain_text("Would be refused")
        await expect(page.locator("img")).to_have_count(0)


@ui
async def test_a_check_waits_out_limits_and_a_session_that_ended(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Patience")
    made = calldock.http("POST", "/v1/tokens", json.dumps({"role": "ROLE_UPLOAD"}), account.token).json
    seen: list[Route] = []

    async def limited_once(route: Route) -> None:
        seen.append(route)
        if len(seen) == 1:
            return await route.fulfill(status=429, headers={"retry-after": "1"}, json={"code": 8, "message": ""})
        return await route.continue_()

    async with a_check_page(chromium, calldock, Account(account.account_id, made["access_token"], "")) as page:
        await page.route("**/v1/recordings:checkFile", limited_once)
        await choose(page, ("good.wav", good_wav()))
        await expect(page.get_by_text("The account's limit is reached")).to_be_visible()
        await expect(page.get_by_role("article")).to_contain_text("Would be accepted")

        token_id = made["token"]["token_id"]
        assert calldock.http("POST", f"/v1/tokens/{token_id}:block", "{}", account.token).status == 200
        until(lambda: calldock.http("GET", "/v1/account", token=made["access_token"]).status == 401)
        await choose(page, ("short.wav", good_wav(3)))
        await page.get_by_label("Access token", exact=True).fill(account.token)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("article").first).to_contain_text("Would be refused")


@ui
async def test_who_may_only_read_checks_nothing(chromium: Browser, calldock: Calldock, account: Account) -> None:
    made = calldock.http("POST", "/v1/tokens", json.dumps({"role": "ROLE_READ"}), account.token).json
    async with a_check_page(chromium, calldock, Account(account.account_id, made["access_token"], "")) as page:
        await expect(page.get_by_text("Your token may only read.")).to_be_visible()
        await expect(page.get_by_role("button", name="Choose files")).to_be_disabled()
        await expect(page.get_by_role("textbox", name="Or a link")).to_be_disabled()


@ui
@pytest.mark.parametrize("place", PLACES)
async def test_axe_finds_nothing_serious_in_checks(
    chromium: Browser, calldock: Calldock, account: Account, place: dict[str, Any]
) -> None:
    async with a_page(chromium, calldock, bypass_csp=True, **place) as page:
        made = calldock.http("POST", "/app/links", b"", account.token)
        await page.goto(f"/app/check#code={made.json['code']}")
        await page.locator("input[type=file]").wait_for(state="attached")
        await choose(page, ("good.wav", good_wav()), ("short.wav", good_wav(3)))
        await expect(page.get_by_role("article").get_by_role("table").nth(3)).to_be_visible()
        assert await serious(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
