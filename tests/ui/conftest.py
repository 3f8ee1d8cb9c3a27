"""One calldock with a day of calls for all tests of the client area, and Chromium to look at it.

A test takes `page`: signed in, in a context of its own, which fails the test when the page asked anyone but calldock, broke the content security policy or threw.
"""

import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

from tests.support.audio import good_wav
from tests.support.hosts import Host, a_host
from tests.support.running import Account, Calldock, a_calldock, until

LIMIT_MS = 15_000
"""A busy machine takes its time; what never comes is told by then."""


@dataclass
class Seen:
    """What a page did that a person does not see."""

    origin: str
    requests: list[Request] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def foreign(self) -> list[str]:
        """Addresses asked that are not calldock's."""
        return [each.url for each in self.requests if not each.url.startswith((f"{self.origin}/", "data:", "blob:"))]

    def hear(self, message: ConsoleMessage) -> None:
        """Keeps complaints. That an answer was no success is none: tests provoke it."""
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.errors.append(message.text)


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with a_host(tmp_path_factory.mktemp("host")) as host:
        host.serve("/good.wav", "audio/wav", good_wav())
        host.serve("/short.wav", "audio/wav", good_wav(3))
        yield host


@pytest.fixture(scope="session")
def calldock(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calldock]:
    settings = {
        "EGRESS_ALLOW": f"127.0.0.1:{host.port}",
        "EGRESS_CA_FILE": str(host.ca_file),
        "MEDIA_DOWNLOAD_PAUSES_S": "0.1,0.1,0.1",
    }
    with a_calldock(tmp_path_factory.mktemp("calldock"), **settings) as calldock:
        yield calldock


@pytest.fixture(scope="session")
def account(calldock: Calldock, host: Host) -> Account:
    """An account with a day of calls, all of them ended."""
    account = calldock.account("Acme")
    host.secrets.append(account.secret)
    assert calldock.upload(account, *a_day(host)).status == 200
    until(lambda: not _open_calls(calldock, account), limit_s=60)
    return account


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found is not None, "tests of the client area need Chromium: `make chromium`"
    # Chromium's sandbox does not start for root.
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def blank(chromium: Browser, calldock: Calldock) -> AsyncIterator[Page]:
    """A page of a browser that nobody signed in."""
    async with a_page(chromium, calldock) as page:
        yield page


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Browser, calldock: Calldock, account: Account) -> AsyncIterator[Page]:
    """A signed-in page that shows the list of calls."""
    async with a_page(chromium, calldock) as page:
        await sign_in(page, calldock, account)
        yield page


@asynccontextmanager
async def a_page(chromium: Browser, calldock: Calldock, **context: Any) -> AsyncIterator[Page]:
    """A page in a context of its own; in the end it must have behaved."""
    settings = {"locale": "en-GB", "viewport": {"width": 1280, "height": 800}, **context}
    opened = await chromium.new_context(base_url=calldock.url, **settings)
    opened.set_default_timeout(LIMIT_MS)
    seen = Seen(calldock.url)
    page = await opened.new_page()
    opened.on("request", lambda request: seen.requests.append(request))
    page.on("console", lambda message: seen.hear(message))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    try:
        yield page
    finally:
        await opened.close()
    assert not seen.foreign
    assert not seen.errors


async def sign_in(
    page: Page,
    calldock: Calldock,
    account: Account,
    path: str = "/app/calls",
    button: str | re.Pattern[str] = "Sign out",
) -> None:
    """Signs a page in as the command `calldock open` lets a person do it, and waits for the page at `path`."""
    made = calldock.http("POST", "/app/links", b"", account.token)
    await page.goto(f"{path}#code={made.json['code']}")
    await page.get_by_role("button", name=button).wait_for()


def a_day(host: Host) -> list[dict[str, Any]]:
    """Calls of every kind: good, lost, hidden, outbound, refused for their recordings, and with names that attack."""
    records = {
        "good": [{"record_url": f"{host.url}/good.wav", "employee_name": "Anna Smirnova", "employee_channel": "EMPLOYEE_CHANNEL_LEFT"}],
        "short": [{"record_url": f"{host.url}/short.wav", "employee_name": "Pavel Orlov", "employee_channel": "EMPLOYEE_CHANNEL_LEFT"}],
        "dead": [{"record_url": f"{host.url}/none.wav", "employee_name": "Anna Smirnova", "employee_channel": "EMPLOYEE_CHANNEL_RIGHT"}],
    }  # fmt: skip
    return [
        a_call_of_the_day("good", 9, wav_records=records["good"], tags=[{"tag_name": "new customer"}]),
        a_call_of_the_day("short", 10, wav_records=records["short"]),
        a_call_of_the_day("dead", 11, wav_records=records["dead"]),
        a_call_of_the_day("lost", 12, is_lost=True),
        a_call_of_the_day("hidden", 13, calling_phone_number=""),
        a_call_of_the_day("out", 14, direction="DIRECTION_OUT", calling_phone_number="+74955140576", called_phone_number="+79262444397"),
    ]  # fmt: skip


def a_call_of_the_day(ext_id: str, hour: int, **fields: Any) -> dict[str, Any]:
    """A call of 2 November 2026 by the wall clock of Moscow, in REST JSON."""
    return {
        "ext_id": ext_id,
        "calling_phone_number": "+79262444397",
        "called_phone_number": "+74955140576",
        "start_time": f"2026-11-02 {hour:02}:00:00",
        "finish_time": f"2026-11-02 {hour:02}:01:30",
        "is_lost": False,
        "talk_duration": 75,
        **fields,
    }


def _open_calls(calldock: Calldock, account: Account) -> list[Any]:
    found = calldock.http("GET", "/v1/calls", token=account.token).json["calls"]
    return [each for each in found if each["status"] in ("CALL_STATUS_NEW", "CALL_STATUS_IN_PROCESS")]


def path_of(page: Page) -> str:
    """The address of a page behind its host."""
    parts = urlsplit(page.url)
    return parts.path + (f"?{parts.query}" if parts.query else "") + (f"#{parts.fragment}" if parts.fragment else "")
