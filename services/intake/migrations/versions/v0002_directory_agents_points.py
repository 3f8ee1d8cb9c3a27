"""the directory's own numbers, agents, points."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger


def upgrade() -> None:
    """Expands the schema. What is dropped never had a way to be filled."""
    for table in ("sites", "campaigns", "sources", "visitor_sessions"):
        op.drop_index(f"{table}_account", table)
        op.drop_table(table)
    op.create_table(
        "sites",
        sa.Column("account_id", _BIG(), nullable=False),
        sa.Column("site_id", _BIG(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "site_id"),
        sa.UniqueConstraint("account_id", "name"),
    )
    op.create_index("site_numbers_site", "site_numbers", ["account_id", "site_id"], unique=False)
    op.create_table(
        "campaigns",
        sa.Column("account_id", _BIG(), nullable=False),
        sa.Column("campaign_id", _BIG(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "campaign_id"),
        sa.UniqueConstraint("account_id", "name"),
    )
    op.create_table(
        "sources",
        sa.Column("account_id", _BIG(), nullable=False),
        sa.Column("source_id", _BIG(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "source_id"),
        sa.UniqueConstraint("account_id", "name"),
    )
    op.create_table(
        "visitor_sessions",
        sa.Column("account_id", _BIG(), nullable=False),
        sa.Column("visitor_session_id", _BIG(), nullable=False),
        sa.Column("site_id", _BIG(), nullable=True),
        sa.Column("campaign_id", _BIG(), nullable=True),
        sa.Column("source_id", _BIG(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "visitor_session_id"),
    )
    op.add_column("accounts", sa.Column("has_call_upload", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("accounts", sa.Column("minute_limit", _BIG(), nullable=True))
    op.add_column("accounts", sa.Column("day_limit", _BIG(), nullable=True))
    op.create_table(
        "agent_accounts",
        sa.Column("token_id", _BIG(), nullable=False),
        sa.Column("account_id", _BIG(), nullable=False),
        sa.PrimaryKeyConstraint("token_id", "account_id"),
    )
    op.create_table(
        "spent_points",
        sa.Column("account_id", _BIG(), autoincrement=False, nullable=False),
        sa.Column("minute_time", _BIG(), nullable=False),
        sa.Column("minute_points", _BIG(), nullable=False),
        sa.Column("day_time", _BIG(), nullable=False),
        sa.Column("day_points", _BIG(), nullable=False),
        sa.PrimaryKeyConstraint("account_id"),
    )
