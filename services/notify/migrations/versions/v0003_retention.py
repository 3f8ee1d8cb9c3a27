"""notifications of one account in the order in which they ended, for accounts that keep them for less."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ENDED = sa.text("end_time IS NOT NULL")


def upgrade() -> None:
    """Expands the schema."""
    op.create_index(
        "notifications_account_end",
        "notifications",
        ["account_id", "end_time"],
        sqlite_where=_ENDED,
        postgresql_where=_ENDED,
    )
