"""docs/contract.md 8: the order of the JSON-RPC door's checks, and every error with its code and message at each JSON door."""

import json
import re
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from sqlalchemy import Connection, text

from services.intake.account import AccountChange
from services.intake.call_rules import sort_out
from services.intake.draft import ReadDraft
from services.intake.store.accounts import create_account, update_account
from services.intake.store.changes import cancel_call
from services.intake.store.uploads import save_upload
from services.shared.db.database import Database
from services.shared.errors import ERRORS, Mnemonic, Refusal, Trouble
from services.shared.identity import AccountId
from services.shared.rpc.status import grpc_code, status_of
from tests.contract.rows import CONTRACT, sections
from tests.support.json_door import DEAF, INACTIVE_CAMPAIGN, MAX_BYTES, JsonDoor, a_request
from tests.support.makers import MOSCOW, NOON, a_draft, a_json_call, a_new_account

WAV = {"employee_name": "Anna", "employee_channel": "left", "record_url": "https://records.example.com/1.wav"}
MP3 = {"record_url": "https://records.example.com/1.mp3"}
ALL_DAY = {"date_from": "2020-01-01 00:00:00", "date_till": "2100-01-01 00:00:00"}
TOO_MANY = [{"ext_id": 5}] * 501


@pytest.fixture
async def door(intake_db: Database) -> JsonDoor:
    door = JsonDoor(intake_db)
    await door.fill()
    return door


def told(envelope: Any) -> tuple[str, str | None]:
    """(mnemonic, field) of an error."""
    return envelope["error"]["data"]["mnemonic"], envelope["error"]["data"]["field"]


@pytest.mark.parametrize(
    ("body", "mnemonic", "field"),
    [
        pytest.param(b"[" + b" " * MAX_BYTES, "data_limit_exceeded", None, id="8 size before JSON"),
        pytest.param('[{"a":NaN}]', "parse_error", None, id="8 JSON before batch"),
        pytest.param([5], "batch_operations_not_supported", None, id="8 batch before envelope"),
        pytest.param({"jsonrpc": "1.0", "method": "x"}, "invalid_request", "jsonrpc", id="8 envelope before notification"),
        pytest.param({"jsonrpc": "2.0", "method": "drop.calls"}, "notifications_not_supported", None, id="8 notification before method"),
        pytest.param(a_request("drop.calls", "stranger"), "method_not_found", None, id="8 method before token"),
        pytest.param(a_request(token="stranger", user_id="x"), "access_token_invalid", "access_token", id="8 token before user_id"),
        pytest.param(a_request(token="elsewhere", user_id=99), "forbidden", "user_id", id="8 user_id before address"),
        pytest.param(a_request(token="nowhere"), "ip_not_whitelisted", None, id="8 address before account"),
        pytest.param(a_request(token="disabled"), "account_inactive", None, id="8 account before component"),
        pytest.param(a_request(token="closed"), "method_component_disabled", None, id="8 component before points"),
        pytest.param(a_request(token="spent", zzz=1), "limit_exceeded", None, id="8 points before members of params"),
        pytest.param(a_request(zzz=1, calls=TOO_MANY), "unexpected_parameters", "zzz", id="8 members of params before number of calls"),
        pytest.param(a_request(calls=TOO_MANY), "data_limit_exceeded", "calls", id="8 number of calls before the calls"),
    ],
)  # fmt: skip
async def test_a_request_that_breaks_two_checks_answers_the_first(
    door: JsonDoor, body: object, mnemonic: str, field: str | None
) -> None:
    assert told(await door.rpc(body)) == (mnemonic, field)


@pytest.mark.contract("8 order of checks", "8 first wrong field")
async def test_a_request_that_breaks_every_check_answers_them_one_after_another(door: JsonDoor) -> None:
    wrong: dict[str, Any] = {"method": "drop.calls", "params": {"access_token": "stranger", "user_id": "x", "zzz": 1, "calls": TOO_MANY}}  # fmt: skip
    params = wrong["params"]
    heard = []

    async def hear() -> None:
        heard.append(told(await door.rpc(wrong))[0])

    for mended in ({"jsonrpc": "2.0"}, {"id": 1}, {"method": "upload.calls"}):
        await hear()
        wrong |= mended
    last: list[dict[str, Any]] = [
        {"access_token": "nowhere"}, {"user_id": 99}, {"user_id": 4}, {"access_token": "disabled", "user_id": 5},
        {"access_token": "closed", "user_id": 6}, {"access_token": "spent", "user_id": 7}, {"access_token": "good", "user_id": 1},
    ]  # fmt: skip
    for mended in last:
        await hear()
        params |= mended
    await hear()
    del params["zzz"]
    await hear()
    params["calls"] = TOO_MANY[:1]
    await hear()

    assert heard == [
        "invalid_request", "notifications_not_supported", "method_not_found", "access_token_invalid", "data_type_error", "forbidden",
        "ip_not_whitelisted", "account_inactive", "method_component_disabled", "limit_exceeded", "unexpected_parameters", "data_limit_exceeded", "data_type_error",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("calls", "mnemonic", "field"),
    [
        pytest.param(
            [a_json_call(campaign_id=77), a_json_call(ext_id=...)], "required_parameter_missed", "calls.1.ext_id",
            id="8 field rules before account rules",
        ),
        pytest.param(
            [a_json_call(mp3_records=[{}]), a_json_call(ext_id=...)], "required_parameter_missed", "calls.0.mp3_records.0.record_url",
            id="8 calls in order before fields",
        ),
        pytest.param([a_json_call(comment=1, ext_id=1)], "data_type_error", "calls.0.ext_id", id="8 fields in order, types"),
        pytest.param([a_json_call(comment=1, ext_id=...)], "required_parameter_missed", "calls.0.ext_id", id="8 fields in order, type after value"),
        pytest.param([{"zzz": 1, **a_json_call(mp3_records=5)}], "data_type_error", "calls.0.mp3_records", id="8 unknown members last"),
        pytest.param(
            [{"zzz": 1, **a_json_call()}, a_json_call(ext_id=...)], "unexpected_parameters", "calls.0.zzz",
            id="8 unknown members last of their call",
        ),
        pytest.param(
            [a_json_call(tags=[{"zzz": 1, "tag_id": "x"}])], "data_type_error", "calls.0.tags.0.tag_id", id="8 unknown members last, inside",
        ),
        pytest.param(
            [a_json_call(campaign_id=77, tags=[{"tag_id": 77}])], "entity_not_found", "calls.0.campaign_id", id="8 fields in order, account rules",
        ),
        pytest.param([a_json_call(ext_id="a", tags=[{"tag_id": 7}]), a_json_call(ext_id="b", site_id=7)], "entity_not_found", "calls.0.tags.0.tag_id", id="8 calls in order, account rules"),
    ],
)  # fmt: skip
async def test_the_first_wrong_field_is_the_one_that_is_told(
    door: JsonDoor, calls: list[Any], mnemonic: str, field: str
) -> None:
    assert told(await door.rpc(a_request(calls=calls))) == (mnemonic, field)


def a_filter(field: str) -> dict[str, Any]:
    return {"filter": {"field": field, "operator": "=", "value": "x"}}


REQUESTS: dict[str, Any] = {
    "parse_error": "{",
    "invalid_request": {"jsonrpc": "1.0", "id": 1, "method": "x"},
    "batch_operations_not_supported": [],
    "notifications_not_supported": {"jsonrpc": "2.0", "method": "get.account"},
    "method_not_found": a_request("drop.calls"),
    "required_parameter_missed": a_request(calls=[a_json_call(ext_id=...)]),
    "unexpected_parameters": a_request(calls=[a_json_call(zzz=1)]),
    "data_type_error": a_request(calls=[a_json_call(is_lost="no")]),
    "invalid_parameter_value": a_request(calls=[a_json_call(direction="up")]),
    "invalid_parameters_combination": a_request(calls=[a_json_call(wav_records=[WAV], mp3_records=[MP3])]),
    "invalid_date_time": a_request(calls=[a_json_call(start_time="soon")]),
    "entity_not_found": a_request(calls=[a_json_call(site_id=7)]),
    "duplicate_entity": a_request("create.tags", name="Sale"),
    "campaign_is_inactive": a_request(calls=[a_json_call(campaign_id=INACTIVE_CAMPAIGN)]),
    "data_limit_exceeded": a_request(calls=TOO_MANY),
    "sort_prohibited": a_request("get.uploaded_calls", **ALL_DAY, sort=[{"field": "callback"}]),
    "filter_prohibited": a_request("get.uploaded_calls", **ALL_DAY, **a_filter("tags")),
    "access_token_invalid": a_request(token="stranger", calls=[]),
    "access_token_expired": a_request(token="expired", calls=[]),
    "access_token_blocked": a_request(token="blocked", calls=[]),
    "forbidden": a_request(token="reader", calls=[a_json_call()]),
    "ip_not_whitelisted": a_request(token="elsewhere", calls=[]),
    "parameter_component_disabled": a_request(token="deaf", calls=[a_json_call(wav_records=[WAV])]),
    "method_component_disabled": a_request(token="closed", calls=[]),
    "account_inactive": a_request(token="disabled", calls=[]),
    "limit_exceeded": a_request(token="spent", calls=[a_json_call()]),
    "internal_error": a_request("get.account", token="bug"),
}
"""A request that each error is the answer to."""
PARAMS = {
    "ip_not_whitelisted": {"ip": "127.0.0.1"},
    "method_component_disabled": {"components": "call_upload"},
    "parameter_component_disabled": {"components": "voice_analysis"},
    "limit_exceeded": {"limit_type": "day", "limit_max_value": "4"},
}


def errors_of_the_page() -> dict[str, tuple[int, str]]:
    """(code, message) of each mnemonic, as the contract's table has them."""
    (table,) = (table for table in sections(CONTRACT.read_text())["8"].tables if table[0][0] == "code")
    found: dict[str, tuple[int, str]] = {}
    for code, names, told in table[1:]:
        mnemonics, message = names.split(" / "), re.sub(r" \([^()]*\)$", "", told)
        messages = message.split(" / ") if len(mnemonics) > 1 else [message]
        if "component" in names:
            messages = [message.replace("method / parameter", word) for word in ("method", "parameter")]
        found |= {name: (int(code), text) for name, text in zip(mnemonics, messages, strict=True)}
    return found


@pytest.mark.parametrize("mnemonic", REQUESTS, ids=[f"8 {mnemonic} at JSON-RPC" for mnemonic in REQUESTS])
async def test_an_error_has_the_pages_code_and_message_at_json_rpc(door: JsonDoor, mnemonic: str) -> None:
    code, message = errors_of_the_page()[mnemonic]
    params = PARAMS.get(mnemonic, {})
    for name, value in params.items():
        message = message.replace(f"{{{name}}}", value)

    answer = await door.rpc(REQUESTS[mnemonic])

    assert answer.keys() == {"jsonrpc", "id", "error"}
    assert (answer["error"]["code"], answer["error"]["message"]) == (code, message)
    data = answer["error"]["data"]
    assert (data["mnemonic"], data["params"], data["extended_helper"], data["metadata"]) == (mnemonic, params, None, {})
    assert data.keys() - {"value"} == {"mnemonic", "field", "params", "extended_helper", "metadata"}


def test_every_error_is_on_the_page_and_has_a_request_that_it_answers() -> None:
    assert REQUESTS.keys() == set(Mnemonic) == ERRORS.keys()
    assert errors_of_the_page().keys() == set(Mnemonic)


@pytest.mark.parametrize("mnemonic", list(Mnemonic), ids=[f"8 {mnemonic} is raised" for mnemonic in Mnemonic])
def test_an_error_has_a_place_in_the_code_that_raises_it(mnemonic: Mnemonic) -> None:
    sources = (Path(__file__).parents[2] / "services").rglob("*.py")
    raised = re.compile(rf"Mnemonic\.{mnemonic.name}\b")

    assert [path for path in sources if path.name != "errors.py" and raised.search(path.read_text())]


REFUSED_AS = {
    "UNAUTHENTICATED": {"access_token_invalid", "access_token_expired", "access_token_blocked"},
    "PERMISSION_DENIED": {"forbidden", "ip_not_whitelisted", "method_component_disabled", "account_inactive"},
    "RESOURCE_EXHAUSTED": {"limit_exceeded"},
}
AT_REST = [
    mnemonic
    for mnemonic, request in REQUESTS.items()
    if isinstance(request, dict) and request["method"] == "upload.calls"
]


@pytest.mark.parametrize("mnemonic", AT_REST, ids=[f"8 {mnemonic} at REST" for mnemonic in AT_REST])
async def test_an_error_has_its_reason_and_grpc_code_at_rest(door: JsonDoor, mnemonic: str) -> None:
    params = REQUESTS[mnemonic]["params"]

    refused = await door.rest(params["access_token"], {"calls": params["calls"]})

    status = status_of(refused)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    (code,) = [name for name, those in REFUSED_AS.items() if mnemonic in those] or ["INVALID_ARGUMENT"]
    assert status.code == grpc.StatusCode[code].value[0]
    assert (info.reason, info.domain) == (mnemonic.upper(), "calldock")


@pytest.mark.parametrize(
    ("mnemonic", "code"),
    [
        *(
            pytest.param(Mnemonic(name), "INVALID_ARGUMENT", id=f"8 gRPC -32602 {name}")
            for name, (code, _) in errors_of_the_page().items()
            if code == -32602 and name != "duplicate_entity"
        ),
        pytest.param(Mnemonic.PARSE_ERROR, "INVALID_ARGUMENT", id="8 gRPC parse_error"),
        *(pytest.param(Mnemonic(name), "UNAUTHENTICATED", id=f"8 gRPC UNAUTHENTICATED {name}") for name in sorted(REFUSED_AS["UNAUTHENTICATED"])),
        *(
            pytest.param(Mnemonic(name), "PERMISSION_DENIED", id=f"8 gRPC PERMISSION_DENIED {name}")
            for name in [*sorted(REFUSED_AS["PERMISSION_DENIED"]), "parameter_component_disabled"]
        ),
        pytest.param(Mnemonic.LIMIT_EXCEEDED, "RESOURCE_EXHAUSTED", id="8 gRPC RESOURCE_EXHAUSTED"),
        pytest.param(Mnemonic.INTERNAL_ERROR, "INTERNAL", id="8 gRPC INTERNAL"),
    ],
)  # fmt: skip
def test_an_error_outside_an_upload_has_its_grpc_code(mnemonic: Mnemonic, code: str) -> None:
    assert grpc_code(Refusal(mnemonic)).name == code
    assert grpc_code(Refusal(mnemonic, path=("calls", 0, "comment"))).name == "INVALID_ARGUMENT"


@pytest.mark.contract("8 top level", "8 data and metadata", "8 no limits")
@pytest.mark.parametrize(
    ("method", "params"),
    [
        pytest.param("upload.calls", {"calls": [a_json_call()]}, id="8 upload.calls"),
        pytest.param("get.uploaded_calls", ALL_DAY, id="8 get.uploaded_calls"),
        pytest.param("get.tags", {}, id="8 get.tags"),
        pytest.param("create.tags", {"name": "vip"}, id="8 create.tags"),
        pytest.param("get.employees", {}, id="8 get.employees"),
        pytest.param("get.account", {}, id="8 get.account"),
    ],
)
async def test_every_result_has_data_and_metadata_and_no_other_member_but_id(
    door: JsonDoor, method: str, params: dict[str, Any]
) -> None:
    answer = await door.rpc(a_request(method, **params))

    assert answer.keys() == {"jsonrpc", "id", "result"}
    assert answer["result"].keys() - {"id"} == {"data", "metadata"}
    assert isinstance(answer["result"]["data"], dict | list)
    assert answer["result"]["metadata"]["limits"] == {}


@pytest.mark.contract("8 user_id", "8 user_id of anyone else")
@pytest.mark.parametrize(
    "method", ["upload.calls", "get.uploaded_calls", "get.tags", "create.tags", "set.tag_sales", "get.employees", "get.account"]
)  # fmt: skip
async def test_every_method_knows_user_id_and_takes_the_callers_own(door: JsonDoor, method: str) -> None:
    own = await door.rpc(a_request(method, user_id=1.0))
    other = await door.rpc(a_request(method, user_id=2))
    text = await door.rpc(a_request(method, user_id="1"))

    assert "result" in own or told(own)[1] != "user_id"
    assert told(other) == ("forbidden", "user_id")
    assert told(text) == ("data_type_error", "user_id")


@pytest.mark.contract("8 user_id of an agent's client")
async def test_an_agent_acts_for_the_accounts_that_it_lists_and_no_other(door: JsonDoor) -> None:
    for_client = await door.rpc(a_request("get.account", token="agent", user_id=DEAF))
    for_itself = await door.rpc(a_request("get.account", token="agent"))
    other = await door.rpc(a_request("get.account", token="agent", user_id=3))

    assert for_client["result"]["data"][0]["app_id"] == DEAF
    assert for_itself["result"]["data"][0]["app_id"] == 1
    assert told(other) == ("forbidden", "user_id")


@pytest.mark.contract("8 access_token_invalid")
@pytest.mark.parametrize("token", ["nobody's", "x" * 257], ids=["of nobody", "too long"])
async def test_a_token_that_is_none_is_named_as_the_wrong_field(door: JsonDoor, token: str) -> None:
    assert told(await door.rpc(a_request("get.account", token=token))) == ("access_token_invalid", "access_token")


@pytest.mark.contract("8 members of the envelope")
async def test_members_of_the_envelope_that_are_not_known_are_ignored(door: JsonDoor) -> None:
    answer = await door.rpc({**a_request("get.account"), "extra": {"x": 1}, "result": 5})

    assert "result" in answer


@pytest.mark.parametrize(
    ("given", "heard"),
    [
        pytest.param({"calls": [a_json_call(is_lost="no")]}, "no", id="8 value text"),
        pytest.param({"calls": [a_json_call(comment=2**70)]}, 2**70, id="8 value beyond 2^53"),
        pytest.param({"calls": [a_json_call(comment={"a": [1.5]})]}, {"a": [1.5]}, id="8 value object"),
        pytest.param({"calls": [a_json_call(direction="вверх")]}, "вверх", id="8 value beyond ASCII"),
        pytest.param({"calls": [a_json_call(ext_id=None)]}, ..., id="8 value of nothing, null"),
        pytest.param({"calls": [a_json_call(ext_id=...)]}, ..., id="8 value of nothing, left out"),
        pytest.param({"access_token": ["secret"]}, ..., id="8 value of a token of the wrong type"),
        pytest.param({"access_token": "secret"}, ..., id="8 value of a token of nobody"),
        pytest.param({"access_token": "secret" * 100}, ..., id="8 value of a token that is too long"),
    ],
)
async def test_the_value_is_what_came(door: JsonDoor, given: dict[str, Any], heard: object) -> None:
    answer = await door.rpc({**a_request(), "params": {"access_token": "good", **given}})

    assert answer["error"]["data"].get("value", ...) == heard
    assert "secret" not in str(answer)


@pytest.mark.parametrize(
    ("params", "heard"),
    [
        pytest.param({"date_from": None}, ("required_parameter_missed", "date_from"), id="8 date_from missing"),
        pytest.param({"date_from": "2020-01-01"}, ("invalid_date_time", "date_from"), id="8 date_from a day"),
        pytest.param({"date_from": 1}, ("data_type_error", "date_from"), id="8 date_from a number"),
        pytest.param({"date_till": None}, ("required_parameter_missed", "date_till"), id="8 date_till missing"),
        pytest.param({"date_till": "2020-13-01 00:00:00"}, ("invalid_date_time", "date_till"), id="8 date_till no time"),
        pytest.param({"date_till": "2019-01-01 00:00:00"}, ("invalid_parameter_value", "date_till"), id="8 date_till before date_from"),
    ],
)  # fmt: skip
async def test_wrong_dates_are_named(door: JsonDoor, params: dict[str, Any], heard: tuple[str, str]) -> None:
    assert told(await door.rpc(a_request("get.uploaded_calls", **{**ALL_DAY, **params}))) == heard


@pytest.mark.parametrize("report_id", [7, "x", None, []], ids=lambda value: f"8 report_id {value!r}")
async def test_a_report_id_is_taken_and_passed_over(door: JsonDoor, report_id: object) -> None:
    assert "result" in await door.rpc(a_request("get.uploaded_calls", **ALL_DAY, report_id=report_id))


@pytest.mark.contract("8 cancelled", "8 only where true", "8 record_type", "7 new")
async def test_a_call_is_read_back_as_cancelled_when_it_was(intake_db: Database, door: JsonDoor) -> None:
    calls = [a_json_call(ext_id=ext_id, wav_records=[WAV]) for ext_id in ("waits", "stopped")]
    assert "result" in await door.rpc(a_request(calls=[*calls, a_json_call(ext_id="done")]))

    await intake_db.write(cancel_call, AccountId(1), 2, NOON)

    read = a_request(
        "get.uploaded_calls", **ALL_DAY, fields=["ext_id", "record_type", "status"], sort=[{"field": "call_session_id"}]
    )
    assert (await door.rpc(read))["result"]["data"] == [
        {"ext_id": "waits", "record_type": "wav", "status": "new"},
        {"ext_id": "stopped", "record_type": "wav", "status": "cancelled"},
        {"ext_id": "done", "record_type": None, "status": "processed"},
    ]


@pytest.mark.contract("8 not_processed", "8 only where true")
async def test_a_status_that_nothing_here_has_is_known_to_filters(door: JsonDoor) -> None:
    await door.rpc(a_request(calls=[a_json_call()]))
    filter_ = {"field": "status", "operator": "=", "value": "not_processed"}

    found = (await door.rpc(a_request("get.uploaded_calls", **ALL_DAY, filter=filter_)))["result"]

    assert (found["data"], found["metadata"]["total_items"]) == ([], 0)


@pytest.mark.contract("2 JSON-RPC answers success", "2 third failure", "2 first of two", "2 processed")
async def test_what_changes_nothing_is_answered_with_success(intake_db: Database, door: JsonDoor) -> None:
    def fail(connection: Connection) -> None:
        connection.execute(text("UPDATE calls SET status = 'error', uploads = 3"))

    answers = [await door.rpc(a_request(calls=[a_json_call(), a_json_call(comment="second")]))]
    answers.append(await door.rpc(a_request(calls=[a_json_call(comment="again")])))
    await intake_db.write(fail)
    answers.append(await door.rpc(a_request(calls=[a_json_call(comment="fourth")])))

    assert [answer["result"]["data"] for answer in answers] == [{"success": True}] * 3
    (row,) = (await door.rpc(a_request("get.uploaded_calls", **ALL_DAY)))["result"]["data"]
    assert (row["status"], row["comment"]) == ("error", None)


@pytest.mark.contract("8 whole or not at all")
async def test_nothing_of_a_refused_request_is_stored(door: JsonDoor) -> None:
    good = [a_json_call(ext_id=str(number), tags=[{"tag_name": "new"}]) for number in range(10)]
    for wrong in (a_json_call(ext_id="x", is_lost=None), a_json_call(ext_id="x", site_id=77), {"zzz": 1}):
        assert "error" in await door.rpc(a_request(calls=[*good, wrong]))

    assert (await door.rpc(a_request("get.uploaded_calls", **ALL_DAY)))["result"]["metadata"]["total_items"] == 0
    assert [tag["name"] for tag in (await door.rpc(a_request("get.tags")))["result"]["data"]] == ["Sale"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param("12", 12, id="1 fractions none"),
        pytest.param("12.0", 12, id="1 fractions zero"),
        pytest.param("12.345", 12.345, id="1 fractions to the millisecond"),
        pytest.param("12.3456", 12.346, id="1 fractions no further"),
        pytest.param("0", 0, id="1 fractions of nothing"),
    ],
)
async def test_durations_are_read_back_as_they_were_kept(door: JsonDoor, written: str, read: float) -> None:
    call = json.dumps(a_request(calls=[a_json_call(wait_duration="@", talk_duration="@")])).replace('"@"', written)
    assert "result" in await door.rpc(call)

    (row,) = (await door.rpc(a_request("get.uploaded_calls", **ALL_DAY)))["result"]["data"]

    assert (row["wait_duration"], row["talk_duration"]) == (read, read)


@pytest.mark.contract("8 an error's members", "8 internal_error")
async def test_a_bug_tells_its_request_and_nothing_of_the_inside(door: JsonDoor) -> None:
    answer = await door.rpc({**a_request("get.account", token="bug"), "id": "mine"})

    assert (answer["id"], answer["error"]["code"]) == ("mine", -32603)
    assert "secret" not in str(answer)


@pytest.mark.contract("2 skips the present state", "2 processed")
async def test_a_repeat_is_taken_whatever_zone_and_region_the_account_has_since(
    intake_db: Database, door: JsonDoor
) -> None:
    stored = a_json_call(
        ext_id="stored", calling_phone_number="89262444397",
        start_time="2026-03-08 02:30:00", finish_time="2026-03-08 02:31:00",
    )  # fmt: skip
    assert "result" in await door.rpc(a_request(calls=[stored]))
    moved = AccountChange(time_zone="America/New_York", region="DE")
    await intake_db.write(update_account, AccountId(1), moved)

    repeated = await door.rpc(a_request(calls=[stored]))
    with_new = await door.rpc(a_request(calls=[stored, {**stored, "ext_id": "new"}]))
    wrong = await door.rpc(a_request(calls=[{**stored, "called_phone_number": "+1"}]))
    untimed = await door.rpc(a_request(calls=[{**stored, "start_time": "yesterday"}]))

    assert repeated["result"]["data"] == {"success": True}
    assert told(with_new) == ("invalid_date_time", "calls.1.start_time")
    assert told(wrong) == ("invalid_parameter_value", "calls.0.called_phone_number")
    assert told(untimed) == ("invalid_date_time", "calls.0.start_time")
    (row,) = (await door.rpc(a_request("get.uploaded_calls", **ALL_DAY)))["result"]["data"]
    assert (row["calling_phone_number"], row["ext_id"]) == ("79262444397", "stored")


@pytest.mark.contract("2 skips the present state")
async def test_a_repeat_that_is_stored_afresh_meanwhile_is_asked_for_again(intake_db: Database) -> None:
    account = await intake_db.write(create_account, a_new_account(), b"t" * 32, None, NOON)
    draft = a_draft(calling_phone_number="055 12 34")
    (repeat,), _ = sort_out([ReadDraft(draft, [])], MOSCOW, repeats=[0])

    with pytest.raises(Trouble):
        await intake_db.write(save_upload, account.account_id, [repeat], "", NOON)
