"""`calldock demo --keep`: a day of calls that stays, and a link that lets a browser in."""

import http.client
import json
import signal
import subprocess
from urllib.parse import urlsplit

import pytest

from tests.support.running import CALLDOCK, INTERRUPTIBLE

CALLS = 8
STORY = 9


@pytest.mark.timeout(180)
def test_a_day_of_calls_stays_until_it_is_asked_to_end() -> None:
    command = [*INTERRUPTIBLE, CALLDOCK, "demo", "--keep", "--calls", str(CALLS)]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert demo.stdout is not None
        link = next(line for line in demo.stdout if "/app/#code=" in line).strip()

        parts = urlsplit(link)
        connection = http.client.HTTPConnection(parts.netloc, timeout=20)
        code = json.dumps({"code": parts.fragment.removeprefix("code=")})
        connection.request("POST", "/app/session", code, {"x-calldock-app": "1", "content-type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
        cookie = answer.headers["set-cookie"].partition(";")[0]
        connection.request("GET", "/v1/calls?page_size=1000", headers={"cookie": cookie, "x-calldock-app": "1"})
        calls = json.loads(connection.getresponse().read())["calls"]
        connection.close()
        assert len(calls) == STORY + CALLS
        assert {call["status"] for call in calls} == {"CALL_STATUS_PROCESSED", "CALL_STATUS_ERROR"}

        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 0
    finally:
        demo.kill()
        demo.communicate()
