"""Pages: what is shown, what names the next one, and how much a message of a page may weigh."""

import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from services.shared.errors import Refusal
from services.shared.paging import (
    PAGE_BYTES,
    Page,
    fitting,
    page_of,
    page_token_below,
    read_number_token,
    read_page_token,
    size_of,
)


def messages(*sizes: int) -> Page[BytesValue]:
    return Page([BytesValue(value=bytes(size)) for size in sizes], "next")


def after(message: BytesValue) -> str:
    return f"after {len(message.value)}"


@pytest.mark.parametrize(("asked", "size"), [(0, 100), (1, 1), (1000, 1000), (5000, 1000)])
def test_a_page_has_the_asked_size_within_limits(asked: int, size: int) -> None:
    assert size_of(asked) == size


def test_only_a_page_that_has_more_behind_it_names_the_next() -> None:
    assert page_of([3, 2, 1], 2, str) == Page([3, 2], "2")
    assert page_of([3, 2], 2, str) == Page([3, 2], "")
    assert page_of([], 2, str) == Page([], "")


def test_messages_that_fit_are_all_shown() -> None:
    assert fitting(messages(5, 6), after) == messages(5, 6)


def test_a_page_is_cut_before_the_message_that_is_too_much() -> None:
    shown = fitting(messages(7, PAGE_BYTES - 100, 200), after)

    assert (len(shown.items), shown.next_page_token) == (2, f"after {PAGE_BYTES - 100}")


def test_a_single_message_is_shown_whatever_it_weighs() -> None:
    shown = fitting(messages(PAGE_BYTES * 2, 8), after)

    assert (len(shown.items), shown.next_page_token) == (1, f"after {PAGE_BYTES * 2}")


def test_a_token_works_for_its_own_list_only() -> None:
    token = page_token_below("calls", 7)

    assert read_page_token("calls", token) == "7"
    assert read_number_token("calls", token) == 7
    with pytest.raises(Refusal):
        read_page_token("notifications", token)
    with pytest.raises(Refusal):
        read_number_token("calls", page_token_below("calls", "x"))
