"""The overview, in Chromium."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.hosts import Host
from tests.support.running import Account, Calldock, until
from tests.ui.conftest import a_page, path_of, sign_in
from tests.ui.test_access import PLACES, serious

pytestmark = pytest.mark.asyncio(loop_scope="session")
ui = pytest.mark.ui
MOSCOW = ZoneInfo("Europe/Moscow")


def a_call(ext_id: str, began: datetime, **fields: Any) -> dict[str, Any]:
    wall = "%Y-%m-%d %H:%M:%S"
    return {
        "ext_id": ext_id,
        "calling_phone_number": "+79262444397",
        "called_phone_number": "+74955140576",
        "start_time": began.astimezone(MOSCOW).strftime(wall),
        "finish_time": (began + timedelta(minutes=1)).astimezone(MOSCOW).strftime(wall),
        "is_lost": False,
        "talk_duration": 30,
        **fields,
    }


@pytest.fixture(scope="module")
def busy(calldock: Calldock, host: Host) -> Account:
    """An account with calls of the last hours, one of them refused, and one of eight days ago."""
    account = calldock.account("Busy")
    now = datetime.now(UTC).replace(microsecond=0)
    record = {
        "record_url": f"{host.url}/short.wav",
        "employee_name": "Anna",
        "employee_channel": "EMPLOYEE_CHANNEL_LEFT",
    }
    calls = [
        a_call("1", now - timedelta(hours=1)),
        a_call("2", now - timedelta(hours=2), is_lost=True, talk_duration=None),
        a_call("3", now - timedelta(hours=2), wav_records=[record]),
        a_call("4", now - timedelta(days=8)),
    ]
    assert calldock.upload(account, *calls).status == 200
    until(lambda: calldock.http("GET", "/v1/calls?statuses=CALL_STATUS_ERROR", token=account.token).json["calls"] != [])
    return account


def tile(page: Page, name: str) -> Any:
    return page.get_by_text(name, exact=True).locator("xpath=following-sibling::*[1]")


async def test_calls_verdicts_and_receivers_are_seen_at_a_glance(
    chromium: Browser, calldock: Calldock, busy: Account
) -> None:
    async with a_page(chromium, calldock) as page:
        await sign_in(page, calldock, busy, "/app/overview")
        await expect(page.locator(".recharts-bar-rectangle path").first).to_be_visible()
        await expect(tile(page, "Lost")).to_have_text("1")
        await expect(tile(page, "Ended in error").first).to_have_text("1")
        verdicts = page.get_by_role("table", name="Verdicts").get_by_role("row")
        await expect(verdicts).to_have_count(3)
        await expect(verdicts.filter(has_text="wav_min_duration_processing_error")).to_contain_text("1")
        await expect(page.get_by_text("All receivers take what they are sent.")).to_be_visible()

        await page.get_by_text("As a table").first.click()
        hours = page.get_by_role("table", name="Calls by the hour in which they began").get_by_role("row")
        await expect(hours).to_have_count(25)
        await page.get_by_label("Period").select_option("31 days")
        await expect(page).to_have_url(re.compile(r"\?days=31$"))
        days = page.get_by_role("table", name="Calls by the day on which they began").get_by_role("row")
        await expect(
            days.filter(has_text=(datetime.now(MOSCOW) - timedelta(days=8)).strftime("%m-%d"))
        ).to_contain_text("1")

        await page.get_by_role("link", name="See the calls that ended in error").click()
        assert path_of(page) == "/app/calls?status=error"
        await expect(page.get_by_role("row")).to_have_count(2)


@ui
async def test_receivers_that_fail_are_listed(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Failing")
    callback = {"url": "https://receiver.invalid/hook", "events": ["CALL_EVENT_PROCESSED"]}
    call = a_call("1", datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1))
    assert calldock.upload(account, {**call, "callback": callback}).status == 200

    def fails() -> bool:
        found = calldock.http("GET", "/v1/receivers", token=account.token).json["receivers"]
        return any(each["state"] != "RECEIVER_STATE_HEALTHY" for each in found)

    until(fails)
    async with a_page(chromium, calldock) as page:
        await sign_in(page, calldock, account, "/app/overview")
        await expect(page.get_by_role("row", name="receiver.invalid")).to_contain_text("Fails")


@ui
async def test_an_account_without_calls_is_told_so(chromium: Browser, calldock: Calldock) -> None:
    async with a_page(chromium, calldock) as page:
        await sign_in(page, calldock, calldock.account("Empty"), "/app/overview")
        await expect(page.get_by_text("No calls began in this time.")).to_be_visible()


@ui
@pytest.mark.parametrize("place", PLACES)
async def test_axe_finds_nothing_serious_in_the_overview(
    chromium: Browser, calldock: Calldock, busy: Account, place: dict[str, Any]
) -> None:
    async with a_page(chromium, calldock, bypass_csp=True, **place) as page:
        made = calldock.http("POST", "/app/links", b"", busy.token)
        await page.goto(f"/app/overview?days=7#code={made.json['code']}")
        await page.locator(".recharts-bar-rectangle path").first.wait_for()
        assert await serious(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
