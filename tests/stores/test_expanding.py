"""Expand before contract: a migration only adds to what the release before it knows, so old processes go on beside new ones."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

from services.intake.server import MIGRATIONS as INTAKE
from services.notify.server import MIGRATIONS as NOTIFY

CONTRACTS = {
    ("intake", "0002"): "dropped tables that nothing could fill; before the first release",
    ("notify", "0002"): "made its tables anew; before the first release",
}
"""Migrations that take away what an earlier release stopped using: the release, and what. Nothing else may."""


def numbers(folder: Path) -> list[str]:
    return [each.revision for each in ScriptDirectory(str(folder)).walk_revisions()][::-1]


PAIRS = [
    pytest.param(folder, before, after, id=f"{folder.parent.name} {after}")
    for folder in (INTAKE, NOTIFY)
    for before, after in pairwise(numbers(folder))
    if (folder.parent.name, after) not in CONTRACTS
]


def to(engine: sa.Engine, folder: Path, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(folder))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    made = sa.create_engine(f"sqlite:///{tmp_path / 'test.db'}")
    yield made
    made.dispose()


def reflected(engine: sa.Engine) -> sa.MetaData:
    metadata = sa.MetaData()
    metadata.reflect(engine)
    return metadata


def a_value(column: sa.Column[Any], number: int) -> object:
    """Some value that the column takes."""
    if isinstance(column.type, sa.LargeBinary):
        return bytes([number])
    if isinstance(column.type, sa.Boolean):
        return False
    return str(number) if isinstance(column.type, (sa.String, sa.JSON)) else number


def broken_by(before: sa.MetaData, after: sa.MetaData) -> list[str]:
    """What of the earlier schema a later one does not keep."""
    found = []
    for name, table in before.tables.items():
        later = after.tables.get(name)
        if later is None:
            found.append(f"{name} is gone")
            continue
        for column in table.columns:
            kept = later.columns.get(column.name)
            if kept is None:
                found.append(f"{name}.{column.name} is gone")
            elif str(kept.type) != str(column.type) or (column.nullable and not kept.nullable):
                found.append(f"{name}.{column.name} takes less")
        found += [
            f"{name}.{column.name} is wanted"
            for column in later.columns
            if column.name not in table.columns and not column.nullable and column.server_default is None
        ]
        unique = [{tuple(each.columns.keys()) for each in of.indexes if each.unique} for of in (table, later)]
        unique = [
            found_ones
            | {tuple(each.columns.keys()) for each in of.constraints if isinstance(each, sa.UniqueConstraint)}
            for found_ones, of in zip(unique, (table, later), strict=True)
        ]
        found += [f"{name} {columns} has to be unique" for columns in unique[1] - unique[0]]
    return found


@pytest.mark.parametrize(("folder", "before", "after"), PAIRS)
def test_a_migration_only_adds(engine: sa.Engine, folder: Path, before: str, after: str) -> None:
    to(engine, folder, before)
    known = reflected(engine)

    to(engine, folder, after)

    assert broken_by(known, reflected(engine)) == []


@pytest.mark.parametrize(("folder", "before", "after"), PAIRS)
def test_what_an_old_process_writes_and_reads_by_name_goes_on_after_it(
    engine: sa.Engine, folder: Path, before: str, after: str
) -> None:
    to(engine, folder, before)
    known = reflected(engine)

    to(engine, folder, after)

    with engine.begin() as connection:
        for table in known.sorted_tables:
            row = {column.name: a_value(column, 7) for column in table.columns}
            connection.execute(sa.insert(table).values(row))
            assert connection.execute(sa.select(*table.columns)).first() is not None


@pytest.mark.parametrize(
    "breaks",
    [
        pytest.param(lambda op: op.drop_table("sales"), id="a table goes"),
        pytest.param(lambda op: op.drop_column("sales", "comment"), id="a column goes"),
        pytest.param(lambda op: op.alter_column("sales", "comment", new_column_name="words"), id="a column is renamed"),
        pytest.param(lambda op: op.rename_table("sales", "sold"), id="a table is renamed"),
        pytest.param(lambda op: op.create_index("x", "sales", ["sale_time"], unique=True), id="values become unique"),
    ],
)
def test_the_rule_sees_what_breaks_it(engine: sa.Engine, breaks: Any) -> None:
    to(engine, INTAKE, "head")
    known = reflected(engine)
    assert broken_by(known, reflected(engine)) == []

    with engine.begin() as connection:
        breaks(Operations(MigrationContext.configure(connection)))

    assert broken_by(known, reflected(engine)) != []
