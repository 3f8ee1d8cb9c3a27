"""Telephone numbers that are looked for: whole, in any form that people write, or some of their digits."""

import re
import unicodedata
from dataclasses import dataclass

from services.intake.numbering import number_in_use
from services.intake.phone import dialled_from, is_region, to_e164
from services.shared.errors import Mnemonic, Refusal

FEWEST_DIGITS = 4
_MOST_DIGITS = 32
_WHOLE_DIGITS = 10
"""From so many digits on a number in use is meant whole when it comes without a plus: in some regions almost any seven digits are one."""
_TIDY = re.compile(r"\+?[0-9]+")
_PUNCTUATION = frozenset("()./")


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberSearch:
    """What matches: the number `exact` in E.164, those that begin with one of `starts`, those that have the digits `part` somewhere. None and nothing match nothing."""

    exact: str | None
    starts: tuple[str, ...] = ()
    part: str = ""


def tidy_number(text: str) -> str:
    """The digits, with the plus when there is one before them: without spaces, dashes of any kind, brackets, dots, slashes and what copying from web pages leaves. Raises Refusal for what has less than 4 digits, or anything else."""
    wide = unicodedata.normalize("NFKC", text)
    tidy = "".join(
        each for each in wide if each not in _PUNCTUATION and unicodedata.category(each) not in ("Zs", "Pd", "Cf")
    )
    if not _TIDY.fullmatch(tidy) or not FEWEST_DIGITS <= len(tidy.removeprefix("+")) <= _MOST_DIGITS:
        why = f"a telephone number is due, or {FEWEST_DIGITS} or more of its digits"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("number",), value=text, why=why)
    return tidy


def search_of(tidy: str, region: str) -> NumberSearch:
    """What a tidy number looks for in an account of this region.

    A number in use is that number, with a plus or of ten digits or more. Anything else is digits of a number: from its beginning on when it came with a plus, anywhere when not; and what
    the region would dial that way, with its national or international prefix, is looked for at the beginning too.
    """
    digits = tidy.removeprefix("+")
    is_international = tidy != digits
    home = region if is_region(region) and not is_international else None
    exact = to_e164(tidy, region)
    is_in_use = (home and number_in_use(digits, home)) or number_in_use(digits, None)
    if is_in_use and (is_international or len(digits) >= _WHOLE_DIGITS):
        return NumberSearch(exact=exact)
    if is_international:
        return NumberSearch(exact=exact, starts=(tidy,))
    return NumberSearch(exact=exact, starts=dialled_from(digits, home) if home else (), part=digits)
