"""Uploading files of calls and folders with recordings, in Chromium."""

import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, FilePayload, Page, Route, expect

from tests.support.audio import good_wav
from tests.support.running import Account, Calldock, until
from tests.ui.conftest import a_page, path_of, sign_in
from tests.ui.test_access import PLACES, serious

pytestmark = pytest.mark.asyncio(loop_scope="session")
ui = pytest.mark.ui

HOSTILE = "<img src=x onerror=alert(1)>\"'‮evil"


def a_row(ext_id: str, **cells: str) -> dict[str, str]:
    """A line of a CSV file: a lost call on the morning of 2 November 2026."""
    return {
        "ext_id": ext_id,
        "calling_phone_number": "89262444397",
        "called_phone_number": "+74955140576",
        "start_time": "2026-11-02 10:00:00",
        "finish_time": "2026-11-02 10:01:30",
        "is_lost": "true",
        **cells,
    }


def a_csv(*rows: dict[str, str]) -> bytes:
    """The rows as a file; a column that only some have is empty in the others."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    written = io.StringIO()
    writer = csv.DictWriter(written, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue().encode()


@asynccontextmanager
async def an_upload_page(
    chromium: Browser, calldock: Calldock, account: Account, **context: Any
) -> AsyncIterator[Page]:
    async with a_page(chromium, calldock, **context) as page:
        await sign_in(page, calldock, account, "/app/upload")
        yield page


async def choose(page: Page, name: str, content: bytes) -> None:
    """Chooses one file."""
    file = FilePayload(name=name, mimeType="text/plain", buffer=content)
    await page.locator("input[type=file]").first.set_input_files(file)


def stored(calldock: Calldock, account: Account) -> list[Any]:
    found: list[Any] = calldock.http("GET", "/v1/calls?page_size=1000", token=account.token).json["calls"]
    return found


async def test_a_file_is_checked_whole_and_then_uploaded(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Uploads")
    rows = [a_row("1"), a_row("2", is_lost="maybe"), a_row("3", start_time="2026-13-02 10:00:00"), a_row("1")]
    async with an_upload_page(chromium, calldock, account) as page:
        await choose(page, "day.csv", a_csv(*rows))
        await expect(page.get_by_text("Some calls are wrong")).to_contain_text("2 wrong")
        errors = page.get_by_role("table", name="Errors by line").get_by_role("row")
        await expect(errors).to_have_count(3)
        await expect(errors.nth(1)).to_contain_text("3")
        await expect(errors.nth(1)).to_contain_text("maybe")
        await expect(errors.nth(2)).to_contain_text("start_time")
        await expect(errors.nth(2)).to_contain_text("2026-13-02 10:00:00")
        assert stored(calldock, account) == []

        await page.get_by_role("button", name="Upload (2)").click()

        outcome = page.get_by_role("table", name="Outcome")
        await expect(outcome.get_by_role("row", name="New")).to_contain_text("1")
        await expect(outcome.get_by_role("row", name="Here already")).to_contain_text("1")
        await expect(outcome.get_by_role("row", name="Refused")).to_contain_text("2")
        await page.get_by_role("link", name="See the calls").click()
        assert path_of(page) == "/app/calls"
    assert [call["ext_id"] for call in stored(calldock, account)] == ["1"]


@ui
async def test_a_folder_is_uploaded_with_its_recordings(chromium: Browser, calldock: Calldock, tmp_path: Path) -> None:
    account = calldock.account("Folder")
    folder = tmp_path / "day"
    (folder / "records").mkdir(parents=True)
    (folder / "records" / "good.wav").write_bytes(good_wav())
    record = {
        "wav_records.0.employee_name": HOSTILE,
        "wav_records.0.employee_channel": "left",
        "talk_duration": "60",
        "is_lost": "false",
    }
    rows = [
        a_row("1", **record, **{"wav_records.0.record_url": "records/good.wav"}),
        a_row("2", **record, **{"wav_records.0.record_url": "records/none.wav"}),
        a_row("3", **record, **{"wav_records.0.record_url": "../day/../../etc/passwd"}),
    ]
    (folder / "calls.csv").write_bytes(a_csv(*rows))
    async with an_upload_page(chromium, calldock, account) as page:
        await page.locator("input[type=file]").nth(1).set_input_files(folder)
        errors = page.get_by_role("table", name="Errors by line").get_by_role("row")
        await expect(errors).to_have_count(3)
        await expect(errors.nth(2)).to_contain_text("wav_records.0.record_url")
        await expect(errors.nth(2)).to_contain_text("no such file")

        await page.get_by_role("button", name="Upload (1)").click()

        await expect(page.get_by_role("row", name="Recordings handed over")).to_contain_text("1")
        await page.get_by_role("button", name="Another file").click()
        await page.locator("input[type=file]").nth(1).set_input_files(folder)
        await page.get_by_role("button", name="Upload (1)").click()
        await expect(page.get_by_role("row", name="Here already")).to_be_visible()
        await expect(page.get_by_role("row", name="say something else")).to_have_count(0)
    until(lambda: stored(calldock, account)[0]["status"] == "CALL_STATUS_PROCESSED")


@ui
async def test_what_attacks_is_shown_as_text(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Hostile")
    rows = [a_row(HOSTILE, is_lost=HOSTILE * 200), a_row("2", **{"__proto__.x": "1", "constructor.y": "2"})]
    async with an_upload_page(chromium, calldock, account) as page:
        await choose(page, f"{HOSTILE}.csv", a_csv(*rows))

        await expect(page.get_by_text("No call can be uploaded.")).to_be_visible()
        await expect(page.get_by_role("cell", name=HOSTILE, exact=True)).to_be_visible()
        await expect(page.get_by_role("cell", name="there is no such member")).to_have_count(2)
        await expect(page.locator("img")).to_have_count(0)


@ui
@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        pytest.param("calls.txt", b"x", "ends in .csv, .json or .jsonl", id="another ending"),
        pytest.param("calls.csv", "ext_id\nжук".encode("cp1251"), "not UTF-8", id="not UTF-8"),
        pytest.param("calls.csv", b"a,b\n1,2\n", "ext_id among them", id="no names"),
        pytest.param("calls.csv", b"", "ext_id among them", id="nothing"),
        pytest.param("calls.json", b"{", "not JSON", id="broken JSON"),
        pytest.param("calls.json", b'{"call": []}', "an array of calls", id="no array"),
    ],
)
async def test_a_file_that_is_none_of_calls_is_refused(
    chromium: Browser, calldock: Calldock, account: Account, name: str, content: bytes, told: str
) -> None:
    async with an_upload_page(chromium, calldock, account) as page:
        await choose(page, name, content)

        await expect(page.get_by_role("alert")).to_contain_text(told)


@ui
@pytest.mark.parametrize("ending", ["csv", "json", "jsonl"])
async def test_a_file_reads_as_the_command_line_reads_it(
    chromium: Browser, calldock: Calldock, ending: str, tmp_path: Path
) -> None:
    account = calldock.account("Same")
    path = tmp_path / f"day.{ending}"
    path.write_bytes(a_difficult_file(ending))
    dry = calldock.cli("upload", str(path), "--dry-run", "--json", "--token", account.token)
    report = next(tmp_path.glob("*.refused.*")).read_text()
    told = json.loads(dry.stdout)
    async with an_upload_page(chromium, calldock, account) as page:
        await choose(page, path.name, path.read_bytes())
        status = page.get_by_role("status").filter(has_text="Nothing was stored")
        await expect(status).to_contain_text(f"{told['good'] + told['refused']} calls, {told['refused']} wrong")

        async with page.expect_download() as saved:
            await page.get_by_role("button", name="Save what is wrong").click()
        download = await saved.value
        assert download.suggested_filename == f"day.refused.{'csv' if ending == 'csv' else 'jsonl'}"
        assert ids(ending, Path(await download.path()).read_text()) == ids(ending, report)


def a_difficult_file(ending: str) -> bytes:
    """Calls with what the reading of files has to get right, half of them wrong."""
    if ending == "csv":
        lines = [
            "ext_id;calling_phone_number;called_phone_number;start_time;finish_time;is_lost;talk_duration;comment;tags;wav_records.1.record_url",
            "1;;+74955140576;2026-11-02 10:00:00;2026-11-02 10:01:30;no;7,5;;a|b ;",
            '2;;+74955140576;2026-11-02 10:00:00;2026-11-02 10:01:30;YES;;"two\nlines; and ""quotes""";;',
            "",
            "3;;+74955140576;2026-11-02 10:00:00;2026-11-02 10:01:30;no;7,5;;;https://example.com/gap.wav",
            "4;;+74955140576;2026-11-02 10:00:00;2026-11-02 10:01:30;no;seven;;;",
            "5;;+74955140576;2026-11-02 10:00:00;2026-11-02 10:01:30;no;7;;;;;more",
            "6;;+74955140576",
        ]
        return "﻿".encode() + "\r\n".join(lines).encode()
    good = {
        "ext_id": "1",
        "calling_phone_number": "",
        "called_phone_number": "+74955140576",
        "start_time": "2026-11-02 10:00:00",
        "finish_time": "2026-11-02 10:01:30",
        "is_lost": True,
    }
    calls = [
        good,
        {**good, "ext_id": "2", "comment": None, "upload_error": "was wrong"},
        {**good, "ext_id": "3", "is_lost": "true"},
        {**good, "ext_id": "4", "unknown": 1},
        {**good, "ext_id": "5", "site_id": 4611686018427387904},
        {**good, "ext_id": "6", "call_session_id": "9", "tags": [{"tag_id": "1", "tag_name": "Sale"}]},
        {**good, "ext_id": "7", "tags": [{"tag_name": "Sale"}]},
        5,
    ]
    if ending == "json":
        return json.dumps({"calls": calls}).encode()
    return ("\n".join(json.dumps(call) for call in calls) + "\n{oops\n\n").encode()


def ids(ending: str, report: str) -> list[str]:
    """The refused calls of a report."""
    if ending == "csv":
        return [row["ext_id"] for row in csv.DictReader(io.StringIO(report))]
    rows = [json.loads(line) for line in report.splitlines()]
    return sorted(str(row.get("ext_id") or row["line"]) for row in rows)


@ui
async def test_a_session_that_ends_in_the_middle_loses_nothing(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Session")
    made = calldock.http("POST", "/v1/tokens", json.dumps({"role": "ROLE_UPLOAD"}), account.token).json
    uploads = 0

    async def blocked_at_the_second(route: Route) -> None:
        nonlocal uploads
        uploads += "priority" in (route.request.post_data or "")
        if uploads == 2:
            token_id = made["token"]["token_id"]
            assert calldock.http("POST", f"/v1/tokens/{token_id}:block", "{}", account.token).status == 200
            until(lambda: calldock.http("GET", "/v1/account", token=made["access_token"]).status == 401)
        await route.continue_()

    entered = Account(account.account_id, made["access_token"], "")
    async with an_upload_page(chromium, calldock, entered) as page:
        await choose(page, "day.csv", a_csv(*(a_row(str(number)) for number in range(1200))))
        await page.route("**/v1/calls:upload", blocked_at_the_second)
        await page.get_by_role("button", name="Upload (1200)").click()
        await expect(page.get_by_text("It goes on when you have signed in.")).to_be_visible()

        await page.get_by_label("Access token", exact=True).fill(account.token)
        await page.get_by_role("button", name="Sign in").click()

        await expect(page.get_by_role("table", name="Outcome").get_by_role("row")).to_have_text("New1200")


@ui
async def test_another_account_that_signs_in_gets_nothing(chromium: Browser, calldock: Calldock) -> None:
    account, other = calldock.account("First"), calldock.account("Other")

    async def signed_out(route: Route) -> None:
        if "priority" in (route.request.post_data or ""):
            await page.context.clear_cookies()
        await route.fallback()

    asked: list[Route] = []

    async def frame_hears_late(route: Route) -> None:
        # The page asks first who signed in, and would end the upload: it is kept from knowing until the upload knows by itself.
        asked.append(route)
        if len(asked) > 1:
            await route.continue_()

    async with an_upload_page(chromium, calldock, account) as page:
        await choose(page, "day.csv", a_csv(a_row("1")))
        await page.route("**/v1/calls:upload", signed_out)
        await page.get_by_role("button", name="Upload (1)").click()
        await page.get_by_label("Access token", exact=True).fill(other.token)
        await page.route("**/v1/account", frame_hears_late)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_contain_text("Another account signed in")
        await page.unroute("**/v1/account")
        for route in asked[:1]:
            await route.continue_()

        await expect(page.get_by_text("Drop a file or a folder here")).to_be_visible()
    assert stored(calldock, account) == stored(calldock, other) == []


@ui
async def test_a_limit_pauses_the_upload(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Limits")
    limited: list[Route] = []

    async def limited_once(route: Route) -> None:
        limited.append(route)
        if len(limited) > 1:
            return await route.continue_()
        info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"}
        return await route.fulfill(status=429, json={"code": 8, "message": "too many requests", "details": [info]})

    async with an_upload_page(chromium, calldock, account) as page:
        await page.route("**/v1/calls:upload", limited_once)
        await choose(page, "day.csv", a_csv(a_row("1")))

        await expect(page.get_by_text("The account's limit is reached")).to_contain_text("in about s: 2")
        await page.get_by_role("button", name="Upload (1)").click()
        await expect(page.get_by_text("Uploaded.")).to_be_visible()
    assert len(stored(calldock, account)) == 1


@ui
async def test_an_upload_can_be_interrupted_and_gone_on_with(chromium: Browser, calldock: Calldock) -> None:
    account = calldock.account("Interrupted")
    held: list[Route] = []

    async def hold_the_second(route: Route) -> None:
        if "priority" in (route.request.post_data or ""):
            held.append(route)
        if len(held) != 2:
            await route.continue_()

    async with an_upload_page(chromium, calldock, account) as page:
        await choose(page, "day.csv", a_csv(*(a_row(str(number)) for number in range(700))))
        await page.route("**/v1/calls:upload", hold_the_second)
        await page.get_by_role("button", name="Upload (700)").click()
        await expect(page.get_by_text("Uploading: 500 of 700")).to_be_visible()
        await page.get_by_role("link", name="Calls").click()
        await page.get_by_role("link", name="Upload").click()
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("alert")).to_contain_text("Interrupted")

        await page.get_by_role("button", name="Go on").click()

        await expect(page.get_by_role("table", name="Outcome").get_by_role("row")).to_have_text("New700")


@ui
async def test_a_hundred_thousand_rows_do_not_freeze_the_page(
    chromium: Browser, calldock: Calldock, tmp_path: Path
) -> None:
    account = calldock.account("Many")
    # What the page does with them is looked at; what the service answers is not.
    big = tmp_path / "big.csv"
    big.write_bytes(a_csv(*(a_row(str(number)) for number in range(100_000))))

    async def all_wrong(route: Route) -> None:
        count = len(json.loads(route.request.post_data or "{}")["calls"])
        violations = [
            {"field": f"calls[{place}].start_time", "reason": "X", "description": "wrong"} for place in range(count)
        ]
        await route.fulfill(json={"calls": [], "violations": violations})

    async with an_upload_page(chromium, calldock, account) as page:
        await page.route("**/v1/calls:upload", all_wrong)
        await page.evaluate(
            "() => { window.longest = 0; new PerformanceObserver((list) => { for (const task of list.getEntries()) "
            "window.longest = Math.max(window.longest, task.duration); }).observe({type: 'longtask'}); }"
        )
        await page.locator("input[type=file]").first.set_input_files(big)
        await expect(page.get_by_text("No call can be uploaded.")).to_contain_text("100000 wrong", timeout=90_000)
        longest_ms = await page.evaluate("window.longest")

        print(f"longest task: {longest_ms:.0f} ms")
        assert longest_ms < 500
        await expect(page.get_by_role("table", name="Errors by line")).to_have_attribute("aria-rowcount", "100001")


@ui
async def test_a_token_that_may_only_read_is_told_so(chromium: Browser, calldock: Calldock, account: Account) -> None:
    made = calldock.http("POST", "/v1/tokens", json.dumps({"role": "ROLE_READ"}), account.token).json
    async with an_upload_page(chromium, calldock, Account(account.account_id, made["access_token"], "")) as page:
        await expect(page.get_by_text("Your token may only read.")).to_be_visible()
        await expect(page.get_by_role("button", name="Choose files")).to_be_disabled()


@ui
@pytest.mark.parametrize("place", PLACES)
async def test_axe_finds_nothing_serious_while_uploading(
    chromium: Browser, calldock: Calldock, account: Account, place: dict[str, Any]
) -> None:
    async with a_page(chromium, calldock, bypass_csp=True, **place) as page:
        made = calldock.http("POST", "/app/links", b"", account.token)
        await page.goto(f"/app/upload#code={made.json['code']}")
        await page.locator("input[type=file]").first.wait_for(state="attached")
        assert await serious(page) == []
        await choose(page, "day.csv", a_csv(a_row("1", is_lost="maybe"), a_row("axe")))
        await page.get_by_role("table").wait_for()
        assert await serious(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
