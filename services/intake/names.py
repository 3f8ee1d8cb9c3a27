"""Names of people: when two spellings are one employee (docs/contract.md 5)."""

import unicodedata


def tidy(full_name: str) -> str:
    """The name with single spaces between its parts and none around."""
    return " ".join(full_name.split())


def name_key(full_name: str) -> str:
    """What two names share when they are one person's: compatible characters, letter case and spaces do not count.

    Folding runs twice round normalisation, as Unicode's caseless matching (The Unicode Standard, 3.13, D145-D146) asks.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", full_name).casefold())
    return tidy(unicodedata.normalize("NFKC", folded.casefold()))
