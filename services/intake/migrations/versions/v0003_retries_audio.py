"""downloads that are tried again, audio settings."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expands the schema. A call that is there became new when it was uploaded."""
    op.add_column("recordings", sa.Column("fetch_failures", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("recordings", sa.Column("next_fetch_time", sa.BigInteger(), nullable=True))
    op.add_column("calls", sa.Column("new_time", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE calls SET new_time = upload_time")
    op.add_column("accounts", sa.Column("audio", sa.JSON(), nullable=True))
    op.add_column("accounts", sa.Column("audio_version", sa.Integer(), nullable=False, server_default="1"))
