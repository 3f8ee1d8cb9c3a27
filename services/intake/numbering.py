"""Numbering plans, compiled once from phonenumbers' metadata: digits to a number in use, at a fifth of the library's price.

Each step is the library's own on bare digits (phonenumberutil.py: `parse`, `is_valid_number`), which stays the reference: a test compares the two.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

if TYPE_CHECKING:
    from phonenumbers.phonemetadata import PhoneNumberDesc

_SHORTEST, _LONGEST = 2, 17
"""Digits of a national number, as `parse` bounds them."""
_LONGEST_COUNTRY_CODE = 3
_WORLD = "001"
"""The library's region of country codes that belong to none."""

Number: TypeAlias = tuple[int, str]
"""A country code and a national number."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of numbers of a plan: mobile, fixed line, toll free. No lengths: any."""

    pattern: re.Pattern[str]
    lengths: frozenset[int]

    def has(self, digits: str) -> bool:
        return (not self.lengths or len(digits) in self.lengths) and self.pattern.fullmatch(digits) is not None


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the numbers of a region are written. `local_lengths` are those that can be dialled from the same town alone."""

    country_code: int
    any_kind: _Kind
    kinds: tuple[_Kind, ...]
    local_lengths: frozenset[int]
    longest: int
    leading_digits: re.Pattern[str] | None
    international_prefix: re.Pattern[str] | None
    national_prefix: re.Pattern[str] | None
    national_prefix_rule: str

    def is_in_use(self, digits: str) -> bool:
        """`_number_type_helper` finds a kind."""
        return self.any_kind.has(digits) and any(kind.has(digits) for kind in self.kinds)

    def is_too_long(self, digits: str) -> bool:
        """`_test_number_length` says TOO_LONG."""
        return len(digits) > self.longest and len(digits) not in self.local_lengths

    def without_prefix(self, digits: str) -> str:
        """`_maybe_strip_national_prefix_carrier_code`: what it leaves."""
        found = self.national_prefix.match(digits) if self.national_prefix is not None and digits else None
        if found is None:
            return digits
        groups = found.re.groups
        if not self.national_prefix_rule or found.group(groups) is None:
            left = digits[found.end() :]
        else:
            left = found.re.sub(self.national_prefix_rule, digits, count=1)
        fits = self.any_kind.pattern.fullmatch
        return digits if fits(digits) and not fits(left) else left


def number_in_use(digits: str, region: str | None) -> Number | None:
    """What bare digits are as a number in use: with the country code first when there is no region, else as the region, one of those that are known, writes its
    numbers. None when they are none."""
    number = _parsed(digits, region)
    return number if number is not None and _is_in_use(*number) else None


def _parsed(digits: str, region: str | None) -> Number | None:
    """`parse`, from where it has bare digits; None where it raises."""
    if region is None:
        found = _with_country_code(digits)
        if found is None:
            return None
        country_code, national = found
        plan = _main_plan(country_code)
    else:
        plan = _plan_of(region)
        prefix = plan.international_prefix.match(digits) if plan.international_prefix is not None else None
        if prefix is not None and digits[prefix.end() : prefix.end() + 1] != "0":
            found = _with_country_code(digits[prefix.end() :])
            if found is None:
                return None
            country_code, national = found
            plan = _main_plan(country_code)
        else:
            country_code, national = plan.country_code, digits
            without = _without_own_country_code(digits, plan)
            if without is not None:
                national, plan = without, _main_plan(country_code)
    if len(national) < _SHORTEST:
        return None
    left = plan.without_prefix(national)
    # Stripped only when what is left may be dialled from anywhere, or is too long anyway.
    if plan.is_too_long(left) or (len(left) in plan.any_kind.lengths and len(left) not in plan.local_lengths):
        national = left
    return (country_code, national) if _SHORTEST <= len(national) <= _LONGEST else None


def _with_country_code(digits: str) -> Number | None:
    """`_extract_country_code`, for what is international."""
    if len(digits) <= _SHORTEST:
        return None
    for length in range(1, _LONGEST_COUNTRY_CODE + 1):
        country_code = _COUNTRY_CODES.get(digits[:length])
        if country_code is not None:
            return country_code, digits[length:]
    return None


def _without_own_country_code(digits: str, plan: _Plan) -> str | None:
    """The rest of `_maybe_extract_country_code`: the national number when the digits begin with the region's own country code; None when they do not."""
    own = str(plan.country_code)
    if not digits.startswith(own):
        return None
    left = plan.without_prefix(digits[len(own) :])
    fits = plan.any_kind.pattern.fullmatch
    return left if (not fits(digits) and fits(left)) or plan.is_too_long(digits) else None


def _is_in_use(country_code: int, national: str) -> bool:
    """`is_valid_number`: the first region of the country code whose leading digits or kinds the number has decides."""
    plans = _plans_of(country_code)
    if len(plans) == 1:
        return plans[0].is_in_use(national)
    for plan in plans:
        if plan.leading_digits is None:
            if plan.is_in_use(national):
                return True
        elif plan.leading_digits.match(national):
            return plan.is_in_use(national)
    return False


def _main_plan(country_code: int) -> _Plan:
    return _plans_of(country_code)[0]


@cache
def _plans_of(country_code: int) -> tuple[_Plan, ...]:
    regions = COUNTRY_CODE_TO_REGION_CODE[country_code]
    if regions == (_WORLD,):
        return (_compiled(PhoneMetadata.metadata_for_nongeo_region(country_code)),)
    return tuple(_plan_of(region) for region in regions)


@cache
def _plan_of(region: str) -> _Plan:
    return _compiled(PhoneMetadata.metadata_for_region(region))


def _compiled(metadata: PhoneMetadata | None) -> _Plan:
    # What the library lists it has all this of.
    assert metadata is not None
    assert metadata.country_code is not None
    whole = metadata.general_desc
    assert whole is not None
    any_kind = _kind(whole)
    assert any_kind is not None
    # Those that `_number_type_helper` asks for; mobile and fixed line first, being most.
    kinds = (
        None if metadata.same_mobile_and_fixed_line_pattern else metadata.mobile,
        metadata.fixed_line,
        metadata.toll_free,
        metadata.premium_rate,
        metadata.shared_cost,
        metadata.voip,
        metadata.personal_number,
        metadata.pager,
        metadata.uan,
        metadata.voicemail,
    )
    return _Plan(
        country_code=metadata.country_code,
        any_kind=any_kind,
        kinds=tuple(known for kind in kinds if (known := _kind(kind)) is not None),
        local_lengths=frozenset(whole.possible_length_local_only),
        longest=max(whole.possible_length),
        leading_digits=_pattern(metadata.leading_digits),
        international_prefix=_pattern(metadata.international_prefix),
        national_prefix=_pattern(metadata.national_prefix_for_parsing),
        national_prefix_rule=metadata.national_prefix_transform_rule or "",
    )


def _kind(kind: "PhoneNumberDesc | None") -> _Kind | None:
    if kind is None or not kind.national_number_pattern:
        return None
    return _Kind(re.compile(kind.national_number_pattern), frozenset(kind.possible_length))


def _pattern(written: str | None) -> re.Pattern[str] | None:
    return re.compile(written) if written else None


_COUNTRY_CODES = {str(code): code for code in COUNTRY_CODE_TO_REGION_CODE}
