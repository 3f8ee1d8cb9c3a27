"""The door of the client area over a real socket, with a clock and accounts that a test has in its hands."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from services.media import app_door
from services.media.app_door import APP, LINKS, MAX_BODY_BYTES, SESSION, AppDoor
from services.media.http_edge import HttpEdge
from services.shared.errors import Mnemonic, Refusal, Trouble
from services.shared.identity import AccountId, Identity, Role, token_sha256
from services.shared.rpc.dial import PeerFailed
from services.shared.rpc.identity import CLIENT_ADDRESS_HEADER
from services.shared.sessions import APP_HEADER, CODE_LIFETIME, COOKIE, Code, Sessions
from tests.support.makers import NOON, HandClock

KEY = SecretStr(base64.b64encode(b"k" * 32).decode())
IN_APP = {APP_HEADER: "1"}


@dataclass
class UsedLinks:
    """As much of intake as knows which links were used."""

    fails: Exception | None = None
    asked: list[Code] = field(default_factory=list)
    used: set[bytes] = field(default_factory=set)

    async def take(self, account_id: AccountId, link: Code) -> bool:
        assert account_id == 1
        self.asked.append(link)
        if self.fails is not None:
            raise self.fails
        is_first = link.link_id not in self.used
        self.used.add(link.link_id)
        return is_first


class Door:
    """A running door."""

    def __init__(self, session: aiohttp.ClientSession, socket: Path, clock: HandClock, links: UsedLinks) -> None:
        self.session = session
        self.socket = socket
        self.clock = clock
        self.links = links
        self.sessions = Sessions(KEY, clock)

    async def post(
        self, path: str, body: Any = b"", headers: Mapping[str, str] = IN_APP
    ) -> tuple[int, dict[str, Any], str]:
        """Status, body and Set-Cookie of an answer."""
        data = body if isinstance(body, bytes) or hasattr(body, "__aiter__") else json.dumps(body).encode()
        async with self.session.post(f"http://door{path}", data=data, headers=headers) as answer:
            return answer.status, await answer.json(), answer.headers.get("set-cookie", "")

    async def code(self, token: str = "good") -> str:
        _, body, _ = await self.post(LINKS, headers={"authorization": f"Bearer {token}"})
        return str(body["code"])


async def authenticate(sha256: bytes, _acting_for: AccountId | None) -> Identity:
    if sha256 == token_sha256("good"):
        return Identity(account_id=AccountId(1), role=Role.ADMIN)
    if sha256 == token_sha256("at home only"):
        return Identity(account_id=AccountId(1), role=Role.ADMIN, allowed_networks=("10.0.0.0/8",))
    if sha256 == token_sha256("blocked"):
        raise Refusal(Mnemonic.ACCESS_TOKEN_BLOCKED)
    if sha256 == token_sha256("unlucky"):
        raise Trouble("intake is away")
    if sha256 == token_sha256("patient"):
        raise PeerFailed("intake answered DEADLINE_EXCEEDED")
    raise Refusal(Mnemonic.ACCESS_TOKEN_INVALID)


@asynccontextmanager
async def a_door(folder: Path, *, is_built: bool = True, links: UsedLinks | None = None) -> AsyncIterator[Door]:
    files = folder / "app"
    if is_built:
        (files / "assets").mkdir(parents=True)
        (files / "index.html").write_text('<meta name="csp-nonce" content="__CSP_NONCE__">')
        (files / "assets" / "app.js").write_text("let calls = 1;" * 100)
    clock, links, app = HandClock(), links or UsedLinks(), web.Application()
    AppDoor(files, "", authenticate, links.take, Sessions(KEY, clock)).add_routes(app)
    edge = HttpEdge(app, drain_s=0.1)
    await edge.start(f"unix:{folder}/door.sock")
    try:
        connector = aiohttp.UnixConnector(path=str(folder / "door.sock"))
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield Door(session, folder / "door.sock", clock, links)
    finally:
        await edge.drain()


async def test_a_token_becomes_a_cookie_that_no_script_reads_and_no_other_site_sends(tmp_path: Path) -> None:
    async with a_door(tmp_path) as door:
        status, body, cookie = await door.post(SESSION, {"access_token": " good\n"})
        _, _, over_tls = await door.post(SESSION, {"access_token": "good"}, {**IN_APP, "x-forwarded-proto": "https"})

    attributes = {part.strip().partition("=")[0].lower() for part in cookie.split(";")}
    assert status == 200
    assert {"httponly", "samesite", "max-age", "path"} <= attributes
    assert "samesite=strict" in cookie.lower()
    assert "secure" not in attributes
    assert "; secure" in over_tls.lower()
    assert "good" not in cookie + json.dumps(body)
    assert door.sessions.token({"cookie": cookie.partition(";")[0], APP_HEADER: "1"}) == "good"


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        pytest.param({"access_token": "wrong"}, 401, "Access token is invalid", id="wrong"),
        pytest.param({"access_token": "blocked"}, 401, "blocked", id="blocked"),
        pytest.param({"access_token": "x" * 3000}, 401, "Access token is invalid", id="long"),
        pytest.param({"access_token": "\ud800"}, 401, "Access token is invalid", id="a lone surrogate"),
        pytest.param({"code": "\ud800"}, 401, "calldock open", id="a code of a lone surrogate"),
        pytest.param({"access_token": "unlucky"}, 503, "try again", id="intake is away"),
        pytest.param({"access_token": "patient"}, 503, "try again", id="intake does not answer in time"),
        pytest.param({"access_token": "at home only"}, 403, "allowed networks", id="address that the account does not allow"),
        pytest.param({"access_token": " "}, 400, "is due", id="blank"),
        pytest.param({"access_token": 5}, 400, "is due", id="a number"),
        pytest.param({}, 400, "is due", id="nothing"),
        pytest.param([], 400, "is due", id="a list"),
        pytest.param(b"\xff{", 400, "is due", id="no JSON"),
        pytest.param(b"[" * MAX_BODY_BYTES, 400, "is due", id="deep"),
        pytest.param(b" " * (MAX_BODY_BYTES + 1), 400, "4096 bytes", id="too long"),
    ],
)  # fmt: skip
async def test_who_is_not_let_in_gets_no_cookie(tmp_path: Path, body: Any, status: int, told: str) -> None:
    async with a_door(tmp_path) as door:
        answered, said, cookie = await door.post(SESSION, body)

    assert (answered, cookie) == (status, "")
    assert told in said["message"]


async def test_an_account_is_entered_from_its_networks(tmp_path: Path) -> None:
    async with a_door(tmp_path) as door:
        headers = {**IN_APP, "x-calldock-client-address": "10.1.2.3"}
        inside, _, cookie = await door.post(SESSION, {"access_token": "at home only"}, headers)
        outside, _, _ = await door.post(LINKS, headers={"authorization": "Bearer at home only"})

    assert (inside, outside) == (200, 403)
    assert cookie


async def test_a_body_in_chunks_is_counted_as_it_comes(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200_000):
            yield b" " * 1000

    async with a_door(tmp_path) as door:
        try:
            status, body, _ = await door.post(SESSION, endless())
        except aiohttp.ClientConnectionError:
            pytest.fail("the answer comes before the end of the body")

    assert (status, body["message"]) == (400, "the body has more than 4096 bytes")


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_door, "BODY_S", 0.1)
    async with a_door(tmp_path) as door:
        reader, writer = await asyncio.open_unix_connection(door.socket)
        writer.write(
            f"POST {SESSION} HTTP/1.1\r\nhost: door\r\n{APP_HEADER}: 1\r\ncontent-length: 9\r\n\r\n{{".encode()
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
        writer.close()

    assert head == b"HTTP/1.1 408 Request Timeout\r\n"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_another_sites_form_does_nothing(tmp_path: Path, method: str) -> None:
    async with a_door(tmp_path) as door:
        body = json.dumps({"access_token": "good"})
        async with door.session.request(method, f"http://door{SESSION}", data=body) as answer:
            assert answer.status == 403
            assert "set-cookie" not in answer.headers


async def test_a_session_is_told_its_role_and_address(tmp_path: Path) -> None:
    async with a_door(tmp_path) as door:

        async def told(token: str | None) -> tuple[int, Any]:
            cookie = {} if token is None else {"cookie": f"{COOKIE}={door.sessions.seal(token)[0]}"}
            headers = {**IN_APP, **cookie, CLIENT_ADDRESS_HEADER: "203.0.113.7"}
            async with door.session.get(f"http://door{SESSION}", headers=headers) as answer:
                assert answer.status != 200 or answer.headers["cache-control"] == "no-store"
                return answer.status, await answer.json()

        assert await told("good") == (200, {"role": "ROLE_ADMIN", "address": "203.0.113.7"})
        statuses = [
            (await told(token))[0] for token in (None, "wrong", "blocked", "at home only", "unlucky", "patient")
        ]

    assert statuses == [401, 401, 401, 403, 503, 503]


async def test_signing_out_takes_the_cookie_away(tmp_path: Path) -> None:
    async with a_door(tmp_path) as door, door.session.delete(f"http://door{SESSION}", headers=IN_APP) as answer:
        assert answer.status == 200
        assert answer.headers["set-cookie"].startswith(f'{COOKIE}=""; ')
        assert "Max-Age=0" in answer.headers["set-cookie"]


async def test_a_code_lets_in_once_and_not_late(tmp_path: Path) -> None:
    async with a_door(tmp_path) as door:
        code, late = await door.code(), await door.code()
        first, _, cookie = await door.post(SESSION, {"code": code})
        again, said, nothing = await door.post(SESSION, {"code": code})
        door.clock.set(NOON + CODE_LIFETIME)
        too_late, _, _ = await door.post(SESSION, {"code": late})

    assert (first, again, too_late) == (200, 401, 401)
    assert len(door.links.asked) == 2
    assert door.sessions.token({"cookie": cookie.partition(";")[0], APP_HEADER: "1"}) == "good"
    assert (said["message"][:26], nothing) == ("this link was used already", "")


async def test_a_link_is_made_for_good_tokens_alone(tmp_path: Path) -> None:
    async with a_door(tmp_path) as door:
        said = [
            (await door.post(LINKS, headers=headers))[0]
            for headers in ({}, {"authorization": "Bearer "}, {"authorization": "Basic good"}, {"authorization": "Bearer wrong"})
        ]  # fmt: skip

    assert said == [401, 401, 401, 401]


async def test_a_code_of_one_media_lets_in_at_another_until_its_last_moment_and_once(tmp_path: Path) -> None:
    links = UsedLinks()
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    async with a_door(tmp_path / "one", links=links) as one, a_door(tmp_path / "other", links=links) as other:
        code = await one.code()
        for door in (one, other):
            door.clock.set(NOON + CODE_LIFETIME - timedelta(microseconds=1))
        told = [(await door.post(SESSION, {"code": code}))[0] for door in (other, other, one)]

    assert told == [200, 401, 401]


@pytest.mark.parametrize(
    ("fails", "status", "told"),
    [
        pytest.param(Trouble("intake answered UNAVAILABLE"), 503, "not available", id="away"),
        pytest.param(PeerFailed("intake answered DEADLINE_EXCEEDED"), 503, "not available", id="slow"),
        pytest.param(Refusal(Mnemonic.LIMIT_EXCEEDED, why="too many", retry_after_s=9.5), 429, "too many", id="full"),
    ],
)
async def test_while_it_is_not_known_whether_a_link_was_used_nobody_is_let_in_and_then_it_works(
    tmp_path: Path, fails: Exception, status: int, told: str
) -> None:
    async with a_door(tmp_path) as door:
        code = await door.code()
        door.links.fails = fails
        async with door.session.post(f"http://door{SESSION}", json={"code": code}, headers=IN_APP) as refused:
            said = await refused.json()
        door.links.fails = None
        afterwards, _, cookie = await door.post(SESSION, {"code": code})

    assert (refused.status, "set-cookie" in refused.headers) == (status, False)
    assert refused.headers.get("retry-after") == ("10" if status == 429 else None)
    assert told in said["message"]
    assert (afterwards, bool(cookie)) == (200, True)


async def test_a_link_is_not_used_up_by_a_token_that_is_not_let_in(tmp_path: Path) -> None:
    async with a_door(tmp_path) as door:
        tokens = ("blocked", "at home only", "unlucky", "patient")
        told = [(await door.post(SESSION, {"code": door.sessions.seal_code(token)}))[0] for token in tokens]

    assert told == [401, 403, 503, 503]
    assert not door.links.asked


async def test_a_code_that_is_altered_lets_nobody_in_and_one_that_is_spelled_otherwise_is_still_used(
    tmp_path: Path,
) -> None:
    async with a_door(tmp_path) as door:
        code = await door.code()
        middle = len(code) // 2
        altered = code[:middle] + ("A" if code[middle] != "A" else "B") + code[middle + 1 :]
        told = [
            (await door.post(SESSION, {"code": each}))[0]
            # Python's base64 passes over letters that are none of its own.
            for each in (altered, code[:-8], code[9:], door.sessions.seal("good")[0], code, code[:middle] + "!" + code[middle:])
        ]  # fmt: skip

    assert told == [401, 401, 401, 401, 200, 401]
    assert [len(link.link_id) for link in door.links.asked] == [16, 16], "what is forged is asked of nobody"


async def test_a_code_is_no_session(tmp_path: Path) -> None:
    async with a_door(tmp_path) as door:
        code = await door.code()

    spelled = code.translate(str.maketrans("-_.~", "+/:="))
    with pytest.raises(Refusal, match="not ours"):
        door.sessions.token({"cookie": f"{COOKIE}={spelled}", APP_HEADER: "1"})


async def test_the_page_forbids_scripts_that_are_not_ours_and_has_a_nonce_of_its_own(tmp_path: Path) -> None:
    async with a_door(tmp_path) as door:
        seen = []
        for path in (APP, f"{APP}calls?x=1", f"{APP}index.html", f"{APP}%2e%2e%2fetc%2fpasswd"):
            async with door.session.get(f"http://door{path}") as answer:
                policy, page = answer.headers["content-security-policy"], await answer.text()
                nonce = re.fullmatch(r'<meta name="csp-nonce" content="([\w-]{22})">', page)
                assert nonce is not None
                assert f"'nonce-{nonce[1]}'" in policy
                assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy.split("; "))
                assert "unsafe" not in policy
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert answer.headers["cache-control"] == "no-store"
                seen.append(nonce[1])

    assert len(set(seen)) == 4


async def test_files_are_packed_kept_by_browsers_and_not_sent_twice(tmp_path: Path) -> None:
    async with a_door(tmp_path) as door:
        url = f"http://door{APP}assets/app.js"
        async with door.session.get(url, headers={"accept-encoding": "gzip"}, auto_decompress=False) as packed:
            kept = packed.headers["etag"]
            sizes = [len(await packed.read())]
        async with door.session.get(url, headers={"accept-encoding": "identity"}) as plain:
            sizes.append(len(await plain.read()))
            assert (plain.content_type, plain.headers["x-content-type-options"]) == ("text/javascript", "nosniff")
        async with door.session.get(url, headers={"if-none-match": kept}) as again:
            assert again.status == 304
        async with door.session.get(f"http://door{APP}assets/other.js") as missing:
            assert missing.status == 404

    assert sizes[0] < 100
    assert sizes[1] == 1400
    assert "immutable" in packed.headers["cache-control"]


async def test_an_area_that_was_not_built_says_how(tmp_path: Path) -> None:
    async with a_door(tmp_path, is_built=False) as door, door.session.get(f"http://door{APP}") as answer:
        assert answer.status == 503
        assert "make web" in await answer.text()
