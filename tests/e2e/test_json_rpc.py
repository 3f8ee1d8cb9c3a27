"""docs/contract.md 8: every method of the JSON-RPC door, as a client of the public API calls it."""

import json
import re
from typing import Any

import pytest
from calldock.intake.v1.call_pb2 import CALL_STATUS_ERROR

from tests.contract.rows import CONTRACT
from tests.support.makers import a_json_call
from tests.support.running import Account, Calldock, until

ALL_DAY = {"date_from": "2020-01-01 00:00:00", "date_till": "2100-01-01 00:00:00"}


@pytest.fixture(scope="module")
def day(calldock: Calldock) -> Account:
    """An account with a few calls of a day."""
    account = calldock.account("Day")
    calls = [
        a_json_call(ext_id="a", wait_duration=12.5, talk_duration=60, comment="first", tags=[{"tag_name": "vip"}]),
        a_json_call(ext_id="b", is_lost=True, source_id=-1, calling_phone_number="", comment="50% off"),
        a_json_call(ext_id="c", direction="out", start_time="2026-11-03 23:59:59", finish_time="2026-11-04 00:00:01", wait_duration=3),
        a_json_call(
            ext_id="d", callback={"url": "https://crm.example.com/", "events": ["processed"]},
            mp3_records=[{"employee_name": "Анна Петрова", "record_url": "https://10.0.0.1/x.mp3"}],
        ),
    ]  # fmt: skip
    assert "result" in calldock.rpc(account, *calls)
    # What is shown of it stays as it is from then on.
    until(lambda: calldock.lookup(account, "d").status == CALL_STATUS_ERROR)
    return account


def call(calldock: Calldock, account: Account, method: str, request_id: object = "q", **params: Any) -> Any:
    request = {
        "jsonrpc": "2.0",
        "id": request_id,
        "method": method,
        "params": {"access_token": account.token, **params},
    }
    answer = calldock.http("POST", "/v2.0", json.dumps(request))
    assert answer.status == 200
    assert answer.json["id"] == request_id
    return answer.json


def ext_ids(calldock: Calldock, account: Account, **params: Any) -> list[str]:
    result = call(calldock, account, "get.uploaded_calls", **ALL_DAY, **{"fields": ["ext_id"], **params})
    assert "result" in result, result
    assert all(row.keys() == {"ext_id"} for row in result["result"]["data"])
    return [row["ext_id"] for row in result["result"]["data"]]


@pytest.mark.contract("8 get.account", "8 no limits")
def test_the_connection_test_of_most_clients(calldock: Calldock, day: Account) -> None:
    result = call(calldock, day, "get.account")["result"]

    assert result == {
        "data": [{"app_id": day.account_id, "name": "Day", "timezone": "Europe/Moscow"}],
        "metadata": {"limits": {}},
    }


@pytest.mark.contract("3 read back", "8 digits without the plus", "8 snake_case", "8 empty fields")
def test_a_call_is_read_back_in_the_accounts_zone_with_digits_for_numbers(calldock: Calldock, day: Account) -> None:
    (row,) = call(
        calldock, day, "get.uploaded_calls", **ALL_DAY, filter={"field": "ext_id", "operator": "=", "value": "a"}
    )["result"]["data"]

    assert row.pop("call_session_id") > 0
    assert row == {
        "ext_id": "a", "ext_request_id": "1", "direction": "in", "calling_phone_number": "79262444397", "called_phone_number": "74955140576",
        "start_time": "2026-11-02 10:00:00", "finish_time": "2026-11-02 10:01:00", "is_lost": False, "is_transfer": False, "wait_duration": 12.5,
        "talk_duration": 60, "visitor_session_id": None, "campaign_id": None, "source_id": None, "site_id": None, "comment": "first",
        "record_type": None, "status": "processed", "error_code": None,
    }  # fmt: skip


@pytest.mark.contract("8 left out by default", "8 tags of a call", "8 record_type", "8 empty fields")
def test_the_fields_that_are_left_out_by_default_come_when_asked_for(calldock: Calldock, day: Account) -> None:
    asked = {"fields": ["records", "tags", "callback", "record_type", "ext_id"], "sort": [{"field": "ext_id"}]}
    rows = call(calldock, day, "get.uploaded_calls", **ALL_DAY, **asked)["result"]["data"]

    assert list(rows[0]) == ["ext_id", "record_type", "callback", "tags", "records"]
    assert rows[0]["tags"][0]["tag_name"] == "vip"
    assert (rows[1]["callback"], rows[1]["tags"], rows[1]["records"]) == ({}, [], [])
    assert rows[3]["callback"] == {"url": "https://crm.example.com/", "events": ["processed"]}
    assert rows[3]["record_type"] == "mp3"
    assert rows[3]["records"][0]["employee_name"] == "Анна Петрова"


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        pytest.param({"field": "ext_id", "operator": "=", "value": "a"}, ["a"], id="8 ="),
        pytest.param({"field": "ext_id", "operator": "!=", "value": "a"}, ["b", "c", "d"], id="8 !="),
        pytest.param({"field": "wait_duration", "operator": "<", "value": 12.5}, ["c"], id="8 <"),
        pytest.param({"field": "wait_duration", "operator": "<=", "value": 12.5}, ["a", "c"], id="8 <="),
        pytest.param({"field": "wait_duration", "operator": ">", "value": 3}, ["a"], id="8 >"),
        pytest.param({"field": "wait_duration", "operator": ">=", "value": 3}, ["a", "c"], id="8 >="),
        pytest.param({"field": "comment", "operator": "like", "value": "50\u0025%"}, ["b"], id="8 like"),
        pytest.param({"field": "comment", "operator": "like", "value": "FIRST"}, [], id="8 like by case"),
        pytest.param({"field": "ext_id", "operator": "in", "value": ["a", "d", "z"]}, ["a", "d"], id="8 in"),
        pytest.param({"field": "source_id", "operator": "in", "value": [-1, None]}, ["a", "b", "c", "d"], id="8 in with null"),
        pytest.param({"field": "ext_id", "operator": "regexp", "value": "^[ab]$"}, ["a", "b"], id="8 regexp"),
        pytest.param({"field": "source_id", "operator": "=", "value": None}, ["a", "c", "d"], id="8 = null"),
        pytest.param({"field": "source_id", "operator": "!="}, ["b"], id="8 != null"),
        pytest.param({"field": "is_lost", "operator": "=", "value": True}, ["b"], id="8 = boolean"),
        pytest.param({"field": "start_time", "operator": ">=", "value": "2026-11-03 23:59:59"}, ["c"], id="8 >= time"),
        pytest.param({"field": "called_phone_number", "operator": "=", "value": "74955140576"}, ["a", "b", "c", "d"], id="8 = telephone number"),
        pytest.param({"field": "calling_phone_number", "operator": "=", "value": ""}, ["b"], id="8 = empty number"),
        pytest.param({"field": "record_type", "operator": "=", "value": "mp3"}, ["d"], id="8 record_type"),
        pytest.param({"field": "direction", "operator": "=", "value": "out"}, ["c"], id="8 = direction"),
        pytest.param({"field": "comment", "operator": "=", "value": "' OR 1=1 --"}, [], id="8 = SQL is data"),
        pytest.param(
            {"condition": "or", "filters": [
                {"field": "ext_id", "operator": "=", "value": "a"},
                {"condition": "and", "filters": [
                    {"field": "is_lost", "operator": "=", "value": True},
                    {"condition": "or", "filters": [{"field": "source_id", "operator": "=", "value": -1}]},
                ]},
            ]},
            ["a", "b"], id="8 three levels",
        ),
        pytest.param({"filters": [], "condition": "and"}, ["a", "b", "c", "d"], id="8 and of nothing"),
        pytest.param({"filters": [], "condition": "or"}, [], id="8 or of nothing"),
        pytest.param({"filters": [{"field": "ext_id", "operator": "=", "value": "a"}], "condition": None}, ["a"], id="8 and unless it is said"),
        pytest.param({"field": "comment", "operator": "=", "value": None}, ["c", "d"], id="8 = null of a comment"),
        pytest.param({"field": "comment", "operator": "!="}, ["a", "b"], id="8 != null of a comment"),
    ],
)  # fmt: skip
def test_a_filter_finds(calldock: Calldock, day: Account, filter_: dict[str, Any], found: list[str]) -> None:
    assert ext_ids(calldock, day, filter=filter_, sort=[{"field": "ext_id"}]) == found


@pytest.mark.contract("8 sort", "8 limit", "8 offset")
def test_sorting_and_pages(calldock: Calldock, day: Account) -> None:
    assert ext_ids(calldock, day, sort=[{"field": "ext_id", "order": "desc"}]) == ["d", "c", "b", "a"]
    assert ext_ids(
        calldock, day, sort=[{"field": "is_lost", "order": "desc"}, {"field": "ext_id", "order": "desc"}]
    ) == ["b", "d", "c", "a"]
    assert ext_ids(calldock, day, sort=[{"field": "ext_id"}], limit=2, offset=1) == ["b", "c"]
    page = call(calldock, day, "get.uploaded_calls", **ALL_DAY, limit=1)["result"]
    assert page["metadata"] == {"total_items": 4, "limits": {}}


@pytest.mark.contract("8 dates over the upload time", "8 date_till", "8 report_id")
def test_the_dates_are_over_the_upload_time_and_required(calldock: Calldock, day: Account) -> None:
    past = call(
        calldock,
        day,
        "get.uploaded_calls",
        date_from="2020-01-01 00:00:00",
        date_till="2021-01-01 00:00:00",
        report_id=7,
    )
    missing = call(calldock, day, "get.uploaded_calls", date_from="2020-01-01 00:00:00")
    turned = call(calldock, day, "get.uploaded_calls", date_from="2021-01-01 00:00:00", date_till="2020-01-01 00:00:00")
    pattern = call(
        calldock, day, "get.uploaded_calls", **ALL_DAY, filter={"field": "ext_id", "operator": "regexp", "value": "("}
    )

    assert past["result"]["data"] == []
    assert (missing["error"]["data"]["mnemonic"], missing["error"]["data"]["field"]) == (
        "required_parameter_missed",
        "date_till",
    )
    assert turned["error"]["data"]["mnemonic"] == "invalid_parameter_value"
    assert (pattern["error"]["data"]["mnemonic"], pattern["error"]["data"]["field"], pattern["error"]["data"]["value"]) == ("invalid_parameter_value", "filter.value", "(")  # fmt: skip


@pytest.mark.contract("8 create.tags", "8 get.tags", "8 duplicate_entity")
def test_tags_are_created_once_and_listed(calldock: Calldock, day: Account) -> None:
    made = call(calldock, day, "create.tags", name="new ярлык")["result"]
    twice = call(calldock, day, "create.tags", name="new ярлык")["error"]
    listed = call(
        calldock,
        day,
        "get.tags",
        sort=[{"field": "name"}],
        filter={"field": "is_system", "operator": "=", "value": False},
    )["result"]

    assert made["id"] == made["data"]["id"]
    assert made["metadata"] == {"limits": {}}
    assert (twice["code"], twice["data"]["mnemonic"], twice["data"]["field"], twice["data"]["value"]) == (
        -32602,
        "duplicate_entity",
        "name",
        "new ярлык",
    )
    assert [tag["name"] for tag in listed["data"]] == ["new ярлык", "vip"]
    assert listed["metadata"]["total_items"] == 2
    assert listed["data"][0] == {"id": made["id"], "name": "new ярлык", "is_system": False}


@pytest.mark.contract("8 empty fields")
def test_employees_have_all_names_of_the_public_api(calldock: Calldock, day: Account) -> None:
    (employee,) = call(calldock, day, "get.employees")["result"]["data"]
    (chosen,) = call(calldock, day, "get.employees", fields=["groups", "full_name", "coach"])["result"]["data"]

    assert employee["full_name"] == "Анна Петрова"
    assert employee["allowed_in_call_types"] == []
    assert employee["email"] is None
    assert chosen == {"full_name": "Анна Петрова", "coach": {}, "groups": []}


@pytest.mark.contract("8 set.tag_sales", "5 set.tag_sales", "5 system tag")
def test_a_sale_marks_its_call_with_the_system_tag(calldock: Calldock, day: Account) -> None:
    asked = {"fields": ["call_session_id", "tags"], "filter": {"field": "ext_id", "operator": "=", "value": "c"}}
    (before,) = call(calldock, day, "get.uploaded_calls", **ALL_DAY, **asked)["result"]["data"]
    sale = {
        "communication_id": before["call_session_id"],
        "communication_type": "call",
        "date_time": "2026-11-05 00:00:00",
        "transaction_value": 99.5,
    }

    made = call(calldock, day, "set.tag_sales", **sale, comment="x" * 255)["result"]
    again = call(calldock, day, "set.tag_sales", **sale)["result"]

    (after,) = call(calldock, day, "get.uploaded_calls", **ALL_DAY, **asked)["result"]["data"]
    assert made["id"] == made["data"]["id"] != again["id"]
    assert [tag["tag_name"] for tag in after["tags"]] == ["Sale"]
    system = call(calldock, day, "get.tags", filter={"field": "is_system", "operator": "=", "value": True})["result"][
        "data"
    ][0]["id"]
    for tag in ({"tag_name": "Sale"}, {"tag_id": system}):
        refused = calldock.rpc(day, a_json_call(ext_id="tagged", tags=[tag]))["error"]["data"]
        assert refused["mnemonic"] == "invalid_parameter_value"


@pytest.mark.parametrize(
    ("change", "field", "mnemonic"),
    [
        pytest.param(
            {"communication_id": 99_999_999}, "communication_id", "entity_not_found", id="8 set.tag_sales of no call"
        ),
        pytest.param({"communication_type": "chat"}, "communication_id", "entity_not_found", id="8 set.tag_sales chat"),
        pytest.param(
            {"communication_type": "mail"},
            "communication_type",
            "invalid_parameter_value",
            id="8 set.tag_sales unknown kind",
        ),
        pytest.param(
            {"date_time": "2020-01-01 00:00:00"},
            "date_time",
            "invalid_parameter_value",
            id="8 set.tag_sales before the call",
        ),
        pytest.param({"date_time": "soon"}, "date_time", "invalid_date_time", id="8 set.tag_sales no time"),
        pytest.param(
            {"transaction_value": "5"}, "transaction_value", "data_type_error", id="8 set.tag_sales text for a value"
        ),
        pytest.param(
            {"transaction_value": None}, "transaction_value", "required_parameter_missed", id="8 set.tag_sales no value"
        ),
        pytest.param({"comment": "x" * 256}, "comment", "invalid_parameter_value", id="8 set.tag_sales comment of 256"),
        pytest.param({"extra": 1}, "extra", "unexpected_parameters", id="8 set.tag_sales unknown param"),
    ],
)
def test_a_wrong_sale_is_named(
    calldock: Calldock, day: Account, change: dict[str, Any], field: str, mnemonic: str
) -> None:
    asked = {"fields": ["call_session_id"], "filter": {"field": "ext_id", "operator": "=", "value": "a"}}
    (row,) = call(calldock, day, "get.uploaded_calls", **ALL_DAY, **asked)["result"]["data"]
    sale = {
        "communication_id": row["call_session_id"],
        "communication_type": "call",
        "date_time": "2026-11-05 00:00:00",
        "transaction_value": 1,
    }

    error = call(calldock, day, "set.tag_sales", **{**sale, **change})["error"]

    assert (error["data"]["field"], error["data"]["mnemonic"]) == (field, mnemonic)


def test_another_accounts_things_are_not_there(calldock: Calldock, day: Account) -> None:
    stranger = calldock.account("Stranger")

    assert ext_ids(calldock, stranger) == []
    assert call(calldock, stranger, "get.employees")["result"]["data"] == []
    assert [tag["name"] for tag in call(calldock, stranger, "get.tags")["result"]["data"]] == ["Sale"]


@pytest.mark.parametrize(
    "method",
    ["get.uploaded_calls", "get.tags", "create.tags", "set.tag_sales", "get.employees", "get.account", "upload.calls"],
)
@pytest.mark.contract("8 unknown params")
def test_every_method_names_an_unknown_param(calldock: Calldock, day: Account, method: str) -> None:
    error = call(calldock, day, method, **ALL_DAY if method == "get.uploaded_calls" else {}, zzz=1)["error"]

    assert (error["data"]["mnemonic"], error["data"]["field"], error["data"]["value"]) == (
        "unexpected_parameters",
        "zzz",
        1,
    )


FILTERABLE = [
    "ext_id", "ext_request_id", "upload_time", "direction", "calling_phone_number", "called_phone_number", "start_time", "finish_time", "is_lost",
    "is_transfer", "wait_duration", "talk_duration", "visitor_session_id", "campaign_id", "source_id", "site_id", "comment", "record_type", "status",
    "error_code", "call_session_id",
]  # fmt: skip
FIELDS = [*FILTERABLE, "callback", "tags", "records"]


@pytest.mark.contract("8 fields", "8 get.uploaded_calls")
def test_a_call_has_the_fields_of_the_page_in_their_order(calldock: Calldock, day: Account) -> None:
    (row, *_) = call(calldock, day, "get.uploaded_calls", **ALL_DAY, fields=FIELDS[::-1])["result"]["data"]

    assert list(row) == FIELDS
    text = CONTRACT.read_text().partition("Fields: ext_id")[2].partition("By default")[0]
    assert re.findall(r"[a-z_]{4,}", re.sub(r"\([^()]*\)", "", text)) == FIELDS[1:]


@pytest.mark.parametrize("field", FILTERABLE, ids=[f"8 filter by every field, {field}" for field in FILTERABLE])
def test_a_call_is_found_by_what_is_shown_of_it(calldock: Calldock, day: Account, field: str) -> None:
    wanted = {"fields": ["ext_id", field], "filter": {"field": "ext_id", "operator": "=", "value": "d"}}
    (row,) = call(calldock, day, "get.uploaded_calls", **ALL_DAY, **wanted)["result"]["data"]

    found = ext_ids(calldock, day, filter={"field": field, "operator": "=", "value": row[field]})
    others = ext_ids(calldock, day, filter={"field": field, "operator": "!=", "value": row[field]})

    assert "d" in found
    assert sorted([*found, *others]) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("field", FILTERABLE, ids=[f"8 sort by every field, {field}" for field in FILTERABLE])
def test_calls_are_sorted_by_every_field(calldock: Calldock, day: Account, field: str) -> None:
    def sorted_by(order: str) -> list[Any]:
        sort = [{"field": field, "order": order}, {"field": "ext_id", "order": order}]
        rows = call(calldock, day, "get.uploaded_calls", **ALL_DAY, fields=["ext_id", field], sort=sort)
        return [row["ext_id"] for row in rows["result"]["data"]]

    assert sorted(sorted_by("asc")) == ["a", "b", "c", "d"]
    assert sorted_by("asc") == sorted_by("desc")[::-1]


@pytest.mark.parametrize("field", ["callback", "tags", "records"], ids=lambda field: f"8 sort_prohibited {field}")
def test_calls_are_not_sorted_by_what_has_parts(calldock: Calldock, day: Account, field: str) -> None:
    error = call(calldock, day, "get.uploaded_calls", **ALL_DAY, sort=[{"field": field}])["error"]

    assert (error["data"]["mnemonic"], error["data"]["field"]) == ("sort_prohibited", "sort.0.field")


@pytest.mark.contract("8 order")
def test_sorting_goes_up_unless_it_is_said(calldock: Calldock, day: Account) -> None:
    for order in ({}, {"order": None}, {"order": "asc"}):
        assert ext_ids(calldock, day, sort=[{"field": "ext_id", **order}]) == ["a", "b", "c", "d"]


@pytest.mark.contract("8 records of a call", "8 record_type")
def test_the_records_of_a_call_have_four_members(calldock: Calldock, day: Account) -> None:
    wanted = {"fields": ["records", "record_type"], "filter": {"field": "ext_id", "operator": "=", "value": "d"}}
    (row,) = call(calldock, day, "get.uploaded_calls", **ALL_DAY, **wanted)["result"]["data"]

    (record,) = row["records"]
    assert record.pop("employee_id") > 0
    assert record == {
        "employee_name": "Анна Петрова",
        "employee_channel": None,
        "record_url": "https://10.0.0.1/x.mp3",
    }


@pytest.mark.contract("8 get.employees")
def test_an_employee_has_every_name_of_the_page(calldock: Calldock, day: Account) -> None:
    text = CONTRACT.read_text().partition("| get.employees |")[2].partition(" are known names")[0]
    names = re.findall(r"[a-z_]+", text.replace("limit, offset, filter, sort, fields", "").replace("are ours", ""))

    (employee,) = call(calldock, day, "get.employees")["result"]["data"]

    assert list(employee) == names
    assert {str(value) for name, value in employee.items() if name not in ("id", "full_name")} <= {"None", "[]", "{}"}


@pytest.mark.parametrize(
    "method", ["get.tags", "get.employees"], ids=lambda method: f"8 {method} by limit, offset, filter, sort, fields"
)
def test_the_other_lists_are_cut_sorted_and_filtered_too(calldock: Calldock, method: str) -> None:
    account = calldock.account(f"Lists {method}")
    names = ["anna", "boris", "clara"]
    records = [{"employee_name": name, "record_url": "https://10.0.0.1/x.mp3"} for name in names]
    calldock.rpc(account, a_json_call(tags=[{"tag_name": name} for name in names], mp3_records=records))
    field = "name" if method == "get.tags" else "full_name"
    wanted = {
        "filter": {"field": field, "operator": "in", "value": names}, "sort": [{"field": field, "order": "desc"}],
        "limit": 1, "offset": 1, "fields": [field],
    }  # fmt: skip

    result = call(calldock, account, method, **wanted)["result"]

    assert result == {"data": [{field: "boris"}], "metadata": {"total_items": 3, "limits": {}}}


@pytest.mark.contract("8 limit", "8 offset")
def test_limit_and_offset_reach_their_ends(calldock: Calldock, day: Account) -> None:
    assert len(ext_ids(calldock, day, limit=10_000, offset=0)) == 4
    assert ext_ids(calldock, day, limit=1, offset=100_000) == []
