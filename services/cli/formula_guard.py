"""Cells that a spreadsheet must not run: text that callers and employees wrote may begin like a formula (CWE-1236, "CSV injection")."""

import re

# What a spreadsheet reads as the beginning of a formula or command, full-width forms included; and the apostrophe itself, so that taking guards away never
# takes one that was written by a person.
_BEGINS = "'=+\\-@\t\r\n＝＋－＠"
# A cell begins at the beginning of the text; and behind what a spreadsheet set to another separator takes for the end of a cell or line.
_AT_A_CELL = "(?:\\A|(?<=[;,\t\r\n]))"
_UNGUARDED = re.compile(f'{_AT_A_CELL}(?="*[{_BEGINS}])')
_GUARD = re.compile(f"{_AT_A_CELL}'")


def guarded(text: str) -> str:
    """The text with an apostrophe before all that could begin a formula: a spreadsheet shows it as text."""
    return _UNGUARDED.sub("'", text)


def unguarded(text: str) -> str:
    """What `guarded` was given."""
    return _GUARD.sub("", text)
