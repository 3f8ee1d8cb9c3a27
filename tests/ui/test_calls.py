"""The list of calls: what is shown of them, by which filters, how it keeps up, and what attacks cannot do."""

import csv
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from services.cli.formula_guard import guarded
from tests.support.hosts import Host
from tests.support.running import Account, Calldock
from tests.ui.conftest import a_call_of_the_day, a_day, a_page, path_of, sign_in

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.ui]

HOSTILE = {
    "markup": "<img src=x onerror=alert(1)><script>alert(2)</script><b>bold</b>",
    "bidi": "\u202egnp.exe\u2066 \u200f",
    "unseen": "a\u200bb\u00adc\u3164d\ufeff",
    "emoji": "\U0001f469\u200d\U0001f4bb\U0001f44d\U0001f3fd \u2764\ufe0f",
    "rtl": "\u0634\u0631\u06a9\u062a \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 123",
    "long": "W" * 4000,
    "formula": '=HYPERLINK("https://evil.example","x")',
    "second": "x;=1+1\n@SUM(1)",
    "wide": "\uff1d1+1",
    "quoted": '"=1+1',
}
SHOWN = {
    "markup": HOSTILE["markup"],
    "bidi": "[U+202E]gnp.exe[U+2066] [U+200F]",
    "unseen": "a[U+200B]b[U+00AD]c[U+3164]d[U+FEFF]",
    "emoji": HOSTILE["emoji"],
    "rtl": HOSTILE["rtl"],
    "long": "W" * 400 + "\u2026",
    "second": "x;=1+1 @SUM(1)",
}


async def test_filters_narrow_the_list_and_the_address_says_the_view(
    page: Page, chromium: Browser, calldock: Calldock, account: Account
) -> None:
    await page.get_by_label("Direction").select_option("out")
    await expect(page.get_by_role("row")).to_have_count(2)
    await page.get_by_label("Direction").select_option("")
    await page.get_by_label("From (Europe/Moscow)").fill("2026-11-02T10:00")
    await page.get_by_label("Before").fill("2026-11-02T13:00")
    await page.get_by_label("Answered").select_option("successful")
    await expect(page.get_by_role("row")).to_have_count(3)

    view = path_of(page)
    async with a_page(chromium, calldock) as other:
        await sign_in(other, calldock, account, view)
        await expect(other.get_by_role("row")).to_have_count(3)
        assert path_of(other) == view

    await page.get_by_role("button", name="Clear filters").click()
    await expect(page.get_by_role("row")).to_have_count(7)
    assert path_of(page) == "/app/calls"


@pytest.mark.parametrize(
    ("label", "typed", "found"),
    [
        ("Employee", "anna smirnova", ["good", "dead"]),
        ("Tag", "new customer", ["good"]),
        ("Number", "8 (926) 244-43-97", ["good", "short", "dead", "lost", "out"]),
        ("Number", "0576", ["good", "short", "dead", "lost", "hidden", "out"]),
        ("Words", "orlov SHORT", ["short"]),
        ("Words", "nowhere", []),
    ],
)
async def test_calls_are_found_by_what_is_typed(page: Page, label: str, typed: str, found: list[str]) -> None:
    await page.goto("/app/calls?columns=ext_id")
    await page.get_by_label(label, exact=True).fill(typed)
    await page.get_by_label(label, exact=True).press("Enter")

    await expect(page.get_by_role("row")).to_have_count(1 + len(found))
    for ext_id in found:
        await expect(page.get_by_role("cell", name=ext_id, exact=True)).to_have_count(1)
    await page.reload()
    await expect(page.get_by_label(label, exact=True)).to_have_value(typed)
    await expect(page.get_by_role("row")).to_have_count(1 + len(found))


async def test_calls_are_found_by_verdict_and_sorted(page: Page) -> None:
    await page.goto("/app/calls?columns=ext_id")
    ids = page.get_by_role("cell")
    await expect(ids).to_have_text(["out", "hidden", "lost", "dead", "short", "good"])
    await page.get_by_label("Order").select_option("oldest")
    await expect(ids).to_have_text(["good", "short", "dead", "lost", "hidden", "out"])

    await page.get_by_label("Verdict").select_option("accepted")
    await expect(ids).to_have_text(["good"])
    await page.get_by_label("Verdict").select_option("wav_min_duration_processing_error")
    await expect(ids).to_have_text(["short"])
    assert path_of(page) == "/app/calls?verdict=wav_min_duration_processing_error&sort=oldest&columns=ext_id"


async def test_too_few_digits_of_a_number_are_said_to_be_too_few(page: Page) -> None:
    await page.get_by_label("Number").fill("92")

    await expect(page.get_by_role("alert")).to_contain_text("number")
    await page.get_by_label("Number").fill("")
    await expect(page.get_by_role("row")).to_have_count(7)


async def test_a_view_that_the_server_judges_keeps_up_too(chromium: Browser, calldock: Calldock) -> None:
    watched = calldock.account("Judged")
    async with a_page(chromium, calldock) as page:
        await sign_in(page, calldock, watched, "/app/calls?tag=vip&sort=oldest")
        await expect(page.get_by_text("Live", exact=True).last).to_be_visible()

        vip = {"tags": [{"tag_name": "vip"}]}
        late, plain, early = (
            a_call_of_the_day("late", 15, **vip),
            a_call_of_the_day("plain", 11),
            a_call_of_the_day("early", 8, **vip),
        )
        for call in (late, plain, early):
            assert calldock.upload(watched, call).status == 200

        ids = page.get_by_role("cell").filter(has_text=re.compile("^(late|plain|early)$"))
        await expect(ids).to_have_text(["early", "late"])


async def test_a_view_by_status_is_read_from_the_address(page: Page) -> None:
    await page.goto("/app/calls?status=error&status=nonsense&direction=sideways")

    await expect(page.get_by_role("row")).to_have_count(3)
    await expect(page.get_by_role("row").nth(2)).to_contain_text("at least 16 s needed")


async def test_columns_are_chosen_and_kept_in_the_address(page: Page) -> None:
    await expect(page.get_by_role("columnheader", name="Tags")).to_be_visible()

    await page.get_by_role("button", name="Columns").click()
    await page.get_by_role("checkbox", name="Tags").uncheck()
    await page.get_by_role("checkbox", name="Comment").check()

    await expect(page.get_by_role("columnheader", name="Tags")).to_have_count(0)
    await page.reload()
    await expect(page.get_by_role("columnheader", name="Comment")).to_have_count(1)
    await expect(page.get_by_role("columnheader", name="Tags")).to_have_count(0)


async def test_calls_come_and_change_without_being_asked_for(chromium: Browser, calldock: Calldock, host: Host) -> None:
    live = calldock.account("Live")
    host.secrets.append(live.secret)
    async with a_page(chromium, calldock) as page:
        await sign_in(page, calldock, live)
        await expect(page.get_by_text("No calls match.")).to_be_visible()
        await expect(page.get_by_text("Live", exact=True).last).to_be_visible()

        calldock.upload(live, *a_day(host)[:2])

        await expect(page.get_by_role("row")).to_have_count(3)
        await expect(page.get_by_role("row").filter(has_text="short")).to_contain_text("Error")
        await expect(page.get_by_role("row").filter(has_text="good")).to_contain_text("Processed")


async def test_a_long_list_is_scrolled_to_its_end_with_few_rows_in_the_page(
    chromium: Browser, calldock: Calldock
) -> None:
    many = calldock.account("Many")
    for part in range(3):
        calls = [a_call_of_the_day(f"call-{part * 300 + place}", 9) for place in range(300)]
        assert calldock.upload(many, *calls).status == 200
    async with a_page(chromium, calldock) as page:
        await sign_in(page, calldock, many)
        await expect(page.get_by_role("row").filter(has_text="call-899")).to_have_count(1)
        table = page.get_by_role("table")
        whole = page.get_by_text("900 calls, all loaded")

        for loaded in (700,):
            await table.evaluate("box => box.scrollTo(0, box.scrollHeight)")
            await expect(page.get_by_text(f"{loaded} calls loaded").or_(whole)).to_be_visible()
        await table.evaluate("box => box.scrollTo(0, box.scrollHeight)")
        await expect(whole).to_be_visible()

        await table.evaluate("box => box.scrollTo(0, box.scrollHeight)")
        await expect(page.get_by_role("row").filter(has_text="call-0")).to_have_count(1)
        assert await page.get_by_role("row").count() < 60


async def test_names_that_attack_are_text_and_leave_the_layout_alone(
    chromium: Browser, calldock: Calldock, tmp_path: Path
) -> None:
    victim = calldock.account("<b>Acme</b>\u202e")
    calls = [
        a_call_of_the_day(name, 9, comment=text, tags=[{"tag_name": text[:200]}]) for name, text in HOSTILE.items()
    ]
    answer = calldock.upload(victim, *calls)
    assert answer.status == 200, answer.body
    async with a_page(chromium, calldock) as page:
        await sign_in(page, calldock, victim, "/app/calls?columns=tags,ext_id,comment")
        await expect(page.get_by_role("row")).to_have_count(1 + len(HOSTILE))

        assert await page.locator("img, .grid script, .grid b, header b").count() == 0
        assert "\u202e" not in await page.locator("body").inner_text()
        for name, text in SHOWN.items():
            row = page.get_by_role("row").filter(has=page.get_by_role("cell", name=name, exact=True))
            last = row.get_by_role("cell").last
            assert await last.text_content() == text, name
            assert await last.get_attribute("title") == text, name
            assert await last.evaluate("cell => getComputedStyle(cell).unicodeBidi") == "isolate"
        boxes = [await row.bounding_box() for row in await page.get_by_role("row").all()]
        heights = [box["height"] for box in boxes if box is not None]
        assert len(heights) == 1 + len(HOSTILE)
        assert set(heights) == {36}
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

        async with page.expect_download() as download:
            await page.get_by_role("button", name="Export as CSV").click()
        await (await download.value).save_as(tmp_path / "calls.csv")

    with (tmp_path / "calls.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    found = {row[1]: row[2] for row in rows[1:]}
    assert rows[0] == ["Tags", "Id", "Comment"]
    assert found == {name: guarded(text) for name, text in HOSTILE.items()}
    assert found["formula"] == "'" + HOSTILE["formula"]


async def test_a_session_that_ends_in_mid_work_is_begun_again_over_the_page(page: Page, account: Account) -> None:
    await page.get_by_label("Answered").select_option("successful")
    await expect(page.get_by_role("row")).to_have_count(6)
    await page.context.clear_cookies()

    await page.get_by_label("From (Europe/Moscow)").fill("2026-11-02T10:00")
    window = page.get_by_role("dialog")
    await expect(window).to_contain_text("Your session is over")
    await window.get_by_label("Access token", exact=True).fill(account.token)
    await window.get_by_role("button", name="Sign in").click()

    await expect(window).to_have_count(0)
    await expect(page.get_by_role("row")).to_have_count(5)
    await expect(page.get_by_label("Answered")).to_have_value("successful")


async def test_an_api_that_is_away_is_told_and_recovers(page: Page) -> None:
    await page.context.route("**/v1/calls?*", lambda route: route.abort())
    await page.get_by_label("Answered").select_option("lost")
    await expect(page.get_by_role("alert")).to_contain_text("calldock does not answer")

    await page.context.unroute("**/v1/calls?*")

    await expect(page.get_by_role("alert")).to_have_count(0)
    await expect(page.get_by_role("row")).to_have_count(2)


async def test_a_page_that_is_opened_while_the_api_is_away_comes_up_later(page: Page) -> None:
    await page.context.route("**/v1/account", lambda route: route.fulfill(status=503, body="{}"))
    await page.reload()
    await expect(page.get_by_text("calldock does not answer")).to_be_visible()

    await page.context.unroute("**/v1/account")

    await expect(page.get_by_role("row")).to_have_count(7)


async def test_a_token_that_is_typed_stands_in_no_address(blank: Page, account: Account) -> None:
    asked: list[str] = []
    blank.context.on("request", lambda request: asked.append(request.url))
    await blank.goto("/app/calls")
    await blank.get_by_label("Access token", exact=True).fill(account.token)
    await blank.get_by_role("button", name="Sign in").click()
    await expect(blank.get_by_role("row")).to_have_count(7)

    assert any(each.endswith("/app/session") for each in asked)
    assert not [each for each in asked if account.token in each]
    assert account.token not in blank.url


async def test_no_token_is_kept_where_a_script_can_read_it(page: Page, account: Account) -> None:
    kept = await page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
    )
    cookies = await page.context.cookies()

    assert account.token not in kept
    assert json.loads(kept)[2] == ""
    assert [(each["name"], each["httpOnly"], each["sameSite"]) for each in cookies] == [
        ("calldock_session", True, "Strict")
    ]


async def test_a_link_that_is_opened_in_an_open_page_signs_in(
    blank: Page, calldock: Calldock, account: Account
) -> None:
    await blank.goto("/app/")
    await blank.get_by_label("Access token", exact=True).wait_for()

    await sign_in(blank, calldock, account, "/app/")

    assert path_of(blank) == "/app/calls"


async def test_signing_out_leaves_nothing(page: Page) -> None:
    await page.get_by_role("button", name="Sign out").click()

    await expect(page.get_by_label("Access token", exact=True)).to_be_visible()
    assert await page.context.cookies() == []


async def test_the_language_is_chosen_and_kept(page: Page) -> None:
    await page.get_by_role("button", name="Русский").click()
    await expect(page.get_by_role("columnheader", name="Статус")).to_be_visible()

    await page.reload()

    await expect(page.get_by_role("columnheader", name="Статус")).to_be_visible()
    assert await page.evaluate("document.documentElement.lang") == "ru"
