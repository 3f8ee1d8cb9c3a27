"""Sessions: whose cookies are opened, and until when."""

import base64
from datetime import timedelta

import pytest
from pydantic import SecretStr

from services.shared.errors import Mnemonic, Refusal
from services.shared.rpc.identity import sessions_of
from services.shared.sealing import Sealer
from services.shared.sessions import APP_HEADER, COOKIE, LIFETIME, Sessions
from tests.support.makers import NOON, HandClock

KEY = SecretStr(base64.b64encode(b"k" * 32).decode())
OTHER_KEY = SecretStr(base64.b64encode(b"o" * 32).decode())


def sent(cookie: str, **headers: str) -> dict[str, str]:
    """Headers of a request of the client area."""
    return {"cookie": cookie, APP_HEADER: "1", **headers}


def refused(sessions: Sessions, cookie: str) -> Mnemonic:
    with pytest.raises(Refusal) as caught:
        sessions.token(sent(cookie))
    return caught.value.mnemonic


def test_a_session_gives_its_token_until_its_time_is_over() -> None:
    clock = HandClock(NOON)
    sessions = Sessions(KEY, clock)
    value, until = sessions.seal("the token of Acme")

    clock.set(NOON + LIFETIME - timedelta(seconds=1))
    assert sessions.token(sent(f"{COOKIE}={value}")) == "the token of Acme"
    assert until == NOON + LIFETIME

    clock.set(NOON + LIFETIME)
    assert refused(sessions, f"{COOKIE}={value}") is Mnemonic.ACCESS_TOKEN_EXPIRED


def test_the_token_cannot_be_read_from_the_cookie() -> None:
    value, _ = Sessions(KEY, HandClock()).seal("secret-token")

    assert b"secret-token" not in base64.b64decode(value.partition(":")[2])


def test_a_cookie_without_the_header_of_the_app_is_no_session() -> None:
    sessions = Sessions(KEY, HandClock())
    value, _ = sessions.seal("token")

    assert sessions.token({"cookie": f"{COOKIE}={value}"}) is None
    assert sessions.token({"cookie": f"{COOKIE}={value}", APP_HEADER: ""}) is None


def test_a_request_without_our_cookie_is_no_session() -> None:
    sessions = Sessions(KEY, HandClock())

    assert sessions.token({APP_HEADER: "1"}) is None
    assert sessions.token(sent("")) is None
    assert sessions.token(sent(f"x{COOKIE}=1; {COOKIE}x=2")) is None


@pytest.mark.parametrize("around", ['{}="{}"', "{}={}", 'bad cookie{{}}, "=; {}={}', 'a=b; {}="{}"; c', " a=b;{}={};"])
def test_cookies_of_neighbours_do_not_matter(around: str) -> None:
    sessions = Sessions(KEY, HandClock())
    value, _ = sessions.seal("token")

    assert sessions.token(sent(around.format(COOKIE, value))) == "token"


def test_a_cookie_that_anyone_else_made_or_altered_is_refused() -> None:
    sessions = Sessions(KEY, HandClock())
    value, _ = sessions.seal("token")
    key_id, _, data = value.partition(":")
    raw = base64.b64decode(data)
    flipped = [raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :] for place in range(len(raw))]
    forged = [f"{key_id}:{base64.b64encode(each).decode()}" for each in flipped]
    other_key, _ = Sessions(OTHER_KEY, HandClock()).seal("token")
    other_purpose = Sealer(b"k" * 32).seal("9999999999 token", "webhook secret")

    for wrong in (
        *forged,
        other_key,
        other_purpose,
        key_id,
        f"{key_id}:",
        f"{key_id}:AAAA",
        f"{key_id}:%%%",
        "\udcff",
        "é",
    ):
        assert refused(sessions, f"{COOKIE}={wrong}") is Mnemonic.ACCESS_TOKEN_INVALID, wrong


def test_without_a_key_there_are_no_sessions() -> None:
    assert sessions_of(None, HandClock()) is None
