"""intake's tables. Times are moments in UTC; words are stored as the domain spells them."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from services.shared.db.tables import BIG_ID, Moment, index_where
from services.shared.db.work_table import WorkTable, token_column, work_columns

METADATA = MetaData()

_KEPT = "source_key IS NOT NULL OR audio_key IS NOT NULL"
_FORGETTING = "calls_keep_s IS NOT NULL OR payloads_keep_s IS NOT NULL"


class Row(SQLModel):
    """What intake's tables share: their own metadata."""

    metadata: ClassVar[MetaData] = METADATA


class AccountRow(Row, table=True):
    """One customer of the installation."""

    __tablename__ = "accounts"
    __table_args__ = (index_where(_FORGETTING, "accounts_retention", "account_id"), {"sqlite_autoincrement": True})

    account_id: int | None = Field(default=None, sa_column=Column(BIG_ID, primary_key=True))
    name: str
    time_zone: str
    region: str
    has_call_upload: bool = True
    has_voice_analysis: bool
    is_active: bool = True
    minute_limit: int | None = Field(default=None, sa_column=Column(BigInteger))
    day_limit: int | None = Field(default=None, sa_column=Column(BigInteger))
    allowed_networks: list[str] = Field(sa_column=Column(JSON, nullable=False))
    audio: dict[str, object] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    audio_version: int = 1
    calls_keep_s: int | None = Field(default=None, sa_column=Column(BigInteger))
    recordings_keep_s: int | None = Field(default=None, sa_column=Column(BigInteger))
    sources_keep_s: int | None = Field(default=None, sa_column=Column(BigInteger))
    payloads_keep_s: int | None = Field(default=None, sa_column=Column(BigInteger))
    ext_ids_keep_s: int | None = Field(default=None, sa_column=Column(BigInteger))
    request_id: str | None = Field(default=None, unique=True)
    create_time: datetime = Field(sa_column=Column(Moment, nullable=False))


class TokenRow(Row, table=True):
    """An access token, by its hash."""

    __tablename__ = "tokens"
    __table_args__: ClassVar[dict[str, object]] = {"sqlite_autoincrement": True}

    token_id: int | None = Field(default=None, sa_column=Column(BIG_ID, primary_key=True))
    token_sha256: bytes = Field(sa_column=Column(LargeBinary, nullable=False, unique=True))
    name: str = ""
    account_id: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    role: str
    is_blocked: bool = False
    expire_time: datetime | None = Field(default=None, sa_column=Column(Moment))
    create_time: datetime = Field(sa_column=Column(Moment, nullable=False))


class AgentAccountRow(Row, table=True):
    """An account for which an agent's token acts, beside its own."""

    __tablename__ = "agent_accounts"

    token_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    account_id: int = Field(sa_column=Column(BigInteger, primary_key=True))


class SpentPointsRow(Row, table=True):
    """What an account has spent of its limits in the minute and the day that began at these moments."""

    __tablename__ = "spent_points"

    account_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    minute_time: datetime = Field(sa_column=Column(Moment, nullable=False))
    minute_points: int = Field(sa_column=Column(BigInteger, nullable=False))
    day_time: datetime = Field(sa_column=Column(Moment, nullable=False))
    day_points: int = Field(sa_column=Column(BigInteger, nullable=False))


class TagRow(Row, table=True):
    """A label of the account. Names compare exactly."""

    __tablename__ = "tags"
    __table_args__ = (UniqueConstraint("account_id", "name"), {"sqlite_autoincrement": True})

    tag_id: int | None = Field(default=None, sa_column=Column(BIG_ID, primary_key=True))
    account_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    name: str
    is_system: bool = False


class EmployeeRow(Row, table=True):
    """A person of the account. `name_key` is the name with case and spaces folded."""

    __tablename__ = "employees"
    __table_args__ = (UniqueConstraint("account_id", "name_key"), {"sqlite_autoincrement": True})

    employee_id: int | None = Field(default=None, sa_column=Column(BIG_ID, primary_key=True))
    account_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    full_name: str
    name_key: str


class SiteRow(Row, table=True):
    """A web site of the account. Sites, campaigns, sources and visitor sessions have numbers within their account, which may bring its own."""

    __tablename__ = "sites"
    __table_args__ = (UniqueConstraint("account_id", "name"),)

    account_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    site_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    name: str


class SiteNumberRow(Row, table=True):
    """A telephone number that belongs to a site."""

    __tablename__ = "site_numbers"
    __table_args__ = (Index("site_numbers_site", "account_id", "site_id"),)

    account_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    phone_number: str = Field(primary_key=True)
    site_id: int = Field(sa_column=Column(BigInteger, nullable=False))


class CampaignRow(Row, table=True):
    """An advertising campaign of the account."""

    __tablename__ = "campaigns"
    __table_args__ = (UniqueConstraint("account_id", "name"),)

    account_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    campaign_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    name: str
    is_active: bool = True


class SourceRow(Row, table=True):
    """A traffic source of the account."""

    __tablename__ = "sources"
    __table_args__ = (UniqueConstraint("account_id", "name"),)

    account_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    source_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    name: str


class VisitorSessionRow(Row, table=True):
    """A visit that may lead to a call, with what it carries."""

    __tablename__ = "visitor_sessions"

    account_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    visitor_session_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    site_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    campaign_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    source_id: int | None = Field(default=None, sa_column=Column(BigInteger))


class CallRow(Row, table=True):
    """A call. `event_seq` numbers its notifications and only grows; ids of deleted calls do not come again."""

    __tablename__ = "calls"
    __table_args__ = (
        UniqueConstraint("account_id", "ext_id"),
        Index("calls_newest", "account_id", "call_session_id"),
        Index("calls_start", "account_id", "start_time"),
        Index("calls_uploaded", "account_id", "upload_time", "call_session_id"),
        {"sqlite_autoincrement": True},
    )

    call_session_id: int | None = Field(default=None, sa_column=Column(BIG_ID, primary_key=True))
    account_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    ext_id: str
    direction: str
    calling_phone_number: str
    called_phone_number: str
    start_time: datetime = Field(sa_column=Column(Moment, nullable=False))
    finish_time: datetime = Field(sa_column=Column(Moment, nullable=False))
    is_lost: bool
    is_transfer: bool
    wait_ms: int | None = Field(default=None, sa_column=Column(BigInteger))
    talk_ms: int | None = Field(default=None, sa_column=Column(BigInteger))
    visitor_session_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    campaign_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    source_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    site_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    comment: str
    callback_url: str | None = None
    callback_events: str = ""
    status: str
    error_code: str | None = None
    error_message: str = ""
    uploads: int = 1
    event_seq: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    fingerprint: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    ext_request_id: str = ""
    upload_time: datetime = Field(sa_column=Column(Moment, nullable=False))
    status_time: datetime = Field(sa_column=Column(Moment, nullable=False))
    new_time: datetime = Field(sa_column=Column(Moment, nullable=False))
    traceparent: str | None = None


class SaleRow(Row, table=True):
    """A sale that came of a call."""

    __tablename__ = "sales"
    __table_args__ = (Index("sales_call", "call_session_id"), {"sqlite_autoincrement": True})

    sale_id: int | None = Field(default=None, sa_column=Column(BIG_ID, primary_key=True))
    account_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    call_session_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    sale_time: datetime = Field(sa_column=Column(Moment, nullable=False))
    transaction_value: float
    comment: str = ""


class CallTagRow(Row, table=True):
    """A tag of a call, in upload order."""

    __tablename__ = "call_tags"
    __table_args__ = (
        ForeignKeyConstraint(["tag_id"], ["tags.tag_id"]),
        Index("call_tags_tag", "tag_id", "call_session_id"),
    )

    call_session_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    position: int = Field(primary_key=True)
    tag_id: int = Field(sa_column=Column(BigInteger, nullable=False))


class RecordingRow(Row, table=True):
    """A recording of a call. A key is set when the object under it is the one that counts; several rows of a call may share one."""

    __tablename__ = "recordings"
    __table_args__ = (
        UniqueConstraint("call_session_id", "position"),
        index_where(_KEPT, "recordings_kept", "recording_id"),
        index_where("employee_id IS NOT NULL", "recordings_employee", "employee_id", "call_session_id"),
        index_where("error_code IS NOT NULL", "recordings_refused", "account_id", "error_code", "call_session_id"),
        {"sqlite_autoincrement": True},
    )

    recording_id: int | None = Field(default=None, sa_column=Column(BIG_ID, primary_key=True))
    call_session_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    account_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    position: int
    format: str
    employee_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    employee_channel: str | None = None
    url: str
    status: str
    error_code: str | None = None
    error_message: str = ""
    fetch_failures: int = 0
    next_fetch_time: datetime | None = Field(default=None, sa_column=Column(Moment))
    audio_report: dict[str, object] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    source_key: str | None = None
    source_size_bytes: int | None = Field(default=None, sa_column=Column(BigInteger))
    source_sha256: str = ""
    source_sha512: str = ""
    audio_key: str | None = None
    audio_size_bytes: int | None = Field(default=None, sa_column=Column(BigInteger))


class HandedOverRow(Row, table=True):
    """A file that was handed over instead of a link, until its object goes. `call_session_id` is the call that named it."""

    __tablename__ = "handed_over_files"
    __table_args__ = (Index("handed_over_files_waiting", "account_id", "call_session_id"),)

    upload_id: str = Field(primary_key=True)
    account_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    key: str = Field(unique=True)
    format: str
    size_bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    sha256: str
    sha512: str
    expire_time: datetime = Field(sa_column=Column(Moment, nullable=False))
    call_session_id: int | None = Field(default=None, sa_column=Column(BigInteger))


class RecordingHostRow(Row, table=True):
    """What a recording host wants to see before it gives a file to the account: a request header, its value sealed."""

    __tablename__ = "recording_hosts"

    account_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    host: str = Field(primary_key=True)
    port: int = Field(primary_key=True)
    header_name: str
    sealed_value: str
    set_time: datetime = Field(sa_column=Column(Moment, nullable=False))


class OutboxRow(Row, table=True):
    """A notification that notify has not taken over yet."""

    __tablename__ = "outbox"
    __table_args__ = (UniqueConstraint("call_session_id", "seq"),)

    notification_id: str = Field(primary_key=True)
    call_session_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    account_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    ext_id: str
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    previous_seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    url: str
    event: str
    event_time: datetime = Field(sa_column=Column(Moment, nullable=False))
    error_code: str | None = None
    error_message: str = ""
    traceparent: str | None = None


class ChangeSeqRow(Row, table=True):
    """How many changes of its calls an account has had, and the last of them that is not kept any more."""

    __tablename__ = "change_seqs"

    account_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    last_seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    forgotten_seq: int = Field(sa_column=Column(BigInteger, nullable=False))


class CallChangeRow(Row, table=True):
    """A change of a call. `seq` numbers an account's changes in the order in which they were committed."""

    __tablename__ = "call_changes"
    __table_args__ = (Index("call_changes_time", "change_time"), {"sqlite_with_rowid": False})

    account_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    call_session_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    status: str
    change_time: datetime = Field(sa_column=Column(Moment, nullable=False))


class ErasureRow(Row, table=True):
    """A call that is gone, and that notify is yet to forget."""

    __tablename__ = "erasures"

    call_session_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    erase_time: datetime = Field(sa_column=Column(Moment, nullable=False))


class RememberedExtIdRow(Row, table=True):
    """The ext_id, as a hash, of a call that went by its account's retention."""

    __tablename__ = "remembered_ext_ids"
    __table_args__ = (
        Index("remembered_ext_ids_time", "forget_time"),
        {"sqlite_with_rowid": False},
    )

    account_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    ext_id_sha256: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    call_session_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    forget_time: datetime = Field(sa_column=Column(Moment, nullable=False))


class UsedLinkRow(Row, table=True):
    """A one-time link into the client area that was used, and by which request."""

    __tablename__ = "used_links"
    __table_args__ = (
        Index("used_links_account", "account_id"),
        Index("used_links_time", "forget_time"),
        {"sqlite_with_rowid": False},
    )

    link_id: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    account_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    request_id: str
    forget_time: datetime = Field(sa_column=Column(Moment, nullable=False))


class ObjectGarbageRow(Row, table=True):
    """The key of an object that nothing points to any more; it may be deleted from `not_before` on."""

    __tablename__ = "object_garbage"

    key: str = Field(primary_key=True)
    not_before: datetime = Field(sa_column=Column(Moment, nullable=False, index=True))


token_column(METADATA)
CALL_WORK = WorkTable(work_columns(METADATA, "call_work"))
OUTBOX_WORK = WorkTable(work_columns(METADATA, "outbox_work"))

FETCH, PROCESS = 0, 1
"""The stages of call_work."""
