"""docs/contract.md 8: filters and orders mean the same on both databases."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection

from services.intake.filters import read_query
from services.intake.lists import TAGS
from services.intake.store.lists import query_tags
from services.intake.store.tables import TagRow
from services.shared.db.bulk import insert_all
from services.shared.db.database import Database
from services.shared.db.tables import table_of
from tests.support.uploading import an_account

NAMES = ["b", "B", "a_b", "axb", "a\\b", "50%", "50 of 100", "é", "я"]


async def found(db: Database, account_id: Any, **params: Any) -> tuple[int, list[str]]:
    """How many tags match, and the names of a page of them; the account's own tag for sales left out."""
    query = read_query({"sort": [{"field": "name"}], **params}, TAGS, ZoneInfo("UTC"))
    total, rows = await db.read(query_tags, account_id, query)
    return total, [str(row["name"]) for row in rows if not row["is_system"]]


async def with_tags(db: Database, names: list[str]) -> Any:
    account = await an_account(db)

    def add(connection: Connection) -> None:
        rows = [{"account_id": account.account_id, "name": name, "is_system": False} for name in names]
        insert_all(connection, table_of(TagRow), rows)

    await db.write(add)
    return account.account_id


def where(operator: str, value: str) -> dict[str, Any]:
    return {"filter": {"field": "name", "operator": operator, "value": value}}


async def test_texts_are_sorted_by_their_code_points(intake_db: Database) -> None:
    account_id = await with_tags(intake_db, NAMES)

    assert await found(intake_db, account_id) == (10, sorted(NAMES))
    _, names = await found(intake_db, account_id, sort=[{"field": "name", "order": "desc"}])
    assert names == sorted(NAMES, reverse=True)


@pytest.mark.parametrize(
    ("operator", "value", "names"),
    [
        ("like", "a_b", ["a_b"]), ("like", "a\\b", ["a\\b"]), ("like", "a%b", ["a\\b", "a_b", "axb"]), ("like", "50%", ["50 of 100", "50%"]),
        ("like", "B", ["B"]), ("regexp", "^a.b$", ["a\\b", "a_b", "axb"]), ("regexp", "(?i)^b$", ["B", "b"]), ("regexp", "\\pL", ["B", "a\\b", "a_b", "axb", "b", "é", "я", "50 of 100"]),
        ("<", "a", ["50 of 100", "50%", "B"]), (">=", "é", ["é", "я"]),
    ],
)  # fmt: skip
async def test_an_operator_finds_the_same(intake_db: Database, operator: str, value: str, names: list[str]) -> None:
    account_id = await with_tags(intake_db, NAMES)

    _, ours = await found(intake_db, account_id, **where(operator, value))

    assert ours == sorted(names)


async def test_a_pattern_may_match_more_than_a_statement_has_room_for(intake_db: Database) -> None:
    account_id = await with_tags(intake_db, [f"tag {number}" for number in range(33_000)])

    total, names = await found(intake_db, account_id, **where("regexp", "^tag"), limit=2)

    assert (total, names) == (33_000, ["tag 0", "tag 1"])
