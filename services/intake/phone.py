"""Telephone numbers as people write them, to E.164 (docs/contract.md 1)."""

import re
from functools import lru_cache

import phonenumbers

from services.intake.numbering import number_in_use

_WRITTEN = re.compile(r"\+?[0-9()\-. ]+")
_BETWEEN_DIGITS = str.maketrans("", "", "+()-. ")
_FEW_DIGITS = 5
_LONG = 200
"""Characters from which on the library is asked at once: it reads none beyond 250."""


def is_region(code: str) -> bool:
    """True for an ISO 3166 region whose numbers are known."""
    return code in phonenumbers.SUPPORTED_REGIONS


@lru_cache(maxsize=100_000)
def to_e164(text: str, region: str) -> str | None:
    """The number in E.164 with the plus; None when it cannot be one.

    With a plus it is international. Without, it is read in the national form of `region` and as E.164 that lost its plus; a reading that is a
    number in use wins over one that merely has a possible length.
    """
    written = text.strip()
    digits = _digits_of(written)
    if not digits:
        return None
    number = None
    if len(written) < _LONG:
        if written[0] != "+" and is_region(region):
            number = number_in_use(digits, region)
        if number is None:
            number = number_in_use(digits, None)
    if number is None:
        return read_by_library(written, region)
    country_code, national = number
    return f"+{country_code}{national}"


def read_by_library(written: str, region: str) -> str | None:
    """What `to_e164` answers for a number that passed `as_written`, by phonenumbers alone: slower, and the reference."""
    readings = [(written, None)] if written.startswith("+") else [(written, region), (f"+{written}", None)]
    numbers = [_parsed(reading, home) for reading, home in readings]
    for is_good in (phonenumbers.is_valid_number, _is_possible):
        for number in numbers:
            if number is not None and is_good(number):
                return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return None


def as_written(text: str) -> str | None:
    """The text without surrounding spaces when it may be a telephone number of some region, unjudged; None when it is none."""
    written = text.strip()
    return written if _digits_of(written) else None


def _digits_of(written: str) -> str:
    """The digits of what may be a telephone number; empty when it is none."""
    digits = written.translate(_BETWEEN_DIGITS) if _WRITTEN.fullmatch(written) else ""
    return digits if len(digits) >= _FEW_DIGITS else ""


def dialled_from(digits: str, region: str) -> tuple[str, ...]:
    """What numbers begin with in E.164 that a region, one of those that are known, dials with these digits first: after its international prefix, or its national one. Nothing when they begin with neither."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    abroad = re.match(metadata.international_prefix, digits) if metadata and metadata.international_prefix else None
    if abroad and abroad.end() < len(digits):
        return (f"+{digits[abroad.end() :]}",)
    prefix = phonenumbers.ndd_prefix_for_region(region, True)
    if prefix and digits.startswith(prefix) and len(digits) > len(prefix):
        return (f"+{phonenumbers.country_code_for_region(region)}{digits.removeprefix(prefix)}",)
    return ()


def _is_possible(number: phonenumbers.PhoneNumber) -> bool:
    """Long enough to be dialled from anywhere, not only from the same town."""
    reason = phonenumbers.is_possible_number_with_reason(number)
    return bool(reason == phonenumbers.ValidationResult.IS_POSSIBLE)


def _parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
