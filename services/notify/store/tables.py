"""notify's tables."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Column, Index, MetaData, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from services.shared.db.lane_work import LaneWorkTable
from services.shared.db.tables import BIG_ID, Moment
from services.shared.db.work_table import token_column, work_columns

METADATA = MetaData()

_OPEN = "status <> 'delivered'"
_ENDED = "end_time IS NOT NULL"
_BURIED = "status = 'buried'"
_FAILING = "failing_since IS NOT NULL"


class Row(SQLModel):
    """What notify's tables share: their own metadata."""

    metadata: ClassVar[MetaData] = METADATA


class SigningSecretRow(Row, table=True):
    """A secret that an account's notifications are signed with, sealed."""

    __tablename__ = "signing_secrets"
    __table_args__ = (Index("signing_secrets_account", "account_id"), {"sqlite_autoincrement": True})

    secret_id: int | None = Field(default=None, sa_column=Column(BIG_ID, primary_key=True))
    account_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    scheme: str
    sealed: str
    create_time: datetime = Field(sa_column=Column(Moment, nullable=False))
    expire_time: datetime | None = Field(default=None, sa_column=Column(Moment))


class CustomHeadersRow(Row, table=True):
    """The headers that an account's notifications carry, sealed as one."""

    __tablename__ = "custom_headers"

    account_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    sealed: str
    set_time: datetime = Field(sa_column=Column(Moment, nullable=False))


class ReceiverRow(Row, table=True):
    """A host as one account uses it, and how it stands. `report_time` is when its failing was last told to the operator."""

    __tablename__ = "receivers"
    __table_args__ = (
        UniqueConstraint("account_id", "host"),
        Index("receivers_failing", "failing_since", sqlite_where=text(_FAILING), postgresql_where=text(_FAILING)),
        {"sqlite_autoincrement": True},
    )

    receiver_id: int | None = Field(default=None, sa_column=Column(BIG_ID, primary_key=True))
    account_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    host: str
    failures: int = 0
    failing_since: datetime | None = Field(default=None, sa_column=Column(Moment))
    reason: str = ""
    pauses: int = 0
    probe_time: datetime | None = Field(default=None, sa_column=Column(Moment))
    last_delivered_time: datetime | None = Field(default=None, sa_column=Column(Moment))
    report_time: datetime | None = Field(default=None, sa_column=Column(Moment))


class NotificationRow(Row, table=True):
    """A notification. `body` is what is posted, byte for byte. `attempts` counts all, `failures` those since it was enqueued or last redelivered."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index("notifications_line", "call_session_id", "is_redelivery", "status", "seq"),
        Index("notifications_account", "account_id", "notification_id"),
        Index(
            "notifications_open",
            "account_id",
            "status",
            "notification_id",
            sqlite_where=text(_OPEN),
            postgresql_where=text(_OPEN),
        ),
        Index("notifications_receiver", "receiver_id", "notification_id"),
        Index("notifications_end", "end_time", sqlite_where=text(_ENDED), postgresql_where=text(_ENDED)),
        Index(
            "notifications_account_end",
            "account_id",
            "end_time",
            sqlite_where=text(_ENDED),
            postgresql_where=text(_ENDED),
        ),
        Index(
            "notifications_buried",
            "account_id",
            "end_time",
            sqlite_where=text(_BURIED),
            postgresql_where=text(_BURIED),
        ),
    )

    notification_id: str = Field(primary_key=True)
    account_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    receiver_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    call_session_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    ext_id: str
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    previous_seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    url: str
    event: str
    event_time: datetime = Field(sa_column=Column(Moment, nullable=False))
    body: str
    status: str
    attempts: int = 0
    failures: int = 0
    is_redelivery: bool = False
    is_test: bool = False
    next_attempt_time: datetime | None = Field(default=None, sa_column=Column(Moment))
    end_time: datetime | None = Field(default=None, sa_column=Column(Moment))
    bury_reason: str = ""
    traceparent: str | None = None


class AttemptRow(Row, table=True):
    """One POST of a notification."""

    __tablename__ = "attempts"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_with_rowid": False}

    notification_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    attempt_time: datetime = Field(sa_column=Column(Moment, nullable=False))
    latency_ms: int
    outcome: str
    http_status: int | None = None
    reason: str = ""
    answer_head: str = ""


class CallOrderRow(Row, table=True):
    """How far a call's notifications have come: the last seq that was delivered or buried. Of an erased call it is all that stays."""

    __tablename__ = "call_order"

    call_session_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    settled_seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    is_erased: bool = False


token_column(METADATA)
NOTIFY_WORK = LaneWorkTable(work_columns(METADATA, "notify_work", has_lanes=True))
"""Keys are those of `work_key`, lanes are receivers."""


def work_key(call_session_id: int, *, is_redelivery: bool) -> int:
    """The work of a call's notifications in their order, or of its redeliveries."""
    return call_session_id * 2 + is_redelivery


def line_of(key: int) -> tuple[int, bool]:
    """The call of a work key, and whether it is the line of its redeliveries."""
    return key // 2, bool(key % 2)
