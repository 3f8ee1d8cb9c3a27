"""one-time links into the client area that were used."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expands the schema."""
    op.create_table(
        "used_links",
        sa.Column("link_id", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("forget_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("link_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("used_links_account", "used_links", ["account_id"])
    op.create_index("used_links_time", "used_links", ["forget_time"])
