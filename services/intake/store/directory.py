"""Tags, employees and what led to calls: what uploads look up, and what they create on the way."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, cast

from sqlalchemy import Column, Connection, Table, insert, select

from services.intake.account_rules import AccountState, KnownTag
from services.intake.attribution import NOTHING_NAMED, Attribution, Directory
from services.intake.call import CheckedCall
from services.intake.names import name_key
from services.intake.store.handed_over import load_files
from services.intake.store.tables import (
    CampaignRow,
    EmployeeRow,
    SiteNumberRow,
    SiteRow,
    SourceRow,
    TagRow,
    VisitorSessionRow,
)
from services.shared.db.dialects import Sql, rows_text
from services.shared.db.tables import table_of

_tags = table_of(TagRow)
_employees = table_of(EmployeeRow)
_sites = table_of(SiteRow)
_numbers = table_of(SiteNumberRow)
_campaigns = table_of(CampaignRow)
_sources = table_of(SourceRow)
_sessions = table_of(VisitorSessionRow)


def load_state(
    connection: Connection, account_id: int, has_voice_analysis: bool, calls: Sequence[CheckedCall]
) -> AccountState:
    """What the account has of what the calls name."""
    tags = [tag for call in calls for tag in call.tags]
    records = [record for call in calls for record in call.records]
    tag_rows = [
        *_found(connection, _TAGS_BY_ID, account_id, {tag.tag_id for tag in tags if tag.tag_id is not None}),
        *_found(connection, _TAGS_BY_NAME, account_id, {tag.name for tag in tags if tag.tag_id is None}),
    ]
    employee_ids = {record.employee_id for record in records if record.employee_id is not None}
    employee_keys = {name_key(record.employee_name) for record in records if record.employee_id is None}
    employee_rows = [
        *_found(connection, _EMPLOYEES_BY_ID, account_id, employee_ids),
        *_found(connection, _EMPLOYEES_BY_KEY, account_id, employee_keys),
    ]
    return AccountState(
        has_voice_analysis=has_voice_analysis,
        directory=_load_directory(connection, account_id, calls),
        tags_by_id={tag_id: KnownTag(tag_id, bool(is_system)) for tag_id, _, is_system in tag_rows},
        tags_by_name={name: KnownTag(tag_id, bool(is_system)) for tag_id, name, is_system in tag_rows},
        employee_ids=frozenset(employee_id for employee_id, _ in employee_rows),
        employees_by_key={key: employee_id for employee_id, key in employee_rows},
        handed_over=load_files(connection, account_id, calls),
    )


def create_tags(connection: Connection, account_id: int, names: Iterable[str]) -> dict[str, int]:
    """Creates tags, in the order of their names; answers their ids."""
    rows = [{"account_id": account_id, "name": name, "is_system": False} for name in sorted(names)]
    if not rows:
        return {}
    made = connection.execute(insert(_tags).returning(_tags.c.tag_id, _tags.c.name), rows)
    return {row.name: row.tag_id for row in made}


def create_employees(connection: Connection, account_id: int, names_by_key: dict[str, str]) -> dict[str, int]:
    """Creates employees, in the order of their keys; answers their ids by key."""
    rows = [
        {"account_id": account_id, "full_name": name, "name_key": key} for key, name in sorted(names_by_key.items())
    ]
    if not rows:
        return {}
    made = connection.execute(insert(_employees).returning(_employees.c.employee_id, _employees.c.name_key), rows)
    return {row.name_key: row.employee_id for row in made}


def _load_directory(connection: Connection, account_id: int, calls: Sequence[CheckedCall]) -> Directory:
    named = [call.attribution for call in calls if call.attribution is not NOTHING_NAMED]
    if not named:
        return Directory()
    sessions = _owned(
        connection, _sessions, account_id, _sessions.c.visitor_session_id, (each.visitor_session_id for each in named)
    )
    campaigns = _owned(
        connection, _campaigns, account_id, _campaigns.c.campaign_id, (each.campaign_id for each in named)
    )
    sources = _owned(connection, _sources, account_id, _sources.c.source_id, (each.source_id for each in named))
    sites = _owned(connection, _sites, account_id, _sites.c.site_id, (each.site_id for each in named))
    called = {call.called_phone_number for call in calls if call.attribution.site_id is not None}
    numbers = _owned(connection, _numbers, account_id, _numbers.c.phone_number, called)
    return Directory(
        sessions={
            row["visitor_session_id"]: Attribution(
                visitor_session_id=row["visitor_session_id"],
                campaign_id=row["campaign_id"],
                source_id=row["source_id"],
                site_id=row["site_id"],
            )
            for row in sessions
        },
        campaigns={row["campaign_id"]: row["is_active"] for row in campaigns},
        sources=frozenset(row["source_id"] for row in sources),
        sites=frozenset(row["site_id"] for row in sites),
        number_sites={row["phone_number"]: row["site_id"] for row in numbers},
    )


def _found(
    connection: Connection, statement: Sql, account_id: int, wanted: Collection[object]
) -> Sequence[tuple[Any, ...]]:
    if not wanted:
        return ()
    return statement.rows(connection, {"account_id": account_id, "wanted": rows_text(list(wanted))})


def _owned(
    connection: Connection, table: object, account_id: int, key: object, values: Iterable[object]
) -> list[dict[str, Any]]:
    wanted = {value for value in values if value is not None}
    if not wanted:
        return []
    rows, column = cast(Table, table), cast("Column[object]", key)
    found = connection.execute(select(rows).where(rows.c.account_id == account_id, column.in_(wanted)))
    return [dict(row) for row in found.mappings()]


_TAGS_BY_ID = Sql("""
SELECT t.tag_id, t.name, t.is_system FROM tags AS t
WHERE t.account_id = :account_id AND t.tag_id IN (SELECT r[]::bigint FROM EACH(:wanted) AS r)
""")
_TAGS_BY_NAME = Sql("""
SELECT t.tag_id, t.name, t.is_system FROM tags AS t
WHERE t.account_id = :account_id AND t.name IN (SELECT r[]::text FROM EACH(:wanted) AS r)
""")
_EMPLOYEES_BY_ID = Sql("""
SELECT e.employee_id, e.name_key FROM employees AS e
WHERE e.account_id = :account_id AND e.employee_id IN (SELECT r[]::bigint FROM EACH(:wanted) AS r)
""")
_EMPLOYEES_BY_KEY = Sql("""
SELECT e.employee_id, e.name_key FROM employees AS e
WHERE e.account_id = :account_id AND e.name_key IN (SELECT r[]::text FROM EACH(:wanted) AS r)
""")
