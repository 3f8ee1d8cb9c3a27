"""the SHA-512 of recordings' files."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expands the schema. Files that are there already have none."""
    op.add_column("recordings", sa.Column("source_sha512", sa.String(), nullable=False, server_default=""))
    op.add_column("handed_over_files", sa.Column("sha512", sa.String(), nullable=False, server_default=""))
