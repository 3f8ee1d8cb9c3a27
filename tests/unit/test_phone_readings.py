"""docs/contract.md 1: telephone numbers are read as phonenumbers reads them, over every region that it knows."""

import os
import random
from collections.abc import Iterator

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from services.intake.numbering import number_in_use
from services.intake.phone import as_written, read_by_library, to_e164

ROUNDS = int(os.environ.get("CALLDOCK_FUZZ_EXAMPLES", "1"))
"""Of the whole below: some 22,000 texts each."""
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
FORMATS = (PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL)


def examples(region: str) -> list[phonenumbers.PhoneNumber]:
    """A number of each kind that the region has, and one that it has not."""
    kinds = [phonenumbers.example_number_for_type(region, kind) for kind in PhoneNumberType.values()]
    return [number for number in [*kinds, phonenumbers.invalid_example_number(region)] if number is not None]


def of_no_region() -> list[phonenumbers.PhoneNumber]:
    found = map(phonenumbers.example_number_for_non_geo_entity, (800, 808, 870, 878, 881, 882, 883, 888, 979))
    return [number for number in found if number is not None]


def dialled(number: phonenumbers.PhoneNumber, region: str) -> Iterator[str]:
    """The number as people of the region and others dial it, rightly and wrongly."""
    home = phonenumbers.PhoneMetadata.metadata_for_region(region)
    assert home is not None
    national = phonenumbers.national_significant_number(number)
    code = str(number.country_code)
    for form in FORMATS:
        yield phonenumbers.format_number(number, form)
    yield phonenumbers.format_out_of_country_calling_number(number, region)
    prefix = home.national_prefix or "0"
    for abroad in ("00", "011", "810", "8~10", "+", "", "0", "000", (home.international_prefix or "")[:4]):
        yield f"{abroad}{code}{national}"
    for before in ("", prefix, prefix * 2, "0", "8", "1", "031", "1"):
        yield f"{before}{national}"
        yield f"+{code}{before}{national}"
        yield f"{code}{before}{national}"
    yield f"{code}{code}{national}"
    yield f"+{code}{code}{national}"
    yield national[2:]
    yield national[3:]


def garbled(rng: random.Random, text: str) -> str:
    """The text with digits changed, lost or added, and other punctuation."""
    characters = list(text)
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        place = rng.randrange(len(characters) + 1)
        match rng.randrange(4):
            case 0:
                characters.insert(place, rng.choice("0123456789"))
            case 1:
                del characters[place : place + 1]
            case 2:
                characters[place : place + 1] = [rng.choice("0123456789")]
            case _:
                characters.insert(place, rng.choice("()-. "))
    return "".join(characters)


def random_texts(rng: random.Random, region: str) -> Iterator[str]:
    """Digits of every length, with and without a plus, the region's own country code or a prefix before them."""
    code = str(phonenumbers.country_code_for_region(region))
    for length in range(1, 21):
        before = rng.choice(
            ("", "", "+", f"+{code}", code, "0", "00", "8", f"8{code}", f"00{code}", f"011{code}", "810")
        )
        yield before + "".join(rng.choices("0123456789", k=length))


def texts(rng: random.Random) -> Iterator[tuple[str, str]]:
    """What comes, and the region of the account to which it comes."""
    for region in REGIONS:
        for number in [*examples(region), rng.choice(of_no_region())]:
            written = list(dialled(number, region))
            for text in rng.sample(written, 3):
                yield text, region
                yield garbled(rng, text), region
                yield garbled(rng, text), rng.choice(REGIONS)
        for text in random_texts(rng, region):
            yield text, region


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_number_is_read_as_the_library_reads_it(seed: int) -> None:
    told = [(text, region, to_e164.__wrapped__(text, region)) for text, region in texts(random.Random(seed))]

    assert [each for each in told if each[2] != _reference(*each[:2])] == []
    assert sum(number is not None for *_, number in told) > len(told) / 3
    assert sum(number is None for *_, number in told) > len(told) / 10


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_number_in_use_is_known_without_the_library(seed: int) -> None:
    digits = [("".join(filter(str.isdigit, text)), region) for text, region in texts(random.Random(seed))]

    told = [(text, home, number_in_use(text, home)) for text, region in digits for home in (region, None)]

    assert [each for each in told if each[2] != _in_use_by_library(*each[:2])] == []
    assert sum(number is not None for *_, number in told) > len(told) / 10


@pytest.mark.parametrize("text", ["+" + "1" * 300, "8" * 251, "(" * 260 + "84955140576"])
def test_a_long_text_is_read_as_the_library_reads_it(text: str) -> None:
    assert to_e164(text, "RU") == _reference(text, "RU")


def test_without_a_known_region_a_number_is_read_as_international() -> None:
    assert to_e164("74955140576", "XX") == _reference("74955140576", "XX") == "+74955140576"
    assert to_e164("84955140576", "XX") == _reference("84955140576", "XX")


def _reference(text: str, region: str) -> str | None:
    written = as_written(text)
    return None if written is None else read_by_library(written, region)


def _in_use_by_library(digits: str, region: str | None) -> tuple[int | None, str] | None:
    try:
        number = phonenumbers.parse(digits if region else f"+{digits}", region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return number.country_code, phonenumbers.national_significant_number(number)
