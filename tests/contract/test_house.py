"""What is kept twice is kept equal: migrations and tables, the deployed Envoy configuration and its template."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, create_engine

from services.cli.front_door import FrontDoor
from services.intake.server import MIGRATIONS as INTAKE_MIGRATIONS
from services.intake.store.tables import METADATA as INTAKE
from services.notify.server import MIGRATIONS as NOTIFY_MIGRATIONS
from services.notify.store.tables import METADATA as NOTIFY
from services.shared.db.migrate import migrate

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("folder", "metadata"), [(INTAKE_MIGRATIONS, INTAKE), (NOTIFY_MIGRATIONS, NOTIFY)], ids=["intake", "notify"]
)
def test_the_migrations_make_the_tables(tmp_path: Path, folder: Path, metadata: MetaData) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'test.db'}")
    migrate(engine, folder)
    migrate(engine, folder)

    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_the_deployed_envoy_configuration_is_what_the_template_gives() -> None:
    front = FrontDoor(
        listen_address="0.0.0.0", listen_port=8080, sockets=Path("/run/calldock"), descriptors=Path("/etc/calldock/public.binpb"),
        openapi=Path("/etc/calldock/openapi.json"), max_request_bytes=524_288,
    )  # fmt: skip

    assert (ROOT / "deploy/envoy.yaml").read_text() == front.config()


def test_the_pages_that_docs_link_to_are_there() -> None:
    import re

    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("protos/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_tests_that_the_threats_name_are_there() -> None:
    import re

    tests = "".join(page.read_text() for page in ROOT.glob("tests/**/test_*.py"))
    rows = [row for row in (ROOT / "docs/security.md").read_text().splitlines() if row.startswith("| ")][1:]

    assert rows
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row.split("|")[3])
        assert named, f"no test: {row}"
        for name in named:
            assert f"def {name}(" in tests, f"no such test: {name}"
