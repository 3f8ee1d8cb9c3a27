"""What people see of calls in a list, looked through for words. By Python: the databases fold letters in ways of their own, SQLite those of ASCII alone."""

from collections.abc import Callable, Collection, Sequence
from functools import cache

from sqlalchemy import Connection

from services.intake.call_order import Position
from services.intake.text_search import folded, holds
from services.shared.db.dialects import Sql, rows_text

_AT_ONCE = 1_000
MOST_CHARACTERS = 2_000_000
"""Of the texts that a page looks through: comments may have 4,000 each."""


def holding(
    connection: Connection, words: Collection[str], calls: Sequence[Position], most: int
) -> tuple[list[Position], Position | None]:
    """The first of the calls that hold every word, up to so many, and the call at which looking stopped; None when all were looked through."""
    held: list[Position] = []
    characters = 0
    fold = cache(folded)
    for start in range(0, len(calls), _AT_ONCE):
        some = calls[start : start + _AT_ONCE]
        texts = _texts_of(connection, [call.call_session_id for call in some], fold)
        for place, call in enumerate(some, start=start + 1):
            seen = texts.get(call.call_session_id, "")
            characters += len(seen)
            if holds(words, seen):
                held.append(call)
            if (len(held) == most or characters > MOST_CHARACTERS) and place < len(calls):
                return held, call
    return held, None


def _texts_of(connection: Connection, call_session_ids: Sequence[int], fold: Callable[[str], str]) -> dict[int, str]:
    """By call, its folded texts, joined. `fold` remembers: names come again and again."""
    ids = {"ids": rows_text(call_session_ids)}
    texts = {number: folded(" ".join(said)) for number, *said in _SAID.rows(connection, ids)}
    for statement in (_TAGS, _EMPLOYEES):
        for number, name in statement.rows(connection, ids):
            texts[number] += f" {fold(name)}"
    return texts


# CROSS JOIN: SQLite takes the tables in this order, and not every tag of the installation first.
_SAID = Sql("""
SELECT c.call_session_id, c.ext_id, c.comment, c.calling_phone_number, c.called_phone_number FROM calls c
WHERE c.call_session_id IN (SELECT r[]::bigint FROM EACH(:ids) AS r)
""")
_TAGS = Sql("""
SELECT ct.call_session_id, t.name FROM call_tags ct CROSS JOIN tags t
WHERE ct.call_session_id IN (SELECT r[]::bigint FROM EACH(:ids) AS r) AND t.tag_id = ct.tag_id
""")
_EMPLOYEES = Sql("""
SELECT r0.call_session_id, e.full_name FROM recordings r0 CROSS JOIN employees e
WHERE r0.call_session_id IN (SELECT r[]::bigint FROM EACH(:ids) AS r) AND e.employee_id = r0.employee_id
""")
