"""Who may do what: roles, blocking, disabled accounts, allowed networks, at every door."""

import http.client
import json
from typing import Any

import grpc
import pytest
from calldock.intake.v1.account_service_pb2 import ListTokensRequest
from calldock.intake.v1.account_service_pb2_grpc import AccountServiceStub

from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, Reply, until


def a_token(calldock: Calldock, account: Account, role: str, **fields: Any) -> Account:
    """The same account by another token."""
    made = calldock.http(
        "POST", "/v1/tokens", json.dumps({"role": f"ROLE_{role.upper()}", "name": role, **fields}), account.token
    )
    assert made.status == 200, made.body
    return Account(account.account_id, made.json["access_token"], made.json["token"]["token_id"])


def patch(calldock: Calldock, account: Account, **fields: Any) -> Reply:
    return calldock.http("PATCH", "/v1/account", json.dumps(fields), account.token)


def rpc_mnemonic(calldock: Calldock, account: Account, method: str = "get.account") -> str:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"access_token": account.token}}
    answer = calldock.http("POST", "/v2.0", json.dumps(request)).json
    return answer["error"]["data"]["mnemonic"] if "error" in answer else ""


ALLOWED = {
    "admin": {"upload", "read", "tokens"},
    "upload": {"upload", "read"},
    "read": {"read"},
}


@pytest.mark.parametrize("role", ["admin", "upload", "read"])
@pytest.mark.contract("8 forbidden")
def test_a_role_may_what_it_may_and_no_more(calldock: Calldock, role: str) -> None:
    token = a_token(calldock, calldock.account(f"Role {role}"), role)
    doors = {
        "upload": calldock.upload(token, a_json_call(ext_id=role)),
        "read": calldock.http("GET", "/v1/calls", token=token.token),
        "tokens": calldock.http("GET", "/v1/tokens", token=token.token),
    }

    assert {name for name, answer in doors.items() if answer.status == 200} == ALLOWED[role]
    for name, answer in doors.items():
        if name not in ALLOWED[role]:
            assert answer.status == 403
            assert answer.json["details"][0]["reason"] == "FORBIDDEN"
    assert calldock.http("GET", "/v1/notifications", token=token.token).status == 200
    refused = calldock.rpc(token, a_json_call(ext_id=f"rpc {role}")).get("error")
    assert (refused is None) == ("upload" in ALLOWED[role])


@pytest.mark.contract("8 access_token_blocked")
def test_a_blocked_token_works_nowhere_within_five_seconds(calldock: Calldock) -> None:
    account = calldock.account("Blocked")
    token = a_token(calldock, account, "read")
    paths = ("/v1/calls", "/v1/notifications")
    assert all(calldock.http("GET", path, token=token.token).status == 200 for path in paths)

    for _ in range(2):
        assert calldock.http("POST", f"/v1/tokens/{token.secret}:block", "{}", account.token).json["is_blocked"] is True

    until(lambda: all(calldock.http("GET", path, token=token.token).status == 401 for path in paths), limit_s=6)
    assert rpc_mnemonic(calldock, token) == "access_token_blocked"


def test_an_expiry_is_kept_and_one_that_has_passed_is_refused(calldock: Calldock, account: Account) -> None:
    past = calldock.http(
        "POST", "/v1/tokens", json.dumps({"role": "ROLE_READ", "expire_time": "2020-01-01T00:00:00Z"}), account.token
    )
    token = a_token(calldock, account, "read", expire_time="2100-01-01T00:00:00Z")

    assert past.status == 400
    assert past.json["details"][0]["reason"] == "INVALID_DATE_TIME"
    assert calldock.http("GET", "/v1/calls", token=token.token).status == 200


@pytest.mark.parametrize("role", ["ROLE_UNSPECIFIED", "ROLE_AGENT"])
def test_a_role_that_is_not_made_here_is_refused(calldock: Calldock, account: Account, role: str) -> None:
    assert calldock.http("POST", "/v1/tokens", json.dumps({"role": role}), account.token).status == 400


def test_a_token_cannot_block_itself_nor_another_accounts(calldock: Calldock, account: Account) -> None:
    other = calldock.account("Other tokens")
    mine = AccountServiceStub(calldock.channel).ListTokens(
        ListTokensRequest(), metadata=(("authorization", f"Bearer {other.token}"),), timeout=20
    ).tokens[0].token_id  # fmt: skip

    assert calldock.http("POST", f"/v1/tokens/{mine}:block", "{}", other.token).json["code"] == 9
    assert calldock.http("POST", f"/v1/tokens/{mine}:block", "{}", account.token).status == 404


@pytest.mark.contract("8 account_inactive")
def test_a_disabled_account_is_told_so_at_every_door_and_comes_back(calldock: Calldock) -> None:
    account = calldock.account("Disabled")
    assert calldock.http("GET", "/v1/notifications", token=account.token).status == 200

    assert calldock.cli("accounts", "disable", str(account.account_id)).returncode == 0

    until(lambda: rpc_mnemonic(calldock, account) == "account_inactive", limit_s=6)
    until(lambda: calldock.http("GET", "/v1/notifications", token=account.token).status == 403, limit_s=6)
    refused = calldock.upload(account, a_json_call())
    assert refused.json["details"][0]["reason"] == "ACCOUNT_INACTIVE"
    assert calldock.cli("accounts", "update", str(account.account_id), "--enable").returncode == 0
    until(lambda: calldock.http("GET", "/v1/calls", token=account.token).status == 200, limit_s=6)


@pytest.mark.contract("1 national form by region", "3 account's zone", "8 allowed networks")
def test_an_account_changes_its_settings_and_reads_them(calldock: Calldock) -> None:
    account = calldock.account("Settings")

    changed = patch(calldock, account, time_zone="America/New_York", region="US")

    assert changed.status == 200
    read = calldock.http("GET", "/v1/account", token=account.token).json
    assert (read["name"], read["time_zone"], read["region"], read["allowed_networks"]) == (
        "Settings",
        "America/New_York",
        "US",
        ["0.0.0.0/0", "::/0"],
    )
    calldock.upload(account, a_json_call(ext_id="local", calling_phone_number="2025550123"))
    call = calldock.lookup(account, "local")
    assert call.calling_phone_number == "+12025550123"
    assert call.start_time.ToDatetime().isoformat() == "2026-11-02T15:00:00"


@pytest.mark.parametrize(
    "fields",
    [
        {"time_zone": "Mars/Olympus"},
        {"region": "XX"},
        {"allowed_networks": ["10.0.0.0/8"]},
        {"allowed_networks": ["nonsense"]},
    ],
)
def test_a_wrong_setting_is_refused(calldock: Calldock, account: Account, fields: dict[str, Any]) -> None:
    assert patch(calldock, account, **fields).status == 400


@pytest.mark.contract("8 ip_not_whitelisted", "8 params")
def test_a_token_works_from_its_networks_only_whatever_the_headers_say(calldock: Calldock) -> None:
    account = calldock.account("Networks")
    assert patch(calldock, account, allowed_networks=["127.0.0.1", "203.0.113.0/24"]).status == 200
    assert calldock.http("GET", "/v1/account", token=account.token).json["allowed_networks"] == [
        "127.0.0.1/32",
        "203.0.113.0/24",
    ]
    forged = {
        "x_forwarded_for": "203.0.113.9",
        "x_calldock_client_address": "203.0.113.9",
        "x_real_ip": "203.0.113.9",
        "forwarded": "for=203.0.113.9",
    }

    def answers(source: str) -> set[str]:
        """What callers from another loopback address hear at three doors."""
        heard = set()
        for path, body in (("/v1/calls", None), ("/v1/notifications", None), ("/v2.0", b"")):
            connection = http.client.HTTPConnection("127.0.0.1", calldock.port, timeout=30, source_address=(source, 0))
            request = json.dumps(
                {"jsonrpc": "2.0", "id": 1, "method": "get.account", "params": {"access_token": account.token}}
            )
            headers = {
                "authorization": f"Bearer {account.token}",
                **{name.replace("_", "-"): value for name, value in forged.items()},
            }
            connection.request("GET" if body is None else "POST", path, None if body is None else request, headers)
            told = json.loads(connection.getresponse().read())
            connection.close()
            if "error" in told:
                heard.add(f"{told['error']['data']['mnemonic']} {told['error']['message']}")
            else:
                heard.add(told["details"][0]["reason"] if "details" in told else "ok")
        return heard

    until(
        lambda: (
            answers("127.0.0.2") == {"IP_NOT_WHITELISTED", "ip_not_whitelisted Your IP 127.0.0.2 is not whitelisted"}
        ),
        limit_s=6,
    )
    assert answers("127.0.0.1") == {"ok"}


def test_the_command_line_makes_lists_and_blocks_tokens(calldock: Calldock) -> None:
    account = calldock.account("Command line")
    made = calldock.cli("tokens", "create", "crm", "--role", "read", "--token", account.token, "--json")
    token = json.loads(made.stdout)
    blocked = calldock.cli("tokens", "block", token["token_id"], "--token", account.token)
    listed = calldock.cli("tokens", "list", "--token", account.token, "--json")
    table = calldock.cli("tokens", "list", "--token", account.token)
    accounts = calldock.cli("accounts", "list", "--json")

    assert (token["name"], token["role"], blocked.returncode) == ("crm", "ROLE_READ", 0)
    assert [(each["name"], each["is_blocked"]) for each in map(json.loads, listed.stdout.splitlines())] == [
        ("crm", True),
        ("", False),
    ]
    assert "blocked" in table.stdout
    assert token["access_token"] not in listed.stdout + table.stdout
    assert "Command line" in [json.loads(line)["name"] for line in accounts.stdout.splitlines()]


@pytest.mark.contract("8 gRPC PERMISSION_DENIED")
def test_grpc_names_the_reason_too(calldock: Calldock, account: Account) -> None:
    token = a_token(calldock, account, "read")

    with pytest.raises(grpc.RpcError) as caught:
        AccountServiceStub(calldock.channel).ListTokens(
            ListTokensRequest(), metadata=(("authorization", f"Bearer {token.token}"),), timeout=20
        )

    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "needs a token of role admin" in (caught.value.details() or "")
