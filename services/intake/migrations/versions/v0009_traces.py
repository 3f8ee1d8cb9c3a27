"""the trace that a call, and a notification of it, belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expands the schema. What is there already belongs to none."""
    op.add_column("calls", sa.Column("traceparent", sa.String(), nullable=True))
    op.add_column("outbox", sa.Column("traceparent", sa.String(), nullable=True))
