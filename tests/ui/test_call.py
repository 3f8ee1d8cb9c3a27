"""A call's page: what is said of the call, what is heard of it and by which keys, what was wrong, and how the page keeps up."""

import asyncio
import json
import re
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from calldock.media.v1.audio_pb2 import AudioRule, RecordingErrorCode
from playwright.async_api import Browser, Page, Route, expect

from services.cli.demo.speech import conversation, wav_bytes, with_noise
from tests.support.audio import good_wav, speech_with_noise
from tests.support.hosts import Host, reply
from tests.support.mp3_files import TAG, mp3_frames
from tests.support.running import Account, Calldock, until
from tests.ui.conftest import LIMIT_MS, a_call_of_the_day, a_page, path_of, sign_in
from tests.ui.test_access import PLACES, serious

WEB = Path(__file__).parents[2] / "web"
HOSTILE = "<img src=x onerror=alert(1)>\u202egnp.exe" + "W" * 200
AUDIO_SAYS = "(({currentTime, duration, readyState, paused, error}) => [currentTime, duration, readyState, paused, error])(document.querySelector('audio'))"
LEFT, RIGHT = "EMPLOYEE_CHANNEL_LEFT", "EMPLOYEE_CHANNEL_RIGHT"

browsing = pytest.mark.asyncio(loop_scope="session")
ui = pytest.mark.ui


@pytest.fixture(scope="module")
def calls(calldock: Calldock, host: Host) -> "Calls":
    """An account with a call of each kind that a page can show, all ended."""
    account = calldock.account("Listeners")
    host.secrets.append(account.secret)
    calls = Calls(calldock, account)
    calls.add_all(host)
    return calls


class Calls:
    """The calls of an account by their ext_id."""

    def __init__(self, calldock: Calldock, account: Account) -> None:
        self.calldock = calldock
        self.account = account

    def add_all(self, host: Host) -> None:
        """A call of each kind, each brought to its end."""
        calldock, account = self.calldock, self.account
        serve(host)
        site = calldock.http("POST", "/v1/sites", json.dumps({"name": "Shop on Main Street"}), account.token).json
        calls = uploads(host, site["site_id"])
        assert calldock.upload(account, *calls).status == 200
        until(lambda: all(self.status(call["ext_id"]) in ("PROCESSED", "ERROR") for call in calls), 60)

    def read(self, ext_id: str) -> Any:
        answer = self.calldock.http("GET", f"/v1/calls:lookup?ext_id={quote(ext_id)}", token=self.account.token)
        assert answer.status == 200, answer.body
        return answer.json

    def status(self, ext_id: str) -> str:
        return str(self.read(ext_id)["status"].removeprefix("CALL_STATUS_"))

    def path(self, ext_id: str) -> str:
        """The address of a call's page."""
        return f"/app/calls/{self.read(ext_id)['call_session_id']}"

    def upload(self, call: dict[str, Any]) -> None:
        assert self.calldock.upload(self.account, call).status == 200

    def delete(self, ext_id: str) -> None:
        number = self.read(ext_id)["call_session_id"]
        assert self.calldock.http("DELETE", f"/v1/calls/{number}", token=self.account.token).status == 200

    def reader(self) -> Account:
        """The account by a token that only reads."""
        asked = json.dumps({"name": "reader", "role": "ROLE_READ"})
        made = self.calldock.http("POST", "/v1/tokens", asked, self.account.token)
        assert made.status == 200, made.body
        return Account(self.account.account_id, made.json["access_token"], self.account.secret)


def serve(host: Host) -> None:
    """The recordings of the calls, and receivers of every kind."""
    noisy = np.stack([conversation(30)[0], speech_with_noise(8, "white", voice=1)])
    host.serve("/good.wav", "audio/wav", good_wav())
    host.serve("/talk.wav", "audio/wav", wav_bytes(with_noise(conversation(60), -62)))
    host.serve("/noisy.wav", "audio/wav", wav_bytes(noisy))
    host.serve("/mono.wav", "audio/wav", wav_bytes(with_noise(conversation(20)[:1], -62)))
    host.serve("/listen.mp3", "audio/mpeg", TAG + mp3_frames(20))
    host.pages["/gone"] = lambda request: reply(request, 410, "text/plain", b"nobody lives here <b>any more</b>")


def uploads(host: Host, site_id: str) -> list[dict[str, Any]]:
    """A call of each kind."""

    def wav(name: str, employee: str, channel: str = LEFT) -> dict[str, Any]:
        return {"record_url": f"{host.url}/{name}.wav", "employee_name": employee, "employee_channel": channel}

    def told(path: str) -> dict[str, Any]:
        return {"url": f"{host.url}{path}", "events": ["CALL_EVENT_PROCESSED", "CALL_EVENT_ERROR"]}

    mp3 = [{"record_url": f"{host.url}/listen.mp3", "employee_name": "Olga Petrova"}]
    return [
        a_call_of_the_day("talk", 9, wav_records=[wav("talk", "Anna Smirnova")], tags=[{"tag_name": "new customer"}], site_id=site_id, wait_duration=4.5, comment="Form “Call me back”", callback=told("/hook")),
        a_call_of_the_day("noisy", 10, wav_records=[wav("noisy", "Pavel Orlov")], callback=told("/gone")),
        a_call_of_the_day("passed on", 11, wav_records=[wav("good", "Anna Smirnova"), wav("mono", "Pavel Orlov", RIGHT)], is_transfer=True),
        a_call_of_the_day("listen", 12, mp3_records=mp3),
        a_call_of_the_day("missing", 13, wav_records=[wav("nowhere", "Anna Smirnova")]),
        a_call_of_the_day("lost", 14, is_lost=True, calling_phone_number=""),
        a_call_of_the_day("hostile", 15, wav_records=[wav("mono", HOSTILE[:250])], comment=HOSTILE * 15, tags=[{"tag_name": HOSTILE[:250]}]),
    ]  # fmt: skip


async def look(page: Page, calls: Calls, ext_id: str, query: str = "", account: Account | None = None) -> None:
    """Opens a call's page, signed in."""
    made = calls.calldock.http("POST", "/app/links", b"", (account or calls.account).token)
    await page.goto(f"{calls.path(ext_id)}{query}#code={made.json['code']}")
    await page.get_by_role("heading", level=1).wait_for()


async def waits_until(page: Page, claim: str) -> None:
    """Waits until something holds of the player's element, `audio`. Asked from outside: the page's policy lets nobody evaluate text in it."""
    asked = f"(() => {{ const audio = document.querySelector('audio'); return Boolean(audio && {claim}); }})()"
    deadline = asyncio.get_running_loop().time() + LIMIT_MS / 1000
    while not await page.evaluate(asked):
        assert asyncio.get_running_loop().time() < deadline, f"{claim}: {await page.evaluate(AUDIO_SAYS)}"
        await asyncio.sleep(0.05)


def figure(page: Page, table: str, name: str) -> Any:
    """A row of the audio report."""
    return page.get_by_role("table", name=re.compile(table)).get_by_role("row").filter(has_text=name)


@browsing
async def test_a_call_of_the_list_is_opened_read_and_heard(blank: Page, calldock: Calldock, calls: Calls) -> None:
    loaded: list[str] = []
    blank.on("request", lambda request: loaded.append(request.url))
    await sign_in(blank, calldock, calls.account)
    await expect(blank.get_by_role("row")).to_have_count(8)
    assert not [each for each in loaded if "player-" in each or "call_page-" in each]

    await blank.get_by_role("row").filter(has_text="new customer").get_by_role("link").click()

    facts = blank.get_by_role("region", name="Facts")
    for fact in ("2026-11-02 09:00:00", "Times are those of Europe/Moscow.", "+79262444397", "4.5 s", "Shop on Main Street", "Anna Smirnova left channel", "new customer", "Inbound", "Successful"):  # fmt: skip
        await expect(facts).to_contain_text(fact)
    player = blank.get_by_role("region", name="Player")
    await expect(player).to_contain_text("Employee Anna Smirnova (left channel)")
    await expect(player).to_contain_text("Customer +79262444397 (right channel)")
    await expect(blank.locator(".waves canvas").nth(1)).to_be_attached()
    await player.get_by_role("button", name="Play").click()
    await waits_until(blank, "audio.currentTime > 0.2")
    assert any(re.search(r"/v1/playback/[\w-]+$", each) for each in loaded)
    await player.get_by_role("button", name="Pause").click()
    await waits_until(blank, "audio.paused")


def test_every_code_and_rule_has_its_sentences_in_both_languages() -> None:
    said = (WEB / "src" / "call" / "explain.ts").read_text()
    for enum in (RecordingErrorCode, AudioRule):
        for name in list(enum.keys())[1:]:
            found = re.search(
                rf"^  {name}: {{\n    means: \[(.+)\],\n    change: \[(.+)\],\n  }},$", said, re.MULTILINE
            )
            assert found, name
            for both in found.groups():
                english, russian = re.fullmatch(r'"([^"]+)", "([^"]+)"', both).groups()  # type: ignore[union-attr]
                assert re.search("[a-z]", english), name
                assert re.search("[а-я]", russian), name


@ui
@browsing
async def test_keys_play_seek_and_change_the_speed(blank: Page, calls: Calls) -> None:
    await look(blank, calls, "talk")
    position = blank.get_by_role("slider", name="Position")
    await position.focus()
    await waits_until(blank, "audio.readyState > 0")

    for key, at in (("ArrowRight", 5), ("l", 15), ("ArrowLeft", 10), ("j", 0), ("L", 10), ("End", 60), ("Home", 0)):
        await position.press(key)
        await waits_until(blank, f"Math.abs(audio.currentTime - {at}) < 0.3")
    await position.press(">")
    await position.press(">")
    await waits_until(blank, "audio.playbackRate === 1.5")
    await expect(blank.get_by_label("Speed")).to_have_value("1.5")
    await position.press(" ")
    await waits_until(blank, "!audio.paused && audio.currentTime > 0")
    await position.press("k")
    await waits_until(blank, "audio.paused")
    await blank.get_by_label("Speed").select_option("0.75")
    await waits_until(blank, "audio.playbackRate === 0.75")


@ui
@browsing
async def test_the_position_is_kept_in_the_address(blank: Page, calls: Calls) -> None:
    await look(blank, calls, "talk", "?t=42")
    await waits_until(blank, "audio.currentTime === 42")
    assert path_of(blank) == f"{calls.path('talk')}?t=42"

    box = await blank.locator(".bands").bounding_box()
    assert box is not None
    await blank.mouse.click(box["x"] + box["width"] / 4, box["y"] + 20)

    await waits_until(blank, "Math.abs(audio.currentTime - 15) < 1")
    await blank.wait_for_url(re.compile(r"\?t=1[456]$"))
    await blank.reload()
    await waits_until(blank, "Math.abs(audio.currentTime - 15) < 1")


@ui
@browsing
async def test_a_recording_of_several_is_chosen_and_kept_in_the_address(blank: Page, calls: Calls) -> None:
    await look(blank, calls, "passed on")
    await expect(blank.get_by_role("tab", selected=True)).to_contain_text("2. Pavel Orlov · Refused")
    await expect(blank.get_by_role("tabpanel")).to_contain_text("Switch the exchange to stereo recording")

    await blank.get_by_role("tab", name="Anna").click()
    await waits_until(blank, "audio.readyState > 0")
    await blank.get_by_role("button", name="10 s on").click()
    await blank.wait_for_url(re.compile(r"\?r=1&t=10$"))


@ui
@browsing
async def test_a_link_is_renewed_when_its_time_is_over_and_nobody_notices(blank: Page, calls: Calls) -> None:
    links: list[str] = []
    blank.on("request", lambda request: links.append(request.url) if ":createPlaybackLink" in request.url else None)
    await look(blank, calls, "talk", "?t=20")
    await waits_until(blank, "audio.currentTime === 20")
    await blank.get_by_label("Speed").select_option("1.25")
    play = blank.get_by_role("button", name="Play")
    await play.click()
    await blank.get_by_role("button", name="Pause").click()
    await waits_until(blank, "audio.paused")
    assert len(links) == 1

    late = await blank.evaluate("Date.now()") / 1000 + timedelta(minutes=14).total_seconds()
    await blank.clock.set_fixed_time(late)
    await play.click()

    await waits_until(blank, "!audio.paused && audio.currentTime > 20.1 && audio.playbackRate === 1.25")
    assert len(links) == 2
    await expect(blank.get_by_role("alert")).to_have_count(0)


@ui
@browsing
async def test_a_link_that_ends_in_mid_play_is_renewed(blank: Page, calls: Calls) -> None:
    links: list[str] = []
    blank.on("request", lambda request: links.append(request.url) if ":createPlaybackLink" in request.url else None)
    await look(blank, calls, "talk", "?t=20")
    await waits_until(blank, "audio.currentTime === 20")
    late = await blank.evaluate("Date.now()") / 1000 + timedelta(minutes=1).total_seconds()
    await blank.clock.set_fixed_time(late)

    # What a player hears when a link is refused amid the file.
    await blank.evaluate("document.querySelector('audio').dispatchEvent(new Event('error'))")

    await waits_until(blank, "!audio.paused && audio.currentTime > 20.1")
    assert len(links) == 2
    await expect(blank.get_by_role("alert")).to_have_count(0)


@ui
@browsing
async def test_sound_that_is_not_to_be_had_is_told_and_asked_for_again(blank: Page, calls: Calls) -> None:
    await blank.route("**/v1/playback/*", lambda route: route.fulfill(status=503, body=""))
    await look(blank, calls, "talk")
    await expect(blank.get_by_role("alert")).to_contain_text("The sound is not to be had at the moment.")

    await blank.unroute("**/v1/playback/*")
    await blank.get_by_role("button", name="Try again").click()

    await waits_until(blank, "audio.readyState > 0")
    await expect(blank.get_by_role("alert")).to_have_count(0)


@ui
@browsing
async def test_who_talks_when_is_found_here_where_the_report_does_not_say(blank: Page, calls: Calls) -> None:
    await look(blank, calls, "listen")

    await expect(blank.get_by_role("region", name="Player")).to_contain_text("measured in this browser")
    shares = [int(each.split(" ")[0]) for each in await blank.locator(".share").all_inner_texts()]
    talk = blank.get_by_role("img", name=re.compile("Who talks when"))
    report = calls.read("passed on")["wav_records"][0]["recording"]["audio_report"]
    measured = [round(each["speech_share"] * 100) for each in report["channels"]]
    # The same 20 s as in the WAV of another call, through an MP3.
    assert shares[:2] == [pytest.approx(each, abs=8) for each in measured]
    assert await talk.locator("rect").count() >= 4


@ui
@browsing
@pytest.mark.parametrize(
    ("locale", "table", "name", "told"),
    [
        ("en-GB", "^Customer", "Speech over noise", ["8.", "at least 15.0 dB", "Refused", "Look for the noise"]),
        ("ru-RU", "^Клиент", "Речь над шумом", ["8,", "не менее 15,0 дБ", "Отклонено", "Ищите шум"]),
    ],
)
async def test_a_figure_beyond_its_limit_says_what_to_change(
    chromium: Browser, calls: Calls, locale: str, table: str, name: str, told: list[str]
) -> None:
    async with a_page(chromium, calls.calldock, locale=locale) as page:
        await look(page, calls, "noisy")

        for each in told:
            await expect(figure(page, table, name)).to_contain_text(each)
        await expect(page.locator(".figure.refused")).to_have_count(1)
        await expect(page.locator(".waves canvas").nth(1)).to_be_attached()
        await expect(page.get_by_role("slider")).to_have_count(0)


@ui
@browsing
async def test_a_rule_that_the_account_only_warns_of_reads_as_a_warning(
    blank: Page, calldock: Calldock, calls: Calls
) -> None:
    lenient = calldock.account("Lenient")
    policy = {"rule": "AUDIO_RULE_SIGNAL_TO_NOISE", "policy": "RULE_POLICY_WARN"}
    body = json.dumps({"audio": {"policies": [policy]}})
    assert calldock.http("PATCH", "/v1/account?update_mask=audio", body, lenient.token).status == 200
    theirs = Calls(calldock, lenient)
    link = calls.read("noisy")["wav_records"][0]["record_url"]
    record = {"record_url": link, "employee_name": "Pavel Orlov", "employee_channel": LEFT}
    theirs.upload(a_call_of_the_day("noisy", 10, wav_records=[record]))
    until(lambda: theirs.status("noisy") == "PROCESSED")

    await look(blank, theirs, "noisy")

    await expect(figure(blank, "^Customer", "Speech over noise")).to_contain_text("Warning")
    await expect(blank.locator(".figure.refused")).to_have_count(0)
    await expect(blank.get_by_role("button", name="Play")).to_be_visible()


@ui
@browsing
async def test_a_short_recording_is_drawn_without_talk_that_nobody_measured(
    blank: Page, calls: Calls, host: Host
) -> None:
    record = {"record_url": f"{host.url}/short.wav", "employee_name": "Anna", "employee_channel": LEFT}
    calls.upload(a_call_of_the_day("short", 19, wav_records=[record]))
    until(lambda: calls.status("short") == "ERROR")

    await look(blank, calls, "short")

    await expect(blank.locator(".waves canvas").nth(1)).to_be_attached()
    await expect(figure(blank, "^The file", "Length")).to_contain_text("Refused")
    await expect(blank.get_by_role("main")).not_to_contain_text("Silence")
    calls.delete("short")


@ui
@browsing
async def test_a_recording_that_was_not_to_be_had_is_explained_by_its_code(blank: Page, calls: Calls) -> None:
    await look(blank, calls, "missing")

    main = blank.get_by_role("main")
    for told in ("The server with the recording answered, but not with the file.", "404 says that the file is gone", "http_status_download_error", "Nothing was measured"):  # fmt: skip
        await expect(main).to_contain_text(told)


@ui
@browsing
async def test_a_notification_is_sent_again(blank: Page, calls: Calls) -> None:
    await look(blank, calls, "noisy")
    attempts = blank.get_by_role("list", name="Attempts")
    await expect(attempts).to_contain_text("1. ")
    await expect(attempts).to_contain_text("the receiver refused 410")
    await expect(attempts).to_contain_text("nobody lives here <b>any more</b>")

    await blank.get_by_role("button", name="Send again").click()

    await expect(attempts).to_contain_text("2. ")
    await expect(blank.get_by_role("region", name="The way it went")).to_contain_text("sent again by request")


@ui
@browsing
async def test_who_may_only_read_is_told_why_nothing_can_be_done(blank: Page, calls: Calls) -> None:
    await look(blank, calls, "noisy", account=calls.reader())

    await expect(blank.get_by_role("region", name="The way it went")).to_contain_text("this needs one of role upload")
    for name in ("Send again", "Judge anew"):
        await expect(blank.get_by_role("button", name=name)).to_be_disabled()


@ui
@browsing
async def test_a_call_that_is_new_can_be_cancelled_and_a_refusal_is_told(blank: Page, calls: Calls) -> None:
    async def still_new(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(json={**await answer.json(), "status": "CALL_STATUS_NEW"})

    number = calls.read("lost")["call_session_id"]
    await blank.route(f"**/v1/calls/{number}", still_new)
    await look(blank, calls, "lost")

    async with blank.expect_response(f"**/v1/calls/{number}:cancel") as answer:
        await blank.get_by_role("button", name="Cancel the call").click()

    assert (await answer.value).status == 400
    await expect(blank.get_by_role("alert")).to_contain_text("cancel")


@ui
@browsing
async def test_downloads_that_were_put_off_are_told(blank: Page, calls: Calls, host: Host) -> None:
    busy = threading.Event()
    host.pages["/busy.wav"] = lambda request: reply(request, 200 if busy.is_set() else 503, "audio/wav", good_wav())
    record = {"record_url": f"{host.url}/busy.wav", "employee_name": "Anna", "employee_channel": LEFT}
    calls.upload(a_call_of_the_day("busy", 18, wav_records=[record]))
    until(lambda: calls.status("busy") == "ERROR")

    await look(blank, calls, "busy")

    await expect(blank.get_by_role("region", name="The way it went")).to_contain_text(
        "downloads put off after a failure: 3"
    )
    busy.set()
    await blank.get_by_role("button", name="Judge anew").click()
    await expect(blank.get_by_role("button", name="Play")).to_be_visible()
    await expect(blank.get_by_role("region", name="The way it went")).not_to_contain_text("downloads put off")
    calls.delete("busy")


@ui
@browsing
async def test_a_call_is_judged_anew(blank: Page, calls: Calls, host: Host) -> None:
    record = {"record_url": f"{host.url}/later.wav", "employee_name": "Anna", "employee_channel": LEFT}
    calls.upload(a_call_of_the_day("anew", 16, wav_records=[record]))
    until(lambda: calls.status("anew") == "ERROR")
    await look(blank, calls, "anew")
    await expect(blank.get_by_role("button", name="Play")).to_have_count(0)

    host.serve("/later.wav", "audio/wav", good_wav())
    await blank.get_by_role("button", name="Judge anew").click()

    await expect(blank.get_by_role("button", name="Play")).to_be_visible()
    await expect(blank.get_by_role("region", name="The way it went")).to_contain_text("Processed")
    calls.delete("anew")


@ui
@browsing
async def test_the_page_follows_the_call_until_it_is_deleted(blank: Page, calls: Calls, host: Host) -> None:
    go = threading.Event()

    def slow(request: BaseHTTPRequestHandler) -> None:
        go.wait(30)
        reply(request, 200, "audio/wav", good_wav())

    host.pages["/slow.wav"] = slow
    record = {"record_url": f"{host.url}/slow.wav", "employee_name": "Anna", "employee_channel": LEFT}
    calls.upload(a_call_of_the_day("slow", 17, wav_records=[record]))
    until(lambda: calls.status("slow") == "IN_PROCESS")
    await look(blank, calls, "slow")
    way = blank.get_by_role("region", name="The way it went")
    await expect(way).to_contain_text("is to be downloaded")
    await expect(blank.get_by_role("button", name="Cancel the call")).to_be_disabled()

    go.set()
    await expect(way).to_contain_text("was accepted")
    await expect(blank.get_by_role("button", name="Play")).to_be_visible()

    calls.delete("slow")
    await expect(blank.get_by_role("alert")).to_have_text("This call was deleted while you had it open.")
    await expect(blank.get_by_role("heading", level=1)).to_have_count(0)


@ui
@browsing
async def test_a_call_of_another_account_looks_like_one_that_is_not_there(
    page: Page, calls: Calls, account: Account
) -> None:
    looks = []
    for path in (calls.path("talk"), "/app/calls/999999", "/app/calls/9999999999999999999", "/app/calls/nonsense"):
        await page.goto(path)
        await expect(page.get_by_role("alert")).to_contain_text("There is no such call.")
        looks.append(await page.get_by_role("main").inner_html())

    assert len({re.sub(r"mantine-\w+", "", each) for each in looks}) == 1


@ui
@browsing
async def test_hostile_names_are_text(blank: Page, calls: Calls) -> None:
    await look(blank, calls, "hostile")

    await expect(blank.get_by_role("region", name="Facts")).to_contain_text("<img src=x onerror=alert(1)>")
    assert await blank.locator("main img[src]").count() == 0
    assert await blank.evaluate("document.documentElement.scrollWidth <= innerWidth")


@ui
@browsing
@pytest.mark.parametrize("place", PLACES)
async def test_axe_finds_nothing_serious_on_a_call(chromium: Browser, calls: Calls, place: dict[str, Any]) -> None:
    async with a_page(chromium, calls.calldock, bypass_csp=True, **place) as page:
        for ext_id in ("talk", "noisy", "passed on", "missing"):
            await look(page, calls, ext_id)
            await page.locator(".way").wait_for()
            assert await serious(page) == [], ext_id
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), ext_id
        await page.goto("/app/calls/999999")
        await page.get_by_role("alert").wait_for()
        assert await serious(page) == []
