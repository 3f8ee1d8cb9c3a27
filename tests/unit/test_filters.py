"""docs/contract.md 8: filters, sorting, fields and pages as they are read."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.filters import Comparison, Group, Operator, read_query
from services.intake.lists import EMPLOYEES, UPLOADED_CALLS
from services.intake.store.filtering import check_pattern, sql_like, sql_regexp
from services.shared.errors import Refusal

MOSCOW = ZoneInfo("Europe/Moscow")


def refused(**params: Any) -> tuple[str, str]:
    """(path, mnemonic) of the refusal."""
    with pytest.raises(Refusal) as caught:
        read_query(params, UPLOADED_CALLS, MOSCOW)
    return ".".join(map(str, caught.value.path)), caught.value.mnemonic


def comparison(field: Any = "ext_id", operator: Any = "=", **value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, **value}


def nested(depth: int) -> dict[str, Any]:
    return comparison(value="x") if depth == 0 else {"filters": [nested(depth - 1)], "condition": "and"}


@pytest.mark.parametrize(
    ("params", "path", "mnemonic"),
    [
        pytest.param({"limit": 0}, "limit", "invalid_parameter_value", id="8 limit 0"),
        pytest.param({"limit": 10_001}, "limit", "invalid_parameter_value", id="8 limit 10001"),
        pytest.param({"limit": "5"}, "limit", "data_type_error", id="8 limit text"),
        pytest.param({"limit": True}, "limit", "data_type_error", id="8 limit true"),
        pytest.param({"offset": -1}, "offset", "invalid_parameter_value", id="8 offset -1"),
        pytest.param({"offset": 100_001}, "offset", "invalid_parameter_value", id="8 offset 100001"),
        pytest.param({"filter": []}, "filter", "data_type_error", id="8 filter array"),
        pytest.param({"filter": {}}, "filter.field", "required_parameter_missed", id="8 filter empty"),
        pytest.param({"filter": comparison("tags")}, "filter.field", "filter_prohibited", id="8 filter_prohibited tags"),
        pytest.param({"filter": comparison("callback")}, "filter.field", "filter_prohibited", id="8 filter_prohibited callback"),
        pytest.param({"filter": comparison("records")}, "filter.field", "filter_prohibited", id="8 filter_prohibited records"),
        pytest.param({"filter": comparison("colour")}, "filter.field", "invalid_parameter_value", id="8 filter unknown"),
        pytest.param({"filter": comparison(5)}, "filter.field", "data_type_error", id="8 filter field number"),
        pytest.param({"filter": comparison(operator="~")}, "filter.operator", "invalid_parameter_value", id="8 filter operator unknown"),
        pytest.param({"filter": comparison(operator=None)}, "filter.operator", "required_parameter_missed", id="8 filter operator missing"),
        pytest.param({"filter": comparison(value=5)}, "filter.value", "data_type_error", id="8 = number for text"),
        pytest.param({"filter": comparison("site_id", value="5")}, "filter.value", "data_type_error", id="8 = text for number"),
        pytest.param({"filter": comparison("is_lost", value=1)}, "filter.value", "data_type_error", id="8 = number for boolean"),
        pytest.param({"filter": comparison("is_lost", ">", value=True)}, "filter.value", "invalid_parameters_combination", id="8 > of booleans"),
        pytest.param({"filter": comparison("site_id", "like", value="1%")}, "filter.value", "invalid_parameters_combination", id="8 like of numbers"),
        pytest.param({"filter": comparison(operator="<", value=None)}, "filter.value", "invalid_parameters_combination", id="8 null with <"),
        pytest.param({"filter": comparison(operator="in", value="x")}, "filter.value", "data_type_error", id="8 in without array"),
        pytest.param({"filter": comparison(operator="in", value=["x", 5])}, "filter.value.1", "data_type_error", id="8 in with a number"),
        pytest.param({"filter": comparison(operator="regexp", value="x" * 257)}, "filter.value", "invalid_parameter_value", id="8 regexp of 257 characters"),
        pytest.param({"filter": comparison("start_time", value="yesterday")}, "filter.value", "invalid_date_time", id="8 = no time"),
        pytest.param({"filter": {**comparison(value="x"), "extra": 1}}, "filter.extra", "unexpected_parameters", id="8 filter extra"),
        pytest.param({"filter": {"filters": {}}}, "filter.filters", "data_type_error", id="8 filter filters object"),
        pytest.param({"filter": {"filters": [], "condition": "xor"}}, "filter.condition", "invalid_parameter_value", id="8 filter condition unknown"),
        pytest.param({"filter": {"filters": [comparison("tags")]}}, "filter.filters.0.field", "filter_prohibited", id="8 filter_prohibited inside"),
        pytest.param({"filter": nested(11)}, "filter" + ".filters.0" * 10, "invalid_parameter_value", id="8 filter nested too deep"),
        pytest.param({"sort": {}}, "sort", "data_type_error", id="8 sort object"),
        pytest.param({"sort": [{}]}, "sort.0.field", "required_parameter_missed", id="8 sort without field"),
        pytest.param({"sort": [{"field": "tags"}]}, "sort.0.field", "sort_prohibited", id="8 sort_prohibited tags"),
        pytest.param({"sort": [{"field": "ext_id", "order": "up"}]}, "sort.0.order", "invalid_parameter_value", id="8 order up"),
        pytest.param({"fields": "ext_id"}, "fields", "data_type_error", id="8 fields text"),
        pytest.param({"fields": ["ext_id", 5]}, "fields.1", "data_type_error", id="8 fields number"),
        pytest.param({"fields": ["colour"]}, "fields.0", "invalid_parameter_value", id="8 fields unknown"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(params: dict[str, Any], path: str, mnemonic: str) -> None:
    assert refused(**params) == (path, mnemonic)


def test_a_tree_is_read_as_it_stands() -> None:
    tree = {
        "filters": [
            comparison(value="a"),
            {"filters": [comparison("site_id", "in", value=[1, 2.0, None])], "condition": "or"},
        ]
    }

    query = read_query({"filter": tree}, UPLOADED_CALLS, MOSCOW)

    inner = Group(False, (Comparison("site_id", Operator.IN, (1, 2, None)),))
    assert query.filter == Group(True, (Comparison("ext_id", Operator.EQUAL, "a"), inner))


@pytest.mark.contract("8 and")
def test_a_condition_that_is_null_is_and() -> None:
    tree = {"filters": [comparison(value="a")], "condition": None}

    assert read_query({"filter": tree}, UPLOADED_CALLS, MOSCOW).filter == Group(
        True, (Comparison("ext_id", Operator.EQUAL, "a"),)
    )


@pytest.mark.contract("8 regexp")
def test_a_pattern_of_256_characters_is_taken() -> None:
    wanted = {"filter": comparison(operator="regexp", value="x" * 256)}

    assert read_query(wanted, UPLOADED_CALLS, MOSCOW).filter is not None


@pytest.mark.contract("8 three levels", "8 null", "8 value may be absent")
def test_ten_levels_are_taken_and_null_goes_with_equality() -> None:
    assert read_query({"filter": nested(9)}, UPLOADED_CALLS, MOSCOW).filter is not None
    for operator in ("=", "!="):
        assert read_query({"filter": comparison("site_id", operator)}, UPLOADED_CALLS, MOSCOW).filter is not None


@pytest.mark.contract("8 fields", "8 left out by default")
def test_fields_come_in_the_contracts_order_and_without_four_by_default() -> None:
    assert read_query({"fields": ["tags", "ext_id"]}, UPLOADED_CALLS, MOSCOW).fields == ("ext_id", "tags")
    by_default = read_query({}, UPLOADED_CALLS, MOSCOW).fields
    assert {"upload_time", "callback", "tags", "records"}.isdisjoint(by_default)
    assert by_default[0] == "ext_id"


def test_known_names_of_employees_are_shown_and_not_filtered_by() -> None:
    with pytest.raises(Refusal) as caught:
        read_query({"filter": comparison("email", value="x")}, EMPLOYEES, MOSCOW)
    assert caught.value.mnemonic == "filter_prohibited"


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("abc", "abc", True), ("abc", "abcd", False), ("a%", "abc", True), ("%c", "abc", True), ("%b%", "abc", True), ("%", "", True),
        ("A%", "abc", False), ("a_c", "abc", False), ("a%a", "a", False), ("%ab%ab%", "ab", False), ("%ab%ab%", "abab", True), ("50%", "50%", True),
        ("%'; DROP TABLE calls; --", "x'; DROP TABLE calls; --", True), ("a%b%c", "a1b2b3c", True), ("%", None, False),
    ],
)  # fmt: skip
@pytest.mark.contract("8 like")
def test_like_takes_percent_for_anything_and_all_else_for_itself(
    pattern: str, value: str | None, matches: bool
) -> None:
    assert sql_like(pattern, value) is matches


@given(text=st.text(alphabet="ab%", max_size=8), pattern=st.text(alphabet="ab%", max_size=8))
def test_like_agrees_with_a_regular_expression(text: str, pattern: str) -> None:
    import re

    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("%"))), text, re.DOTALL) is not None

    assert sql_like(pattern, text) is expected


@pytest.mark.contract("8 regexp")
def test_no_pattern_stalls_the_server() -> None:
    assert sql_regexp("^(a|a)*$", "a" * 100_000 + "b") is False
    with pytest.raises(Refusal) as caught:
        check_pattern("(a+)\\1", ("filter", "value"))
    assert caught.value.path == ("filter", "value")
