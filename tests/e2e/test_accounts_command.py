"""`calldock accounts create`, as an operator runs it. Other tests ask intake for their accounts without a process for each."""

import json
from typing import Any

from tests.support.hosts import Host
from tests.support.running import Calldock


def created(calldock: Calldock, host: Host, *options: str) -> dict[str, Any]:
    done = calldock.cli("accounts", "create", "Acme [red]", "--json", *options)
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    host.secrets.append(facts["webhook_secret"])
    return facts


def test_an_account_is_made_as_its_options_say(calldock: Calldock, host: Host) -> None:
    facts = created(calldock, host, "--region", "US", "--time-zone", "America/New_York", "--no-voice-analysis")

    owned = calldock.http("GET", "/v1/account", token=facts["access_token"]).json

    assert (facts["name"], facts["region"], facts["time_zone"]) == ("Acme [red]", "US", "America/New_York")
    assert facts["has_voice_analysis"] is False
    assert (owned["account_id"], owned["region"]) == (str(facts["account_id"]), "US")


def test_an_account_of_no_options_is_in_moscow_and_has_voice_analysis(calldock: Calldock, host: Host) -> None:
    plain, asked_for = created(calldock, host), created(calldock, host, "--voice-analysis")

    for facts in (plain, asked_for):
        assert (facts["region"], facts["time_zone"], facts["has_voice_analysis"]) == ("RU", "Europe/Moscow", True)
    assert plain["account_id"] != asked_for["account_id"]


def test_a_region_that_is_none_makes_no_account(calldock: Calldock) -> None:
    refused = calldock.cli("accounts", "create", "Nowhere", "--region", "XX")

    assert refused.returncode == 1
    assert "region" in refused.stderr
    assert "Nowhere" not in calldock.cli("accounts", "list", "--json").stdout
