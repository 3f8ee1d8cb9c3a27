"""The account's settings and its directory, in Chromium."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.running import Account, Calldock
from tests.ui.conftest import a_page, sign_in
from tests.ui.test_access import PLACES, serious
from tests.ui.test_upload import HOSTILE

pytestmark = pytest.mark.asyncio(loop_scope="session")
ui = pytest.mark.ui
TABS = ["general", "recordings", "access", "webhooks", "retention"]
KINDS = ["sites", "campaigns", "employees", "tags"]


@asynccontextmanager
async def a_page_at(chromium: Browser, calldock: Calldock, account: Account, path: str) -> AsyncIterator[Page]:
    async with a_page(chromium, calldock) as page:
        await sign_in(page, calldock, account, f"/app/{path}")
        yield page


def of(calldock: Calldock, account: Account) -> Any:
    return calldock.http("GET", "/v1/account", token=account.token).json


def a_reader(calldock: Calldock, account: Account, role: str = "ROLE_READ") -> Account:
    made = calldock.http("POST", "/v1/tokens", json.dumps({"role": role}), account.token).json
    return Account(account.account_id, made["access_token"], "")


async def test_a_time_zone_is_changed_and_only_labels_change(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Zones")
    call = {
        "ext_id": "1",
        "calling_phone_number": "+79262444397",
        "called_phone_number": "+74955140576",
        "start_time": "2026-11-02 10:00:00",
        "finish_time": "2026-11-02 10:01:30",
        "is_lost": True,
    }
    assert calldock.upload(account, call).status == 200
    before = calldock.http("GET", "/v1/calls", token=account.token).json["calls"][0]["start_time"]
    async with a_page_at(chromium, calldock, account, "settings") as page:
        await expect(page.get_by_text("Stored moments never move")).to_be_visible()
        zone = page.get_by_label("Time zone")
        await zone.fill("Europe/Nowhere")
        await expect(page.get_by_text("There is no such time zone.")).to_be_visible()
        await expect(page.get_by_role("button", name="Save").first).to_be_disabled()

        await zone.fill("Asia/Yekaterinburg")
        await page.get_by_role("button", name="Save").first.click()
        await expect(page.get_by_text("Saved.")).to_be_visible()

        await page.get_by_role("link", name="Calls").click()
        await expect(page.get_by_role("cell", name="2026-11-02 12:00:00")).to_be_visible()
    assert calldock.http("GET", "/v1/calls", token=account.token).json["calls"][0]["start_time"] == before


@ui
async def test_verdict_policy_and_aliases_are_set(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Audio")
    async with a_page_at(chromium, calldock, account, "settings/recordings") as page:
        await page.get_by_label("Frequency range").select_option("It is taken with a warning")
        await page.get_by_label("taken for a WAV").fill("audio/x-wav\n\naudio/wave")
        await page.get_by_label("An MP3 may begin without ID3").check()
        await page.get_by_role("button", name="Save").locator("visible=true").click()
        await expect(page.get_by_text("Saved.")).to_be_visible()

        await page.get_by_label("taken for a WAV").fill("no type")
        await page.get_by_role("button", name="Save").locator("visible=true").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await expect(page.get_by_label("taken for a WAV")).to_have_value("no type")

    audio = of(calldock, account)["audio"]
    assert audio["policies"] == [{"rule": "AUDIO_RULE_BAND", "policy": "RULE_POLICY_WARN"}]
    assert (audio["wav_content_types"], audio["takes_mp3_without_id3"]) == (["audio/wave", "audio/x-wav"], True)


@ui
async def test_what_a_recording_host_wants_is_stored_and_forgotten(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Hosts")
    async with a_page_at(chromium, calldock, account, "settings/recordings") as page:
        await page.get_by_role("textbox", name="Host", exact=True).fill("pbx.example.com:8443")
        await page.get_by_label("Kind").select_option("Name and password")
        await page.get_by_label("User name").fill("anna")
        await page.get_by_label("Password", exact=True).fill("s3cret")
        await page.get_by_role("button", name="Store").click()
        row = page.get_by_role("table", name="Recording hosts").get_by_role("row", name="pbx.example.com:8443")
        await expect(row).to_contain_text("authorization")
        assert "s3cret" not in await page.content()

        await page.get_by_role("button", name="Forget: pbx.example.com:8443").click()
        await page.get_by_role("button", name="Yes").click()
        await expect(row).to_have_count(0)
    assert calldock.http("GET", "/v1/recordingHosts", token=account.token).json["recording_hosts"] == []


@ui
async def test_nobody_locks_themselves_out(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Networks")
    async with a_page_at(chromium, calldock, account, "settings/access") as page:
        field, save = page.get_by_label("Networks or addresses"), page.get_by_role("button", name="Save")
        await field.fill("203.0.113.0/24")
        await expect(page.get_by_role("alert")).to_contain_text("Your address, 127.0.0.1, is not in this list")
        await expect(save.locator("visible=true")).to_be_disabled()
        await field.fill("203.0.113.0/24\nnonsense")
        await expect(page.get_by_text("These are no networks: nonsense")).to_be_visible()

        await field.fill("203.0.113.0/24\n127.0.0.0/8")
        await save.locator("visible=true").click()
        await expect(page.get_by_text("Saved.")).to_be_visible()
    assert of(calldock, account)["allowed_networks"] == ["203.0.113.0/24", "127.0.0.0/8"]


@ui
async def test_a_token_is_made_shown_once_and_blocked(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Tokens")
    async with a_page_at(chromium, calldock, account, "settings/access") as page:
        await page.get_by_label("What it is for").fill(HOSTILE)
        await page.get_by_label("Role").select_option("read: reads only")
        await page.get_by_role("button", name="Make a token").click()
        token = await page.locator("code.secret").inner_text()
        assert calldock.http("GET", "/v1/account", token=token).status == 200

        await page.get_by_role("button", name="I have kept it").click()
        assert token not in await page.content()
        await expect(page.get_by_role("cell", name=HOSTILE, exact=True)).to_be_visible()
        await page.get_by_role("button", name=f"Block: {HOSTILE}").click()
        await page.get_by_role("button", name="No", exact=True).click()
        await page.get_by_role("button", name=f"Block: {HOSTILE}").click()
        await page.get_by_role("button", name="Yes").click()
        await expect(page.get_by_role("cell", name="Blocked")).to_be_visible()


@ui
async def test_the_own_token_is_not_blocked(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Own")
    async with a_page_at(chromium, calldock, account, "settings/access") as page:
        await page.get_by_role("button", name=re.compile("^Block: ")).click()
        await page.get_by_role("button", name="Yes").click()

        await expect(page.get_by_role("alert")).to_be_visible()
    assert of(calldock, account)["is_active"]


@ui
async def test_signing_secrets_rotate(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Secrets")
    async with a_page_at(chromium, calldock, account, "settings/webhooks") as page:
        rows = page.get_by_role("table", name="Signing secrets").get_by_role("row")
        await expect(rows).to_have_count(2)
        await page.get_by_label("Old ones go on for, hours").fill("48")
        await page.get_by_role("button", name="Make a new secret").click()
        await expect(page.locator("code.secret")).to_contain_text("whsec_")
        await expect(rows).to_have_count(3)
        await expect(rows.nth(1)).to_contain_text("the newest")

        await page.get_by_label("Scheme").select_option("Ed25519 (v1a)")
        await page.get_by_label("End the old ones now").check()
        await page.get_by_role("button", name="Make a new secret").click()
        await expect(page.locator("code.secret")).to_contain_text("whpk_")
        await expect(rows).to_have_count(2)


@ui
async def test_headers_of_webhooks_are_set_and_taken_away(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Headers")
    async with a_page_at(chromium, calldock, account, "settings/webhooks") as page:
        await page.get_by_label("Headers, one a line").fill("x-api-key")
        await expect(page.get_by_text("A line is due for each")).to_be_visible()
        await page.get_by_label("Headers, one a line").fill("x-api-key: s3cret: value")
        await page.get_by_label("Hosts that get them").fill("crm.example.com")
        await page.get_by_role("button", name="Save").locator("visible=true").click()
        await expect(page.get_by_text("Set now: x-api-key for crm.example.com")).to_be_visible()
        assert "s3cret" not in await page.content()

        await page.get_by_role("button", name="Take all away").click()
        await page.get_by_role("button", name="Yes").click()
        await expect(page.get_by_text("Set now:")).to_have_count(0)


@ui
async def test_a_shorter_retention_is_confirmed(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Retention")
    async with a_page_at(chromium, calldock, account, "settings/retention") as page:
        save = page.get_by_role("button", name="Save").locator("visible=true")
        await page.get_by_label("Calls, after they began").fill("3650")
        await expect(save).to_be_disabled()
        await page.get_by_label("I understand").check()
        await page.get_by_label("Notifications, after").fill("7.5")
        await save.click()
        await expect(page.get_by_text("Saved.")).to_be_visible()
    assert of(calldock, account)["retention"] == {"calls": "315360000s", "payloads": "648000s"}


@ui
async def test_a_session_that_ends_keeps_what_was_typed(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Typing")
    async with a_page_at(chromium, calldock, account, "settings") as page:
        await page.get_by_role("textbox", name="Name", exact=True).fill("Another name")
        await page.context.clear_cookies()
        await page.get_by_role("button", name="Save").first.click()
        await page.get_by_label("Access token", exact=True).fill(account.token)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_label("Access token", exact=True)).to_have_count(0)
        await expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value("Another name")

        await page.get_by_role("button", name="Save").first.click()
        await expect(page.get_by_text("Saved.")).to_be_visible()
    assert of(calldock, account)["name"] == "Another name"


@ui
@pytest.mark.parametrize("tab", TABS)
async def test_who_may_only_read_is_told_why_settings_are_disabled(
    chromium: Browser, calldock: Calldock, account: Account, tab: str
) -> None:
    async with a_page_at(chromium, calldock, a_reader(calldock, account), f"settings/{tab}") as page:
        await expect(page.get_by_text("needs a token of role admin").locator("visible=true").first).to_be_visible()
        panel = page.get_by_role("tabpanel")
        assert await panel.locator("button:enabled, input:enabled, textarea:enabled, select:enabled").count() == 0


@ui
async def test_sites_with_numbers_are_added_and_changed(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Directory")
    async with a_page_at(chromium, calldock, account, "directory") as page:
        await page.get_by_role("textbox", name="Name", exact=True).fill(HOSTILE)
        await page.get_by_role("textbox", name="Number", exact=True).fill("4611686018427387904")
        await page.get_by_label("Telephone numbers, one a line").fill("84955140576\n+74955140577")
        await page.get_by_role("button", name="Add").click()
        row = page.get_by_role("row", name="4611686018427387904")
        await expect(row).to_contain_text("+74955140576, +74955140577")
        await expect(row).to_contain_text(HOSTILE)

        await row.get_by_role("button").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Telephone numbers, one a line").fill("nonsense")
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog.get_by_role("alert")).to_be_visible()
        await dialog.get_by_label("Telephone numbers, one a line").fill("+74955140577")
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog).to_have_count(0)
        await expect(row).not_to_contain_text("+74955140576")
        await expect(page.locator("img")).to_have_count(0)


@ui
async def test_campaigns_employees_and_tags_are_added_and_changed(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Directory")
    async with a_page_at(chromium, calldock, account, "directory/campaigns") as page:
        for tab in ("Campaigns", "Employees", "Tags"):
            await page.get_by_role("tab", name=tab).click()
            panel = page.get_by_role("tabpanel", name=tab)
            await panel.get_by_role("textbox", name="Name", exact=True).fill(f"first {tab}")
            await panel.get_by_role("button", name="Add").click()
            await panel.get_by_role("row", name=f"first {tab}").get_by_role("button").click()
            dialog = page.get_by_role("dialog")
            await dialog.get_by_role("textbox", name="Name", exact=True).fill(f"second {tab}")
            if tab == "Campaigns":
                await dialog.get_by_label("Calls may name it").uncheck()
            await dialog.get_by_role("button", name="Save").click()
            await expect(panel.get_by_role("row", name=f"second {tab}")).to_be_visible()
        await expect(panel.get_by_role("row", name="Sale")).to_contain_text("calldock's own")
    campaign = calldock.http("GET", "/v1/campaigns", token=account.token).json["campaigns"][0]
    assert (campaign["name"], campaign["is_active"]) == ("second Campaigns", False)


@ui
async def test_an_uploader_adds_tags_but_no_sites(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Uploader")
    async with a_page_at(chromium, calldock, a_reader(calldock, account, "ROLE_UPLOAD"), "directory") as page:
        await expect(page.get_by_role("tabpanel").get_by_text("needs a token of role admin")).to_be_visible()
        await expect(page.get_by_role("button", name="Add")).to_be_disabled()
        await page.get_by_role("tab", name="Tags").click()
        await page.get_by_role("textbox", name="Name", exact=True).fill("by an uploader")
        await page.get_by_role("button", name="Add").click()
        row = page.get_by_role("row", name="by an uploader")
        await expect(row.get_by_role("button")).to_be_disabled()


@ui
async def test_tabs_are_walked_by_keyboard_and_have_addresses(
    chromium: Browser, calldock: Calldock, account: Account
) -> None:
    async with a_page_at(chromium, calldock, account, "settings/access") as page:
        await page.get_by_role("tab", name="Access").focus()
        await page.keyboard.press("ArrowRight")
        await expect(page.get_by_role("tab", name="Webhooks")).to_be_focused()
        await expect(page).to_have_url(re.compile("/app/settings/webhooks$"))


@ui
@pytest.mark.parametrize("place", PLACES)
async def test_axe_finds_nothing_serious_in_settings_and_directory(
    chromium: Browser, calldock: Calldock, account: Account, place: dict[str, Any]
) -> None:
    paths = [*(f"/app/settings/{tab}" for tab in TABS), *(f"/app/directory/{kind}" for kind in KINDS)]
    async with a_page(chromium, calldock, bypass_csp=True, **place) as page:
        made = calldock.http("POST", "/app/links", b"", account.token)
        await page.goto(f"/app/calls#code={made.json['code']}")
        await page.get_by_role("table").wait_for()
        for path in paths:
            await page.goto(path)
            await page.get_by_role("tabpanel").locator("visible=true").wait_for()
            await page.get_by_role("button", disabled=False).last.wait_for()
            assert await serious(page) == [], path
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
