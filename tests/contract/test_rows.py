"""Every row of docs/contract.md has a test that names it (style S30): tables and prose, with none missing."""

import pytest

from tests.contract.claims import Claims, collect
from tests.contract.rows import CONTRACT, NO_RULES, NOT_YET, RULES, all_rows, names_a_row, row_of, sections

PAGE = CONTRACT.read_text()
ROWS = all_rows(PAGE)


@pytest.fixture(scope="module")
def claims() -> Claims:
    return collect()


def test_every_row_has_a_test(claims: Claims) -> None:
    assert [row for row in ROWS if row not in claims.tests and row not in NOT_YET] == []


def test_no_test_names_a_row_that_is_not_there(claims: Claims) -> None:
    assert claims.unknown == []


def test_what_is_not_yet_built_has_a_row_and_no_test(claims: Claims) -> None:
    assert NOT_YET - set(ROWS) == set()
    assert NOT_YET & claims.tests.keys() == set()


def test_every_sentence_of_the_page_has_a_rule_of_its_words() -> None:
    uncovered = [
        sentence
        for section in sections(PAGE).values()
        for sentence in section.sentences
        if not sentence.startswith(NO_RULES) and not any(words in sentence for _, words in RULES[section.number])
    ]

    assert uncovered == []


def test_every_rule_quotes_the_page() -> None:
    wrong = [
        f"{section.number} {name}"
        for section in sections(PAGE).values()
        for name, words in RULES[section.number]
        if words not in section.text
    ]

    assert wrong == []
    assert sections(PAGE).keys() == RULES.keys()


@pytest.mark.parametrize(
    ("test_id", "row"),
    [
        pytest.param("8 limit 0", "8 limit", id="a row and what is tried"),
        pytest.param("8 limit_exceeded", "8 limit_exceeded", id="a longer word is another row"),
        pytest.param("8 <= 5", "8 <=", id="the longest"),
        pytest.param("1 callback.url missing", "1 callback", id="a part of a row"),
        pytest.param("8 nothing of the kind", None, id="no row"),
    ],
)
def test_an_id_names_the_row_it_begins_with(test_id: str, row: str | None) -> None:
    assert row_of(test_id, ROWS) == row
    assert names_a_row(test_id)
