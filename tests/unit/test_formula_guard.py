"""Cells that a spreadsheet must not run: guarded in an export, and back as they were after an upload."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.formula_guard import guarded, unguarded

TRICKS = "'\"=+-@\t\r\n;,|＝a 1"


@given(st.text(alphabet=TRICKS) | st.text())
def test_what_was_guarded_comes_back(text: str) -> None:
    assert unguarded(guarded(text)) == text


@given(st.text(alphabet=TRICKS), st.sampled_from(",;\t"))
def test_no_cell_begins_like_a_formula_whatever_separator_a_spreadsheet_takes(text: str, separator: str) -> None:
    line = io.StringIO()
    csv.writer(line).writerow(["first", guarded(text), "last"])

    for row in csv.reader(io.StringIO(line.getvalue(), newline=""), delimiter=separator):
        for cell in row:
            assert not cell.lstrip('"').startswith(tuple("=+-@＝＋－＠"))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+7 495", "'+7 495"),
        ("-Anna", "'-Anna"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("＝cmd", "'＝cmd"),
        ("'quoted'", "''quoted'"),
        ("so;=cmd|' /C calc'!A0", "so;'=cmd|' /C calc'!A0"),
        ('so;"=1"', 'so;\'"=1"'),
        ("two\n-lines", "two\n'-lines"),
        ("Anna-Maria + 1 = 2", "Anna-Maria + 1 = 2"),
        ("", ""),
    ],
)
def test_only_what_could_begin_a_cell_is_guarded(text: str, written: str) -> None:
    assert guarded(text) == written
