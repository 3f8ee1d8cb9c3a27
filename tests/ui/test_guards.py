"""That pages of these tests are looked after: a page that misbehaves fails its test."""

import pytest
from playwright.async_api import Browser, Page

from tests.support.running import Calldock
from tests.ui.conftest import a_page

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.ui]

ELSEWHERE = "https://elsewhere.example/x.png"
TRICKS = [
    pytest.param("document.body.append(Object.assign(document.createElement('img'), {src: 'ADDRESS'}))", "Content Security Policy", id="a picture from elsewhere"),
    pytest.param("fetch('ADDRESS').catch(() => 0)", "Content Security Policy", id="a request to elsewhere"),
    pytest.param("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))", "Content Security Policy", id="an inline script"),
    pytest.param("document.body.insertAdjacentHTML('beforeend', '<b style=color:red onclick=x()>x</b>')", "Content Security Policy", id="inline style and handler"),
    pytest.param("setTimeout(() => { throw new Error('thrown by a test') })", "thrown by a test", id="an error that nobody catches"),
]  # fmt: skip


async def complaint_of(chromium: Browser, calldock: Calldock, trick: str, **context: object) -> str:
    """How a page fails its test after a trick."""
    with pytest.raises(AssertionError) as caught:
        await played(chromium, calldock, trick, **context)
    return str(caught.value)


async def played(chromium: Browser, calldock: Calldock, trick: str, **context: object) -> None:
    """Plays a trick in a page of its own."""
    async with a_page(chromium, calldock, **context) as page:
        await page.goto("/app/")
        await page.get_by_label("Access token", exact=True).wait_for()
        await attempted(page, trick)


async def attempted(page: Page, trick: str) -> None:
    """Plays a trick in a page, and waits until the page heard of all that came before the end of it."""
    await page.evaluate(
        f"async () => {{ {trick.replace('ADDRESS', ELSEWHERE)}; await new Promise(done => setTimeout(done)) }}"
    )
    async with page.expect_console_message(lambda message: message.text == "after the trick"):
        await page.evaluate("console.log('after the trick')")


@pytest.mark.parametrize(("trick", "told"), TRICKS)
async def test_a_page_that_breaks_its_policy_or_throws_fails_its_test(
    chromium: Browser, calldock: Calldock, trick: str, told: str
) -> None:
    assert told in await complaint_of(chromium, calldock, trick)


async def test_a_page_that_asks_anyone_else_fails_its_test(chromium: Browser, calldock: Calldock) -> None:
    asked = f"await new Promise(done => Object.assign(new Image(), {{src: '{ELSEWHERE}', onerror: done}}))"

    # Without the policy, which would keep the request from being made.
    assert ELSEWHERE in await complaint_of(chromium, calldock, asked, bypass_csp=True)


async def test_a_page_that_behaves_passes(chromium: Browser, calldock: Calldock) -> None:
    async with a_page(chromium, calldock) as page:
        await page.goto("/app/")
        await attempted(page, "document.body.dataset.seen = 'yes'")
