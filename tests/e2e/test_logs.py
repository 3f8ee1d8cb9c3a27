"""What the log never holds: telephone numbers, tokens, queries of links (style S27)."""

import json

from calldock.intake.v1.call_pb2 import CALL_STATUS_ERROR

from tests.support.hosts import Host
from tests.support.makers import a_json_call
from tests.support.running import Calldock, until

NUMBER = "74956661313"
WRONG_NUMBER = "1234567890987654321"


def test_the_log_holds_no_number_no_token_and_no_query(calldock: Calldock, host: Host) -> None:
    account = calldock.account("Discreet")
    host.secrets.append(account.secret)
    stranger = "a-token-that-nobody-made"
    record = {
        "employee_name": "Anna",
        "employee_channel": "left",
        "record_url": f"{host.url}/none.wav?key=query-secret",
    }
    hook = {"url": f"{host.url}/nowhere?key=hook-secret", "events": ["error"]}
    good = a_json_call(ext_id="discreet", calling_phone_number=NUMBER, wav_records=[record], callback=hook)
    bad = a_json_call(calling_phone_number=WRONG_NUMBER, called_phone_number=NUMBER)

    assert calldock.upload(account, good).status == 200
    assert calldock.upload(account, bad).status == 400
    assert "error" in calldock.rpc(account, bad)
    assert calldock.http("GET", f"/v1/calls?page_token={stranger}", token=account.token).status == 400
    assert calldock.http("GET", "/v1/calls", token=stranger).status == 401
    asked = {"jsonrpc": "2.0", "id": 1, "method": "get.account", "params": {"access_token": stranger}}
    assert "error" in calldock.http("POST", "/v2.0", json.dumps(asked)).json
    until(lambda: calldock.lookup(account, "discreet").status == CALL_STATUS_ERROR)
    until(lambda: "notification.attempted" in calldock.log.read_text())

    log = calldock.log.read_text()
    assert "calls.uploaded" in log
    for secret in (NUMBER, WRONG_NUMBER, account.token, account.secret, stranger, "query-secret", "hook-secret"):
        assert secret not in log
