"""An account's calls in numbers, through the front door."""

from pathlib import Path
from urllib.parse import urlencode

from tests.support.makers import a_json_call
from tests.support.running import a_calldock

DAY = {"start_time_from": "2026-11-02T00:00:00Z", "start_time_before": "2026-11-03T00:00:00Z"}


def test_calls_are_counted_over_rest(tmp_path: Path) -> None:
    with a_calldock(tmp_path) as calldock:
        account, other = calldock.account("Counted"), calldock.account("Other")
        calls = [a_json_call(ext_id="1"), a_json_call(ext_id="2", is_lost=True)]
        assert calldock.upload(account, *calls).status == 200

        def asked(**wanted: str) -> tuple[int, object]:
            answer = calldock.http("GET", f"/v1/overview?{urlencode(wanted)}", token=account.token)
            return answer.status, answer.json

        status, found = asked(**DAY)
        assert status == 200
        assert isinstance(found, dict)
        assert found["hours"] == [{"begin_time": "2026-11-02T07:00:00Z", "calls": "2", "errors": "0", "lost": "1"}]
        assert found["verdicts"] == [{"error_code": "RECORDING_ERROR_CODE_UNSPECIFIED", "calls": "2"}]
        assert [(wait.get("at_most"), wait["calls"]) for wait in found["waits"]] == [
            ("10s", "2"),
            ("60s", "0"),
            ("600s", "0"),
            ("3600s", "0"),
            ("86400s", "0"),
            (None, "0"),
        ]
        assert (found["open_calls"], found["is_cut"]) == ("0", False)
        foreign = calldock.http("GET", f"/v1/overview?{urlencode(DAY)}", token=other.token)
        assert foreign.json["hours"] == []

        for wanted in (
            {},
            {"start_time_from": DAY["start_time_from"]},
            {**DAY, "start_time_before": DAY["start_time_from"]},
            {**DAY, "start_time_before": "2026-12-04T00:00:00Z"},
            {**DAY, "start_time_before": "9999-12-31T23:59:59Z"},
            {**DAY, "start_time_from": "nonsense"},
        ):
            assert asked(**wanted)[0] == 400, wanted
        assert calldock.http("GET", f"/v1/overview?{urlencode(DAY)}").status == 401
