"""The rules of `buf.validate`, as far as JSON Schema can say them. Rules in CEL are told in words."""

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]
Rules: TypeAlias = Mapping[str, Any]

MAX_INT64 = 2**63 - 1
_NUMBERS = ("int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64")
_FORMATS = {
    "email": "email",
    "hostname": "hostname",
    "ipv4": "ipv4",
    "ipv6": "ipv6",
    "uri": "uri",
    "uri_ref": "uri-reference",
    "uuid": "uuid",
}


def text_limits(rules: Rules, *, is_required: bool) -> Schema:
    """Keywords for a string. One that must come and tracks no presence is not empty."""
    given = rules.get("string", {})
    found: Schema = {}
    shortest = max(int(given.get("len", given.get("min_len", 0))), int(is_required))
    longest = given.get("len", given.get("max_len", given.get("max_bytes")))
    if shortest:
        found["minLength"] = shortest
    if longest is not None:
        found["maxLength"] = int(longest)
    patterns = [given["pattern"]] if "pattern" in given else []
    patterns += [f"^{re.escape(given['prefix'])}"] if "prefix" in given else []
    patterns += [f"{re.escape(given['suffix'])}$"] if "suffix" in given else []
    patterns += [re.escape(given["contains"])] if "contains" in given else []
    if len(patterns) == 1:
        found["pattern"] = patterns[0]
    elif patterns:
        found["allOf"] = [{"pattern": pattern} for pattern in patterns]
    for name, told in _FORMATS.items():
        if given.get(name):
            found["format"] = told
    return found | _choices(given, str)


def number_limits(rules: Rules) -> Schema:
    """Keywords for a number that is written as one."""
    kind = next((name for name in (*_NUMBERS, "float", "double") if name in rules), "")
    given = rules.get(kind, {})
    read = int if kind in _NUMBERS else float
    words = {"gte": "minimum", "gt": "exclusiveMinimum", "lte": "maximum", "lt": "exclusiveMaximum"}
    found: Schema = {told: read(given[name]) for name, told in words.items() if name in given}
    return found | _choices(given, read)


def digits(rules: Rules) -> Schema:
    """Keywords for a whole number of 64 bits that is written as a string: of its limits only the sign can be told."""
    limits = number_limits(rules)
    if {"const", "enum"} & limits.keys():
        return {name: [str(one) for one in value] if name == "enum" else str(value) for name, value in limits.items()}
    lowest = limits.get("minimum", limits.get("exclusiveMinimum", -1) + 1)
    if lowest >= 1:
        return {"pattern": "^[1-9][0-9]{0,18}$"}
    return {"pattern": "^[0-9]{1,19}$" if lowest == 0 and limits else "^-?[0-9]{1,19}$"}


def span_limits(rules: Rules) -> tuple[float | None, float | None]:
    """The least and the greatest duration, in seconds; None where there is no limit."""
    given = rules.get("duration", {})
    least, most = given.get("gte", given.get("gt")), given.get("lte", given.get("lt"))
    return (None if least is None else float(least[:-1])), (None if most is None else float(most[:-1]))


def list_limits(rules: Rules, *, is_required: bool) -> Schema:
    """Keywords for an array; those of its items stand in `item_rules`."""
    given = rules.get("repeated", {})
    fewest = max(int(given.get("min_items", 0)), int(is_required))
    found: Schema = {"minItems": fewest} if fewest else {}
    if "max_items" in given:
        found["maxItems"] = int(given["max_items"])
    if given.get("unique"):
        found["uniqueItems"] = True
    return found


def item_rules(rules: Rules) -> Rules:
    """The rules of one item of a repeated field."""
    found: Rules = rules.get("repeated", {}).get("items", {})
    return found


def enum_numbers(rules: Rules, numbers: list[int], *, is_required: bool) -> list[int]:
    """Which of an enum's values the rules let through."""
    given = rules.get("enum", {})
    barred = {*map(int, given.get("not_in", ())), *([0] if is_required else [])}
    chosen = [given["const"]] if "const" in given else given.get("in", numbers)
    return [number for number in numbers if number in map(int, chosen) and number not in barred]


def words_of(rules: Rules) -> list[str]:
    """The sentences of the rules in CEL, of a field or of a message."""
    return [rule["message"] for rule in rules.get("cel", ()) if "message" in rule]


def _choices(given: Rules, read: Any) -> Schema:
    found: Schema = {}
    if "const" in given:
        found["const"] = read(given["const"])
    if "in" in given:
        found["enum"] = [read(value) for value in given["in"]]
    if "not_in" in given:
        found["not"] = {"enum": [read(value) for value in given["not_in"]]}
    return found
