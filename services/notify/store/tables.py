"""notify's tables."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Column, Index, MetaData
from sqlmodel import Field, SQLModel

from services.shared.db.tables import Moment
from services.shared.db.work_table import WorkTable, token_column, work_columns

METADATA = MetaData()


class Row(SQLModel):
    """What notify's tables share: their own metadata."""

    metadata: ClassVar[MetaData] = METADATA


class SecretRow(Row, table=True):
    """An account's signing secret, sealed."""

    __tablename__ = "secrets"

    account_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    sealed: str
    create_time: datetime = Field(sa_column=Column(Moment, nullable=False))


class NotificationRow(Row, table=True):
    """A notification. `body` is what is posted, byte for byte."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index("notifications_call", "call_session_id", "seq"),
        Index("notifications_account", "account_id", "notification_id"),
    )

    notification_id: str = Field(primary_key=True)
    account_id: int = Field(sa_column=Column(BigInteger, nullable=False))
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
    next_attempt_time: datetime | None = Field(default=None, sa_column=Column(Moment))


class AttemptRow(Row, table=True):
    """One POST of a notification."""

    __tablename__ = "attempts"

    notification_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    attempt_time: datetime = Field(sa_column=Column(Moment, nullable=False))
    latency_ms: int
    outcome: str
    http_status: int | None = None
    reason: str = ""


class CallOrderRow(Row, table=True):
    """How far a call's notifications have come: the last seq that was delivered or buried."""

    __tablename__ = "call_order"

    call_session_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    settled_seq: int = Field(sa_column=Column(BigInteger, nullable=False))


token_column(METADATA)
NOTIFY_WORK = WorkTable(work_columns(METADATA, "notify_work"))
