"""docs/contract.md 8: points at every door, components of methods, agents that act for others."""

import asyncio
import json
from typing import Any

import grpc
import pytest
from calldock.intake.v1.call_service_pb2 import ListCallsRequest
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, Reply, until


def an_account(calldock: Calldock, name: str, *options: str) -> Account:
    """An account whose settings are in force, whatever a cache remembers: it has not been asked for yet."""
    account = calldock.account(name)
    changed = calldock.cli("accounts", "update", str(account.account_id), *options)
    assert changed.returncode == 0, changed.stderr
    return account


def rpc(calldock: Calldock, token: str, method: str, **params: Any) -> Any:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"access_token": token, **params}}
    return calldock.http("POST", "/v2.0", json.dumps(request)).json


def reason(answer: Reply) -> tuple[int, str]:
    return answer.status, answer.json["details"][0]["reason"]


def remaining(calldock: Calldock, account: Account) -> int:
    """What is left of the day, after this request."""
    left: int = rpc(calldock, account.token, "get.account")["result"]["metadata"]["limits"]["day_remaining"]
    return left


@pytest.mark.contract("8 points", "8 points of an upload", "8 points of any other method", "8 points of success only")
def test_limits_only_successes_count_and_an_upload_weighs_five_at_every_door(calldock: Calldock) -> None:
    account = an_account(calldock, "Points", "--day-limit", "1000")
    bad = a_json_call(ext_id="bad", start_time="never")
    assert remaining(calldock, account) == 999

    for spend_nothing in (
        lambda: calldock.upload(account, bad),
        lambda: calldock.rpc(account, bad),
        lambda: rpc(calldock, account.token, "get.tags", limit="x"),
        lambda: calldock.http("GET", "/v1/calls/999999999", token=account.token),
        lambda: calldock.http("GET", "/v1/recordings/999999999/audio", token=account.token),
        lambda: calldock.http("GET", "/v1/notifications?page_size=-1", token=account.token),
    ):
        spend_nothing()
    assert remaining(calldock, account) == 998

    assert calldock.upload(account, a_json_call(ext_id="rest")).status == 200
    assert calldock.rpc(account, a_json_call(ext_id="rpc"))["result"]["metadata"]["limits"]["day_remaining"] == 988
    assert calldock.http("GET", "/v1/calls", token=account.token).status == 200
    assert calldock.http("GET", "/v1/notifications", token=account.token).status == 200
    assert remaining(calldock, account) == 985


@pytest.mark.contract("8 metadata.limits")
def test_limits_have_all_their_members(calldock: Calldock) -> None:
    account = an_account(calldock, "Both limits", "--day-limit", "100", "--minute-limit", "50")

    limits = rpc(calldock, account.token, "get.account")["result"]["metadata"]["limits"]

    assert (limits["day_limit"], limits["day_remaining"]) == (100, 99)
    assert (limits["minute_limit"], limits["minute_remaining"]) == (50, 49)
    assert 0 < limits["minute_reset"] <= 60
    assert 0 < limits["day_reset"] <= 86_400
    assert list(limits) == [
        "day_limit",
        "day_remaining",
        "day_reset",
        "minute_limit",
        "minute_remaining",
        "minute_reset",
    ]
    told = calldock.http("GET", "/v1/account", token=account.token).json
    assert (told["day_limit"], told["minute_limit"]) == ("100", "50")


@pytest.mark.contract("8 limit_exceeded", "8 gRPC RESOURCE_EXHAUSTED")
def test_limit_exceeded_is_told_at_every_door(calldock: Calldock) -> None:
    account = an_account(calldock, "Spent", "--day-limit", "4")
    for _ in range(4):
        assert calldock.http("GET", "/v1/calls", token=account.token).status == 200

    error = rpc(calldock, account.token, "get.account", nonsense=1)["error"]
    upload = calldock.rpc(account, a_json_call())["error"]
    with pytest.raises(grpc.RpcError) as caught:
        CallServiceStub(calldock.channel).ListCalls(
            ListCallsRequest(), metadata=(("authorization", f"Bearer {account.token}"),), timeout=20
        )

    assert (error["code"], error["data"]["mnemonic"]) == (-32029, "limit_exceeded")
    assert error["message"] == "Limit per day has been exceeded. Value of current limit per day is 4"
    assert error["data"]["params"] == {"limit_type": "day", "limit_max_value": "4"}
    assert upload["data"]["mnemonic"] == "limit_exceeded"
    for path in ("/v1/calls", "/v1/notifications", "/v1/recordings/1/audio"):
        refused = calldock.http("GET", path, token=account.token)
        assert reason(refused) == (429, "LIMIT_EXCEEDED"), path
        assert 0 < int(refused.headers["retry-after"]) <= 86_400
    assert reason(calldock.upload(account, a_json_call())) == (429, "LIMIT_EXCEEDED")
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in status.details)
    assert 0 < retry.retry_delay.seconds <= 86_400
    assert calldock.http("GET", "/v1/calls", token=calldock.account("Unlimited").token).status == 200


@pytest.mark.contract("8 points")
async def test_limits_are_never_overdrawn_by_racing_requests(calldock: Calldock) -> None:
    account = an_account(calldock, "Racing", "--day-limit", "30")

    answers = await asyncio.gather(
        *(asyncio.to_thread(calldock.upload, account, a_json_call(ext_id=f"race {number}")) for number in range(12))
    )

    assert sorted(answer.status for answer in answers) == [200] * 6 + [429] * 6


@pytest.mark.contract("8 no limits")
def test_limits_taken_away_are_an_empty_object(calldock: Calldock) -> None:
    account = an_account(calldock, "Freed", "--day-limit", "1")
    calldock.http("GET", "/v1/calls", token=account.token)
    assert calldock.cli("accounts", "update", str(account.account_id), "--day-limit", "0").returncode == 0

    assert rpc(calldock, account.token, "get.account")["result"]["metadata"]["limits"] == {}


@pytest.mark.contract("8 method_component_disabled")
def test_method_component_disabled_is_told_at_every_door_and_reading_goes_on(calldock: Calldock) -> None:
    account = an_account(calldock, "Closed", "--no-call-upload")

    error = calldock.rpc(account, a_json_call(start_time="never"))["error"]

    assert (error["code"], error["data"]["mnemonic"]) == (-32008, "method_component_disabled")
    assert error["message"].endswith("to access this method: call_upload")
    assert reason(calldock.upload(account, {})) == (403, "METHOD_COMPONENT_DISABLED")
    assert calldock.http("GET", "/v1/calls", token=account.token).status == 200
    assert rpc(calldock, account.token, "get.tags")["result"]["data"]


@pytest.fixture(scope="module")
def clients(calldock: Calldock) -> tuple[Account, Account]:
    return calldock.account("First client"), calldock.account("Second client")


@pytest.fixture(scope="module")
def agent(calldock: Calldock, clients: tuple[Account, Account]) -> Account:
    own = calldock.account("Agency")
    made = calldock.cli(
        "tokens", "create-agent", "crm", "--account", str(own.account_id), "--for", str(clients[0].account_id), "--json"
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    token = json.loads(made.stdout)
    assert (token["role"], token["agent_account_ids"]) == ("ROLE_AGENT", [str(clients[0].account_id)])
    return Account(own.account_id, token["access_token"], own.token)


@pytest.mark.contract("8 user_id of an agent's client")
def test_user_id_lets_an_agent_upload_for_its_client(
    calldock: Calldock, agent: Account, clients: tuple[Account, Account]
) -> None:
    client = clients[0]

    assert "result" in calldock.rpc(agent, a_json_call(ext_id="by agent"), user_id=client.account_id)
    assert "result" in calldock.rpc(agent, a_json_call(ext_id="for itself"), user_id=agent.account_id)
    assert "result" in calldock.rpc(agent, a_json_call(ext_id="without"))

    own = Account(agent.account_id, agent.secret, "")
    assert calldock.lookup(client, "by agent").ext_id == "by agent"
    assert calldock.lookup(own, "for itself").ext_id == "for itself"
    assert calldock.lookup(own, "without").ext_id == "without"


def test_an_agent_names_its_client_by_a_header_at_the_other_doors(
    calldock: Calldock, agent: Account, clients: tuple[Account, Account]
) -> None:
    client = clients[0]
    calldock.upload(client, a_json_call(ext_id="of the client"))

    def asked(path: str, account_id: object) -> Reply:
        return calldock.http("GET", path, token=agent.token, x_calldock_account=str(account_id))

    for path in ("/v1/calls:lookup?ext_id=of%20the%20client", "/v1/notifications"):
        assert asked(path, client.account_id).status == 200
        assert reason(asked(path, clients[1].account_id)) == (403, "FORBIDDEN")
        assert reason(asked(path, 987654321)) == (403, "FORBIDDEN")
    assert reason(asked("/v1/calls", "x")) == (400, "INVALID_PARAMETER_VALUE")
    assert reason(asked("/v1/tokens", client.account_id)) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    ("user_id", "mnemonic"),
    [
        pytest.param(987654321, "forbidden", id="8 user_id of nobody"),
        pytest.param(-1, "forbidden", id="8 user_id below 1"),
        pytest.param(2**70, "forbidden", id="8 user_id beyond 64 bits"),
        pytest.param("1", "data_type_error", id="8 user_id text"),
        pytest.param(True, "data_type_error", id="8 user_id true"),
    ],
)
def test_a_user_id_that_is_not_the_agents_is_refused(
    calldock: Calldock, agent: Account, user_id: object, mnemonic: str
) -> None:
    error = rpc(calldock, agent.token, "get.account", user_id=user_id)["error"]

    assert (error["data"]["mnemonic"], error["data"]["field"], error["data"]["value"]) == (mnemonic, "user_id", user_id)


@pytest.mark.contract("8 user_id of anyone else")
def test_user_id_of_anyone_else_is_forbidden_to_a_plain_token(
    calldock: Calldock, clients: tuple[Account, Account]
) -> None:
    first, second = clients

    assert "result" in rpc(calldock, first.token, "get.account", user_id=first.account_id)
    assert rpc(calldock, first.token, "get.account", user_id=second.account_id)["error"]["data"]["mnemonic"] == "forbidden"  # fmt: skip
    assert rpc(calldock, "wrong", "get.account", user_id="x")["error"]["data"]["mnemonic"] == "access_token_invalid"


def test_a_disabled_client_is_closed_to_its_agent_and_an_agents_own_account_closes_all(calldock: Calldock) -> None:
    client, own = calldock.account("Closing client"), calldock.account("Closing agency")
    made = calldock.cli(
        "tokens", "create-agent", "--account", str(own.account_id), "--for", str(client.account_id), "--json"
    )
    token = json.loads(made.stdout)["access_token"]

    def told(user_id: int) -> str:
        answer = rpc(calldock, token, "get.account", user_id=user_id)
        return answer["error"]["data"]["mnemonic"] if "error" in answer else ""

    assert calldock.cli("accounts", "disable", str(client.account_id)).returncode == 0
    until(lambda: told(client.account_id) == "account_inactive", limit_s=6)
    assert told(own.account_id) == ""
    calldock.cli("accounts", "update", str(client.account_id), "--enable")
    until(lambda: told(client.account_id) == "", limit_s=6)
    calldock.cli("accounts", "disable", str(own.account_id))
    until(lambda: told(client.account_id) == told(own.account_id) == "account_inactive", limit_s=6)


def test_an_agents_token_for_an_account_that_is_not_there_is_refused(calldock: Calldock, account: Account) -> None:
    refused = calldock.cli("tokens", "create-agent", "--account", str(account.account_id), "--for", "987654321")

    assert refused.returncode == 1
    assert "there is no such account" in refused.stderr
