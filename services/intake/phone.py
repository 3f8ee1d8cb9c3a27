"""Telephone numbers as people write them, to E.164 (docs/contract.md 1). The one door to phonenumbers."""

import re
from functools import lru_cache

import phonenumbers

_WRITTEN = re.compile(r"\+?[0-9()\-. ]+")
_FEW_DIGITS = 5


def is_region(code: str) -> bool:
    """True for an ISO 3166 region whose numbers are known."""
    return code in phonenumbers.SUPPORTED_REGIONS


@lru_cache(maxsize=100_000)
def to_e164(text: str, region: str) -> str | None:
    """The number in E.164 with the plus; None when it cannot be one.

    With a plus it is international. Without, it is read in the national form of `region` and as E.164 that lost its plus; a reading that is a
    number in use wins over one that merely has a possible length.
    """
    written = as_written(text)
    if written is None:
        return None
    readings = [(written, None)] if written.startswith("+") else [(written, region), (f"+{written}", None)]
    numbers = []
    for reading, home in readings:
        number = _parsed(reading, home)
        if number is not None and phonenumbers.is_valid_number(number):
            # Most end here: a reading costs as much as all the rest of a call's checks.
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        numbers.append(number)
    for number in numbers:
        if number is not None and _is_possible(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return None


def as_written(text: str) -> str | None:
    """The text without surrounding spaces when it may be a telephone number of some region, unjudged; None when it is none."""
    written = text.strip()
    if not _WRITTEN.fullmatch(written) or sum(character.isdigit() for character in written) < _FEW_DIGITS:
        return None
    return written


def _is_possible(number: phonenumbers.PhoneNumber) -> bool:
    """Long enough to be dialled from anywhere, not only from the same town."""
    reason = phonenumbers.is_possible_number_with_reason(number)
    return bool(reason == phonenumbers.ValidationResult.IS_POSSIBLE)


def _parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
