"""What the client area costs with 100,000 calls: how soon its list takes input, how smoothly it scrolls to the last call, and what a storm of changes leaves in memory.

Run: `python -m benchmarks.client_area [--calls 100000] [--events 20000] [--rounds 5]`, with Chromium on this machine (`make chromium`) and the area built (`make web`). A whole instance on SQLite,
filled by the database itself. The list takes input when its first row is there, it has the focus, and a frame after that is done; the time runs from the navigation on. A cold start has an empty cache in a browser of its own, a warm
one goes there again in the same one. Scrolling steps through the list as pages come; a frame is the time between two of requestAnimationFrame. What a page costs
is the processor time of the script, from a jump to the list's end until two frames after the page came, at the list's beginning and shortly before its last call. Changes
come as answers to WatchCalls that this benchmark gives itself, some hundreds a second. The heap is that of V8 after a collection.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.async_api import Browser, CDPSession, Page, Route, async_playwright

from benchmarks.filling import Filling, fill_stored, whole_second
from services.intake.server import MIGRATIONS
from services.shared.db.engine import SqliteDatabase
from services.shared.db.migrate import migrate
from tests.support.running import Account, Calldock, a_calldock

DUE_S = 1.0
MOST_FRAME_MS = 100.0
MOST_GROWTH_MB = 10.0
MB = 1_000_000
BATCH = 500
LIMIT_MS = 180_000
PAGES = 10
PAGE_CALLS = 500
TAKES_INPUT = """() => new Promise(done => {
  const look = () => {
    const table = document.querySelector('[role=table]');
    if (table?.querySelector('.rows [role=row]')) { table.focus(); requestAnimationFrame(() => setTimeout(() => done(performance.now()))); }
    else requestAnimationFrame(look);
  };
  look();
})"""
SCROLL = """async count => {
  const table = document.querySelector('[role=table]');
  const frames = [];
  const frame = () => new Promise(requestAnimationFrame);
  let before = await frame();
  for (;;) {
    table.scrollTop += 2000;
    const now = await frame();
    frames.push(now - before);
    before = now;
    if (Number(table.querySelector('.rows [role=row]:last-child')?.ariaRowIndex) > count) return frames;
  }
}"""
NEXT_PAGE = """async () => {
  const table = document.querySelector('[role=table]');
  const frame = () => new Promise(requestAnimationFrame);
  const height = table.scrollHeight;
  table.scrollTop = height;
  while (table.scrollHeight === height) await frame();
  await frame();
  await frame();
}"""


async def takes_input_s(page: Page, url: str) -> float:
    """Seconds from a navigation to a list that takes input."""
    await page.goto(url, wait_until="commit")
    ms: float = await page.evaluate(TAKES_INPUT)
    return ms / 1000


async def signed_in(browser: Browser, calldock: Calldock, account: Account) -> Page:
    """A page of a browser context of its own, signed in, that was not at the list yet."""
    context = await browser.new_context(base_url=calldock.url, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(LIMIT_MS)
    body = json.dumps({"access_token": account.token})
    answer = await context.request.post("/app/session", data=body, headers={"x-calldock-app": "1"})
    assert answer.ok
    return await context.new_page()


async def heap_mb(page: Page) -> float:
    """Megabytes that live in the page after a collection."""
    session = await page.context.new_cdp_session(page)
    await session.send("HeapProfiler.enable")
    await session.send("HeapProfiler.collectGarbage")
    used = (await session.send("Runtime.getHeapUsage"))["usedSize"]
    await session.detach()
    return float(used) / MB


async def page_ms(page: Page) -> float:
    """Milliseconds of script for a page that comes, the median of some."""
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable", {"timeDomain": "threadTicks"})
    times = []
    for _ in range(PAGES):
        before = await _script_s(session)
        await page.evaluate(NEXT_PAGE)
        times.append(await _script_s(session) - before)
    await session.detach()
    return statistics.median(times) * 1000


async def _script_s(session: CDPSession) -> float:
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    return next(float(each["value"]) for each in metrics if each["name"] == "ScriptDuration")


class Storm:
    """Answers WatchCalls with a batch of changes each time that it is asked: calls that are there in turn, and with `new` calls that come."""

    def __init__(self, calls: list[dict[str, Any]], events: int, *, new: bool) -> None:
        self._calls = calls
        self._new = new
        self.events = events
        self.is_over = asyncio.Event()
        self.sent = 0
        self.first = int(calls[0]["call_session_id"]) + 1

    async def answer(self, route: Route) -> None:
        """One answer; an empty one when all were sent."""
        lines = [json.dumps({"result": self._event(self.sent + place)}) for place in range(min(BATCH, self.events - self.sent))]  # fmt: skip
        self.sent += len(lines)
        if self.sent == self.events:
            self.is_over.set()
        await route.fulfill(status=200, content_type="application/json", body="\n".join(lines) + "\n")

    def _event(self, place: int) -> dict[str, Any]:
        call = dict(self._calls[place % len(self._calls)])
        if self._new:
            call["call_session_id"] = str(self.first + place)
            call["start_time"] = datetime.now(UTC).isoformat()
        call["comment"] = f"change {place}"
        return {"cursor": f"c{place}", "call_session_id": call["call_session_id"], "is_deleted": False, "call": call}


async def grown_mb(page: Page, calls: list[dict[str, Any]], events: int, *, new: bool) -> tuple[float, float]:
    """Megabytes of heap before a storm of changes, and after it."""
    storm = Storm(calls, events, new=new)
    await page.goto("/app/calls?sort=uploaded&columns=start_time,comment")
    await page.locator(".rows [role=row]").first.wait_for()
    before = await heap_mb(page)
    await page.context.route("**/v1/calls:watch?*", storm.answer)
    # The stream that is open already is broken off, as a load balancer does it.
    await page.reload()
    async with asyncio.timeout(LIMIT_MS / 1000):
        await storm.is_over.wait()
    last = f"change {events - 1}"
    if new:
        await page.get_by_text(last, exact=True).or_(page.locator("[aria-rowindex='2']")).first.wait_for()
    await page.wait_for_timeout(1000)
    after = await heap_mb(page)
    await page.context.unroute("**/v1/calls:watch?*")
    return before, after


def _fill(folder: Path, filling: Filling) -> None:
    async def fill() -> None:
        db = SqliteDatabase(folder / "intake.db")
        migrate(db.engine, MIGRATIONS)
        db.start()
        await db.write(fill_stored, filling)
        await db.stop()

    folder.mkdir(mode=0o700)
    asyncio.run(fill())


async def look(calldock: Calldock, account: Account, arguments: argparse.Namespace) -> None:
    """Prints the figures and the verdicts."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found is not None, "Chromium is due: `make chromium`"
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=sandbox)
        cold, warm = [], []
        for _ in range(arguments.rounds):
            page = await signed_in(browser, calldock, account)
            cold.append(await takes_input_s(page, "/app/calls"))
            warm.append(await takes_input_s(page, "/app/calls"))
            await page.context.close()
        for name, times in (("cold", cold), ("warm", warm)):
            middle = statistics.median(times)
            print(f"| takes input, {name} cache | {middle * 1000:.0f} ms ({min(times) * 1000:.0f} to {max(times) * 1000:.0f}) | {DUE_S * 1000:g} | {_verdict(max(times) <= DUE_S)} |")  # fmt: skip

        page = await signed_in(browser, calldock, account)
        await takes_input_s(page, "/app/calls")
        few = await heap_mb(page)
        began = time.monotonic()
        page_at_first = await page_ms(page)
        frames = await page.evaluate(SCROLL, arguments.calls - (PAGES + 2) * PAGE_CALLS)
        page_at_last = await page_ms(page)
        frames = sorted(frames + await page.evaluate(SCROLL, arguments.calls))
        took_s = time.monotonic() - began
        rows = await page.locator("[role=row]").count()
        print(f"| to call {arguments.calls:,} | {took_s:.1f} s, {rows} rows in the page | | |")
        within = ", ".join(f"{share} % within {frames[int(len(frames) * share / 100)]:.0f}" for share in (99, 99.9))
        verdict = _verdict(frames[-1] <= MOST_FRAME_MS)
        print(f"| longest of {len(frames):,} frames | {frames[-1]:.0f} ms ({within}) | {MOST_FRAME_MS:g} | {verdict} |")
        print(f"| script of a page, first {PAGES}, last {PAGES} | {page_at_first:.1f}, {page_at_last:.1f} ms | | |")
        print(f"| heap, first page and all | {few:.1f} and {await heap_mb(page):.1f} MB | | |")
        await page.context.close()

        calls = calldock.http("GET", "/v1/calls?page_size=200&order_by=call_session_id%20desc", token=account.token).json["calls"]  # fmt: skip
        for name, new in (("changes of calls that are there", False), ("calls that come", True)):
            page = await signed_in(browser, calldock, account)
            before, after = await grown_mb(page, calls, arguments.events, new=new)
            print(f"| {arguments.events:,} {name} | {before:.1f} to {after:.1f} MB | grows by {MOST_GROWTH_MB:g} | {_verdict(after - before <= MOST_GROWTH_MB)} |", flush=True)  # fmt: skip
            await page.context.close()
        await browser.close()


def main() -> None:
    """Fills an instance and looks at it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        _fill(Path(name) / "data", Filling(calls=arguments.calls, last=whole_second(datetime.now(UTC))))
        with a_calldock(Path(name)) as calldock:
            account = calldock.account()
            print("| client area | | at most | |\n|---|---|---|---|", flush=True)
            asyncio.run(look(calldock, account, arguments))


def _verdict(is_kept: bool) -> str:
    return "kept" if is_kept else "MISSED"


if __name__ == "__main__":
    main()
