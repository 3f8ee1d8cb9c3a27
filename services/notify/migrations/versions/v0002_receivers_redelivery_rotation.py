"""receivers with their breakers, redeliveries, signing secrets that rotate, custom headers, retention, erasure."""

from urllib.parse import urlsplit

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPEN = sa.text("status <> 'delivered'")
_ENDED = sa.text("end_time IS NOT NULL")
_BURIED = sa.text("status = 'buried'")
_FAILING = sa.text("failing_since IS NOT NULL")
_PORTS = {"http": 80, "https": 443}


def upgrade() -> None:
    """Expands the schema. Ends of notifications that are there are taken from their last attempts."""
    _make_receivers()
    _add_to_notifications()
    _carry_secrets()
    _put_work_into_lanes()
    _carry_attempts()
    op.add_column("call_order", sa.Column("is_erased", sa.Boolean(), nullable=False, server_default="0"))
    op.create_table(
        "custom_headers",
        sa.Column("account_id", _BIG(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.String(), nullable=False),
        sa.Column("set_time", _BIG(), nullable=False),
        sa.PrimaryKeyConstraint("account_id"),
    )


def _make_receivers() -> None:
    op.create_table(
        "receivers",
        sa.Column("receiver_id", _ID, nullable=False),
        sa.Column("account_id", _BIG(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", _BIG(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("pauses", sa.Integer(), nullable=False),
        sa.Column("probe_time", _BIG(), nullable=True),
        sa.Column("last_delivered_time", _BIG(), nullable=True),
        sa.Column("report_time", _BIG(), nullable=True),
        sa.PrimaryKeyConstraint("receiver_id"),
        sa.UniqueConstraint("account_id", "host"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "receivers_failing", "receivers", ["failing_since"], sqlite_where=_FAILING, postgresql_where=_FAILING
    )


def _add_to_notifications() -> None:
    add = op.add_column
    add("notifications", sa.Column("receiver_id", _BIG(), nullable=False, server_default="0"))
    add("notifications", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    add("notifications", sa.Column("is_redelivery", sa.Boolean(), nullable=False, server_default="0"))
    add("notifications", sa.Column("is_test", sa.Boolean(), nullable=False, server_default="0"))
    add("notifications", sa.Column("end_time", _BIG(), nullable=True))
    add("notifications", sa.Column("bury_reason", sa.String(), nullable=False, server_default=""))
    _find_receivers()
    op.execute("UPDATE notifications SET failures = attempts")
    op.execute(
        "UPDATE notifications SET end_time = coalesce((SELECT max(attempt_time) FROM attempts WHERE attempts.notification_id = notifications.notification_id), event_time)"
        " WHERE status <> 'waiting'"
    )
    op.execute(
        "UPDATE notifications SET bury_reason = coalesce((SELECT reason FROM attempts WHERE attempts.notification_id = notifications.notification_id ORDER BY number DESC LIMIT 1), '')"
        " WHERE status = 'buried'"
    )
    index = op.create_index
    op.drop_index("notifications_call", "notifications")
    index("notifications_line", "notifications", ["call_session_id", "is_redelivery", "status", "seq"])
    index(
        "notifications_open",
        "notifications",
        ["account_id", "status", "notification_id"],
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
    index("notifications_receiver", "notifications", ["receiver_id", "notification_id"])
    index("notifications_end", "notifications", ["end_time"], sqlite_where=_ENDED, postgresql_where=_ENDED)
    index(
        "notifications_buried",
        "notifications",
        ["account_id", "end_time"],
        sqlite_where=_BURIED,
        postgresql_where=_BURIED,
    )


def _find_receivers() -> None:
    """One pass over the notifications, however many links they have: only Python can tell the host of a link."""
    connection = op.get_bind()
    named = connection.execute(sa.text("SELECT DISTINCT account_id, url FROM notifications")).all()
    if not named:
        return
    hosts = {(row.account_id, row.url): _host(row.url) for row in named}
    connection.execute(
        sa.text(
            "INSERT INTO receivers (account_id, host, failures, reason, pauses) VALUES (:account_id, :host, 0, '', 0)"
        ),
        [
            {"account_id": account_id, "host": host}
            for account_id, host in sorted({(account_id, host) for (account_id, _), host in hosts.items()})
        ],
    )
    found = connection.execute(sa.text("SELECT account_id, host, receiver_id FROM receivers"))
    receivers = {(row.account_id, row.host): row.receiver_id for row in found}
    connection.execute(
        sa.text(
            "CREATE TEMPORARY TABLE links (account_id BIGINT, url TEXT, receiver_id BIGINT, PRIMARY KEY (account_id, url))"
        )
    )
    connection.execute(
        sa.text("INSERT INTO links VALUES (:account_id, :url, :receiver_id)"),
        [
            {"account_id": account_id, "url": url, "receiver_id": receivers[account_id, host]}
            for (account_id, url), host in hosts.items()
        ],
    )
    op.execute(
        "UPDATE notifications SET receiver_id = (SELECT links.receiver_id FROM links"
        " WHERE links.account_id = notifications.account_id AND links.url = notifications.url)"
    )
    op.execute("DROP TABLE links")


def _carry_secrets() -> None:
    op.create_table(
        "signing_secrets",
        sa.Column("secret_id", _ID, nullable=False),
        sa.Column("account_id", _BIG(), nullable=False),
        sa.Column("scheme", sa.String(), nullable=False),
        sa.Column("sealed", sa.String(), nullable=False),
        sa.Column("create_time", _BIG(), nullable=False),
        sa.Column("expire_time", _BIG(), nullable=True),
        sa.PrimaryKeyConstraint("secret_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("signing_secrets_account", "signing_secrets", ["account_id"])
    op.execute(
        "INSERT INTO signing_secrets (account_id, scheme, sealed, create_time) SELECT account_id, 'hmac_sha256', sealed, create_time FROM secrets"
    )
    op.drop_table("secrets")


def _put_work_into_lanes() -> None:
    """Keys are twice the call's number from now on: odd ones are for redeliveries."""
    op.rename_table("notify_work", "notify_work_before")
    for name in ("due", "leased", "ready"):
        op.drop_index(f"notify_work_{name}", "notify_work_before")
    op.create_table(
        "notify_work",
        sa.Column("key", _ID, autoincrement=False, nullable=False),
        sa.Column("account_id", _BIG(), nullable=False),
        sa.Column("lane", _BIG(), nullable=False),
        sa.Column("stage", sa.SmallInteger(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("due", _BIG(), nullable=False),
        sa.Column("token", _BIG(), nullable=False),
        sa.Column("expiries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    for name, columns, where in (
        ("due", ["due"], "state <> 0"),
        ("leased", ["stage", "account_id", "lane"], "state = 1"),
        ("delayed", ["stage", "account_id", "lane"], "state = 2"),
        ("ready", ["stage", "account_id", "lane", "priority", "key"], "state = 0"),
    ):
        op.create_index(
            f"notify_work_{name}", "notify_work", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )
    op.execute(
        "INSERT INTO notify_work SELECT w.key * 2, w.account_id, coalesce((SELECT n.receiver_id FROM notifications n WHERE n.call_session_id = w.key AND n.status = 'waiting'"
        " ORDER BY n.seq LIMIT 1), 0), w.stage, w.priority, w.state, w.due, w.token, w.expiries FROM notify_work_before w"
    )
    op.drop_table("notify_work_before")


def _carry_attempts() -> None:
    op.rename_table("attempts", "attempts_before")
    op.create_table(
        "attempts",
        sa.Column("notification_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("attempt_time", sa.BigInteger(), nullable=False),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("answer_head", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("notification_id", "number"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO attempts SELECT notification_id, number, attempt_time, latency_ms, outcome, http_status, reason, '' FROM attempts_before"
    )
    op.drop_table("attempts_before")


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return ""
    shown = f"[{host}]" if ":" in host else host
    return shown if port == _PORTS["https"] else f"{shown}:{port}"
