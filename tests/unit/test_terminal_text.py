"""What a stranger wrote reaches the terminal as text, never as a command to it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from services.cli.terminal_text import cell, json_text, one_line, printable


@pytest.mark.parametrize(
    "character",
    [
        pytest.param("\x1b", id="escape"),
        pytest.param("\x07", id="bell"),
        pytest.param("\x08", id="backspace"),
        pytest.param("\x7f", id="delete"),
        pytest.param("\x9b", id="one character that begins a sequence"),
        pytest.param("\u202e", id="from right to left"),
        pytest.param("\u200b", id="no width"),
        pytest.param("\u2028", id="another end of line"),
        pytest.param("\ud800", id="half a character"),
    ],
)
def test_what_a_terminal_might_obey_is_replaced(character: str) -> None:
    assert printable(f"a{character}[31mb") == "a\N{REPLACEMENT CHARACTER}[31mb"
    assert character not in json_text({"head": character})
    assert json.loads(json_text({"head": character})) == {"head": character}


def test_words_of_all_languages_stay() -> None:
    text = "Ошибка: 内部错误, שגיאה, d\N{COMBINING ACUTE ACCENT}, 🙂"

    assert printable(text) == one_line(text) == text
    assert text in json_text([text])


def test_many_lines_become_one_that_is_cut() -> None:
    assert one_line("  first\r\n\tsecond \n") == "first second"
    assert one_line("12345", 5) == "12345"
    assert one_line("123456", 5) == "1234…"


def test_a_cell_reads_no_markup() -> None:
    console = Console(width=80)
    with console.capture() as shown:
        console.print(cell("[red]:smile: [/nothing] \\"))

    assert shown.get() == "[red]:smile: [/nothing] \\\n"


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_says_the_same_with_and_without_indent(value: object) -> None:
    for indent in (None, 2):
        text = json_text(value, indent=indent)
        assert json.loads(text) == value
        assert printable(text.replace("\n", "")) == text.replace("\n", "")
