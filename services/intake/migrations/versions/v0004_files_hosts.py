"""files that were handed over, credentials of recording hosts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger


def upgrade() -> None:
    """Expands the schema."""
    op.create_table(
        "handed_over_files",
        sa.Column("upload_id", sa.String(), nullable=False),
        sa.Column("account_id", _BIG(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("size_bytes", _BIG(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("expire_time", _BIG(), nullable=False),
        sa.Column("call_session_id", _BIG(), nullable=True),
        sa.PrimaryKeyConstraint("upload_id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("handed_over_files_waiting", "handed_over_files", ["account_id", "call_session_id"], unique=False)
    op.create_table(
        "recording_hosts",
        sa.Column("account_id", _BIG(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("header_name", sa.String(), nullable=False),
        sa.Column("sealed_value", sa.String(), nullable=False),
        sa.Column("set_time", _BIG(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "host", "port"),
    )
