"""calls found by when they were uploaded."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expands the schema."""
    op.create_index("calls_uploaded", "calls", ["account_id", "upload_time", "call_session_id"])
