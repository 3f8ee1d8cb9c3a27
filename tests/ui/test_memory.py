"""What a storm of changes leaves behind in a page: nothing."""

import json
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.support.running import Calldock
from tests.ui.conftest import a_call_of_the_day, a_page, sign_in

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.ui]

ANSWERS = 8
CHANGES = 1000
MOST_MB = {False: 3.0, True: 10.0}
"""Of calls that come, some 2,000 are kept until the list is asked anew: 7 megabytes here. All 8,000 would be some 27, by the same measure."""


async def heap_mb(page: Page) -> float:
    """What lives in the page after a collection."""
    session = await page.context.new_cdp_session(page)
    await session.send("HeapProfiler.collectGarbage")
    used = (await session.send("Runtime.getHeapUsage"))["usedSize"]
    await session.detach()
    return float(used) / 1e6


@pytest.mark.parametrize("new", [pytest.param(False, id="calls that change"), pytest.param(True, id="calls that come")])
async def test_memory_stays_flat_under_changes(chromium: Browser, calldock: Calldock, *, new: bool) -> None:
    account = calldock.account("Storm")
    assert calldock.upload(account, *(a_call_of_the_day(f"call-{place}", 9) for place in range(100))).status == 200
    calls = calldock.http("GET", "/v1/calls", token=account.token).json["calls"]
    sent = 0

    def change(place: int) -> dict[str, Any]:
        call = {**calls[place % 100], "comment": f"change {place} " + "x" * 500}
        if new:
            call["call_session_id"] = str(int(calls[0]["call_session_id"]) + 1000 + place)
        return {"cursor": f"c{place}", "call_session_id": call["call_session_id"], "is_deleted": False, "call": call}

    async def answer(route: Route) -> None:
        nonlocal sent
        at, sent = sent, min(sent + CHANGES, ANSWERS * CHANGES)
        lines = [json.dumps({"result": change(place)}) for place in range(at, sent)]
        await route.fulfill(status=200, content_type="application/json", body="\n".join(lines) + "\n")

    async with a_page(chromium, calldock) as page:
        await sign_in(page, calldock, account, "/app/calls?sort=uploaded&columns=ext_id,comment")
        await expect(page.get_by_text("100 calls, all loaded").first).to_be_visible()
        before = await heap_mb(page)

        await page.context.route("**/v1/calls:watch?*", answer)
        await page.reload()
        while sent < ANSWERS * CHANGES:
            async with page.expect_response("**/v1/calls:watch?*"):
                pass
        if not new:
            await expect(page.get_by_text(f"change {ANSWERS * CHANGES - 100} ")).to_have_count(1)

        assert await heap_mb(page) - before < MOST_MB[new]
