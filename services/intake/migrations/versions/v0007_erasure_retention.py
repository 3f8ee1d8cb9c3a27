"""erased calls that notify is yet to forget, ext_ids that are remembered, how long accounts keep things."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger
_KEPT = sa.text("source_key IS NOT NULL OR audio_key IS NOT NULL")
_FORGETTING = sa.text("calls_keep_s IS NOT NULL OR payloads_keep_s IS NOT NULL")


def upgrade() -> None:
    """Expands the schema."""
    op.create_table(
        "erasures",
        sa.Column("call_session_id", _BIG(), autoincrement=False, nullable=False),
        sa.Column("erase_time", _BIG(), nullable=False),
        sa.PrimaryKeyConstraint("call_session_id"),
    )
    op.create_table(
        "remembered_ext_ids",
        sa.Column("account_id", _BIG(), autoincrement=False, nullable=False),
        sa.Column("ext_id_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("call_session_id", _BIG(), nullable=False),
        sa.Column("forget_time", _BIG(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "ext_id_sha256"),
        sqlite_with_rowid=False,
    )
    op.create_index("remembered_ext_ids_time", "remembered_ext_ids", ["forget_time"])
    for name in ("calls", "recordings", "sources", "payloads", "ext_ids"):
        op.add_column("accounts", sa.Column(f"{name}_keep_s", _BIG(), nullable=True))
    op.create_index(
        "accounts_retention", "accounts", ["account_id"], sqlite_where=_FORGETTING, postgresql_where=_FORGETTING
    )
    op.create_index("calls_start", "calls", ["account_id", "start_time"])
    op.create_index("recordings_kept", "recordings", ["recording_id"], sqlite_where=_KEPT, postgresql_where=_KEPT)
