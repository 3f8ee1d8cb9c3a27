"""Sales that came of calls, and the system tag that marks them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expands the schema."""
    op.create_table(
        "sales",
        sa.Column("sale_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("call_session_id", sa.BigInteger(), nullable=False),
        sa.Column("sale_time", sa.BigInteger(), nullable=False),
        sa.Column("transaction_value", sa.Float(), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("sale_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("sales_call", "sales", ["call_session_id"], unique=False)
    op.execute(
        "INSERT INTO tags (account_id, name, is_system) SELECT account_id, 'Sale', true FROM accounts "
        "WHERE account_id NOT IN (SELECT account_id FROM tags WHERE name = 'Sale')"
    )
