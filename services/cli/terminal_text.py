"""Text of strangers on its way to a terminal: a receiver's answer may hold anything, escape sequences too."""

import json
import sys
import unicodedata

from google.protobuf.message import Message
from rich.console import Console
from rich.text import Text

from services.cli.connect import as_dict

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_CUT = "…"
_PIPE_COLUMNS = 10_000
# Control characters, what changes the direction of text or is not seen, halves of characters, further ends of lines.
_UNSAFE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def printable(text: str) -> str:
    """The text with every character that a terminal might obey replaced."""
    return "".join(REPLACEMENT if _is_unsafe(character) else character for character in text)


def one_line(text: str, width: int | None = None) -> str:
    """As `printable`, on one line; cut to `width` characters when it has more."""
    line = printable(" ".join(text.split()))
    if width is None or len(line) <= width:
        return line
    return line[: width - 1] + _CUT


def cell(text: str) -> Text:
    """A table's cell that shows the text on one line and reads no markup in it."""
    return Text(one_line(text), overflow="fold")


def wide_console() -> Console:
    """Standard output, for tables that shall be a line a row when they go into a pipe."""
    return Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS)


def json_of(message: Message, *, indent: int | None = None) -> str:
    """What a command prints of a message with --json. What a terminal might obey is a JSON escape: nothing is lost."""
    return json_text(as_dict(message), indent=indent)


def json_text(value: object, *, indent: int | None = None) -> str:
    """As `json_of`, for a value."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    # An end of line stands between members only: inside strings it is an escape already.
    return "".join(json.dumps(each)[1:-1] if each != "\n" and _is_unsafe(each) else each for each in text)


def _is_unsafe(character: str) -> bool:
    return unicodedata.category(character) in _UNSAFE
