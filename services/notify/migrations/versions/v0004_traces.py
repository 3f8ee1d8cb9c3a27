"""the trace that a notification belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expands the schema. What is there already belongs to none."""
    op.add_column("notifications", sa.Column("traceparent", sa.String(), nullable=True))
