"""changes of calls, for those who watch them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger


def upgrade() -> None:
    """Expands the schema. Calls that are there have changed before anybody watches."""
    op.create_table(
        "change_seqs",
        sa.Column("account_id", _BIG(), autoincrement=False, nullable=False),
        sa.Column("last_seq", _BIG(), nullable=False),
        sa.Column("forgotten_seq", _BIG(), nullable=False),
        sa.PrimaryKeyConstraint("account_id"),
    )
    op.create_table(
        "call_changes",
        sa.Column("account_id", _BIG(), autoincrement=False, nullable=False),
        sa.Column("seq", _BIG(), autoincrement=False, nullable=False),
        sa.Column("call_session_id", _BIG(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("change_time", _BIG(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "seq"),
        sqlite_with_rowid=False,
    )
    op.create_index("call_changes_time", "call_changes", ["change_time"])
