"""What people type to find calls: numbers, words, orders."""

import pytest

from services.intake.call_order import NEWEST_FIRST, CallOrder, OrderField, read_order
from services.intake.phone_search import NumberSearch, search_of, tidy_number
from services.intake.text_search import folded, holds, words_of
from services.shared.errors import Refusal

WHOLE = NumberSearch(exact="+79262444397")


@pytest.mark.parametrize(
    "text",
    [
        "+79262444397", "79262444397", "89262444397", "9262444397", "8(926) 244-43-97", "+7 926 244–43–97", "8.926.244.43.97",
        "8/926/2444397", "\u202a+7\u00a0926\u00a0244\u201143\u201197\u202c", "８９２６２４４４３９７",
    ],
)  # fmt: skip
def test_a_whole_number_is_found_however_it_is_written(text: str) -> None:
    assert search_of(tidy_number(text), "RU") == WHOLE


@pytest.mark.parametrize("text", ["", " ", "123", "+12-3", "tel", "9262444397a", "%", "92%", "9_26", "++7926", "7926+", "1" * 33, "1\x002345"])  # fmt: skip
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        tidy_number(text)

    assert caught.value.path == ("number",)


@pytest.mark.parametrize(
    ("text", "region", "search"),
    [
        ("4397", "RU", NumberSearch(exact=None, part="4397")),
        ("8926", "RU", NumberSearch(exact=None, starts=("+7926",), part="8926")),
        ("+7926", "RU", NumberSearch(exact=None, starts=("+7926",))),
        ("810 49 30", "RU", NumberSearch(exact=None, starts=("+4930",), part="8104930")),
        ("0049 30", "DE", NumberSearch(exact=None, starts=("+4930",), part="004930")),
        ("030 12", "DE", NumberSearch(exact="+493012", starts=("+493012",), part="03012")),
        ("0926", "", NumberSearch(exact=None, part="0926")),
        # In Germany seven digits may be a whole number; elsewhere in a number they are found too.
        ("2444397", "DE", NumberSearch(exact="+492444397", part="2444397")),
    ],
)
def test_digits_are_looked_for_where_they_may_stand(text: str, region: str, search: NumberSearch) -> None:
    assert search_of(tidy_number(text), region) == search


def test_a_number_that_may_be_one_though_not_in_use_is_found_as_it_is_stored() -> None:
    assert search_of(tidy_number("8 999 999 99 99"), "RU").exact == "+79999999999"


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("", NEWEST_FIRST),
        ("call_session_id desc", NEWEST_FIRST),
        ("  start_time   desc ", CallOrder(field=OrderField.START_TIME, is_descending=True)),
        ("upload_time", CallOrder(field=OrderField.UPLOAD_TIME, is_descending=False)),
    ],
)
def test_an_order_is_read(text: str, order: CallOrder) -> None:
    assert read_order(text) == order


@pytest.mark.parametrize("text", ["ext_id", "start_time asc", "start_time DESC", "start_time desc, upload_time", "desc", "start_time desc desc", "start_time; DROP"])  # fmt: skip
def test_an_order_that_pages_do_not_keep_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_order(text)

    assert caught.value.path == ("order_by",)


def test_words_are_found_by_no_case_of_any_script() -> None:
    text = folded("Позвонить Ёлкину, STRASSE 5, İstanbul, ﬁn, 100%_a")

    for words in ("ёлкин", "ПОЗВОНИТЬ", "straße", "FIN", "100%", "%_A", "i̇stanbul strasse"):
        assert holds(words_of(words), text), words
    for words in ("Елкин", "100_", "позвонить завтра"):
        assert not holds(words_of(words), text), words


def test_every_word_is_due_once_and_blanks_are_none() -> None:
    assert words_of("VIP anna Vip") == ("anna", "vip")
    assert words_of(" \t\u00a0 ") == ()
