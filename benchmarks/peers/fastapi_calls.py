"""What a user would write instead of calldock: calls taken in over JSON by FastAPI, checked by pydantic, kept by SQLModel in SQLite.

Run: `python fastapi_calls.py` once, then `uvicorn fastapi_calls:app --loop uvloop --http httptools`; `CALLS_DB` names the file. Calldock is not imported: the fields and rules are those of docs/contract.md 1-5, the
answer is that of `POST /v1/calls:upload`, one commit a request, as durable as ours (WAL, synchronous=FULL). It does less: no recordings are fetched, nobody is notified, nothing
is watched, no points are counted, and its errors are pydantic's own.
"""

import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import phonenumbers
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, ConfigDict, model_validator
from pydantic import Field as Rule
from sqlalchemy import JSON, Column, Engine, LargeBinary, UniqueConstraint, event
from sqlmodel import Field, Session, SQLModel, col, create_engine, select

MAX_CALLS = 500
REGION, ZONE = "RU", ZoneInfo("Europe/Moscow")
TOKEN = "a-token-of-the-peer"
Moment = Annotated[str, Rule(pattern=r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,3})?$")]
Name = Annotated[str, Rule(min_length=1, max_length=255)]
Id = Annotated[int, Rule(ge=1, le=2**53)]
Seconds = Annotated[float, Rule(ge=0)]


class Token(SQLModel, table=True):
    """An access token, by its hash."""

    token_sha256: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    account_id: int


class Tag(SQLModel, table=True):
    """A label of the account."""

    __table_args__ = (UniqueConstraint("account_id", "name"),)
    tag_id: int | None = Field(default=None, primary_key=True)
    account_id: int
    name: str


class Employee(SQLModel, table=True):
    """A person of the account; `name_key` is the name with case and spaces folded."""

    __table_args__ = (UniqueConstraint("account_id", "name_key"),)
    employee_id: int | None = Field(default=None, primary_key=True)
    account_id: int
    full_name: str
    name_key: str


class Call(SQLModel, table=True):
    """A call."""

    __table_args__ = (UniqueConstraint("account_id", "ext_id"),)
    call_session_id: int | None = Field(default=None, primary_key=True)
    account_id: int
    ext_id: str
    direction: str
    calling_phone_number: str
    called_phone_number: str
    start_time: datetime = Field(index=True)
    finish_time: datetime
    is_lost: bool
    is_transfer: bool
    wait_duration: float | None
    talk_duration: float | None
    visitor_session_id: int | None
    campaign_id: int | None
    source_id: int | None
    site_id: int | None
    comment: str
    callback: dict[str, Any] | None = Field(sa_column=Column(JSON))
    status: str
    upload_time: datetime


class CallTag(SQLModel, table=True):
    """A tag of a call."""

    call_session_id: int = Field(primary_key=True)
    position: int = Field(primary_key=True)
    tag_id: int


class Recording(SQLModel, table=True):
    """A recording of a call."""

    recording_id: int | None = Field(default=None, primary_key=True)
    call_session_id: int = Field(index=True)
    position: int
    format: str
    employee_id: int | None
    employee_channel: str | None
    url: str


class Strict(BaseModel):
    """What comes in: no member that is not known, no text where a number is due."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TagIn(Strict):
    """A tag by its id or its name."""

    tag_id: Id | None = None
    tag_name: Name | None = None


class RecordIn(Strict):
    """A recording."""

    employee_id: Id | None = None
    employee_name: Name | None = None
    employee_channel: Literal["left", "right"] | None = None
    record_url: Annotated[str, Rule(max_length=2048, pattern="^https?://")]


class CallbackIn(Strict):
    """Who is to be told."""

    url: Annotated[str, Rule(max_length=2048, pattern="^https?://")]
    events: Annotated[list[Literal["processed", "in_process", "error"]], Rule(min_length=1)]


class CallIn(Strict):
    """A call as it comes in."""

    ext_id: Name
    direction: Literal["in", "out"] = "in"
    calling_phone_number: Annotated[str, Rule(max_length=64)]
    called_phone_number: Annotated[str, Rule(max_length=64)]
    start_time: Moment
    finish_time: Moment
    is_lost: bool
    is_transfer: bool = False
    wait_duration: Seconds | None = None
    talk_duration: Seconds | None = None
    visitor_session_id: Id | None = None
    campaign_id: Id | None = None
    source_id: Id | None = None
    site_id: Id | None = None
    comment: Annotated[str, Rule(max_length=4000)] = ""
    tags: Annotated[list[TagIn], Rule(max_length=100)] = []
    wav_records: Annotated[list[RecordIn], Rule(max_length=50)] = []
    mp3_records: Annotated[list[RecordIn], Rule(max_length=50)] = []
    callback: CallbackIn | None = None

    @model_validator(mode="after")
    def _holds_together(self) -> "CallIn":
        if moment(self.finish_time) < moment(self.start_time):
            raise ValueError("finish_time lies before start_time")
        if self.wav_records and self.mp3_records:
            raise ValueError("wav_records and mp3_records exclude each other")
        self.calling_phone_number = e164(self.calling_phone_number, may_hide=self.direction == "in")
        self.called_phone_number = e164(self.called_phone_number, may_hide=self.direction == "out")
        return self


class UploadIn(Strict):
    """A request."""

    calls: Annotated[list[CallIn], Rule(min_length=1, max_length=MAX_CALLS)]


class CallOut(BaseModel):
    """What became of a call."""

    ext_id: str
    call_session_id: str
    outcome: str


class UploadOut(BaseModel):
    """An answer."""

    calls: list[CallOut]


@lru_cache(maxsize=4096)
def moment(text: str) -> datetime:
    """A wall-clock time as UTC: of two the earlier; one that does not exist is refused."""
    wall = datetime.fromisoformat(text).replace(tzinfo=ZONE)
    found = wall.astimezone(UTC)
    if found.astimezone(ZONE).replace(tzinfo=None) != wall.replace(tzinfo=None):
        raise ValueError(f"{text} does not exist")
    return found


def e164(number: str, *, may_hide: bool) -> str:
    """A number in E.164; nothing for one that is hidden."""
    if not number and may_hide:
        return ""
    for text in (number, f"+{number}"):
        try:
            parsed = phonenumbers.parse(text, REGION)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(parsed):
            return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    raise ValueError(f"{number} is no telephone number")


def open_engine() -> Engine:
    """SQLite as calldock opens it."""
    engine = create_engine(
        f"sqlite:///{os.environ['CALLS_DB']}", connect_args={"check_same_thread": False, "timeout": 30}
    )

    @event.listens_for(engine, "connect")
    def prepare(raw: Any, _record: object) -> None:
        raw.isolation_level = None
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


engine = open_engine()


app = FastAPI()


def make_tables() -> None:
    """Makes the tables, and one token."""
    SQLModel.metadata.create_all(engine)
    with Session(engine) as session:
        session.merge(Token(token_sha256=hashlib.sha256(TOKEN.encode()).digest(), account_id=1))
        session.commit()


async def opened() -> AsyncIterator[Session]:
    """A session of the request's own."""
    with Session(engine) as session:
        yield session


@app.get("/healthz")
def healthz() -> str:
    """Whether it serves."""
    return "ok"


@app.post("/v1/calls:upload")
async def upload(
    request: UploadIn, session: Annotated[Session, Depends(opened)], authorization: Annotated[str, Header()]
) -> UploadOut:
    """Stores the calls in one transaction, each ext_id once."""
    sha256 = hashlib.sha256(authorization.removeprefix("Bearer ").encode()).digest()
    token = session.get(Token, sha256)
    if token is None:
        raise HTTPException(401, "the token is not known")
    account_id = token.account_id
    known = _known(session, account_id, [call.ext_id for call in request.calls])
    tags = _tags(session, account_id, request.calls)
    employees = _employees(session, account_id, request.calls)
    now = datetime.now(UTC)
    made: dict[str, Call] = {}
    for call in request.calls:
        if call.ext_id not in known and call.ext_id not in made:
            made[call.ext_id] = _row(call, account_id, now)
    session.add_all(made.values())
    session.flush()
    outcomes, told = [], set()
    for call in request.calls:
        row = made.get(call.ext_id)
        if row is None or row.call_session_id is None or call.ext_id in told:
            outcomes.append((call.ext_id, known.get(call.ext_id) or (row and row.call_session_id), "OUTCOME_DUPLICATE"))
            continue
        told.add(call.ext_id)
        outcomes.append((call.ext_id, row.call_session_id, "OUTCOME_CREATED"))
        for position, tag in enumerate(call.tags):
            session.add(
                CallTag(
                    call_session_id=row.call_session_id,
                    position=position,
                    tag_id=tag.tag_id or tags[tag.tag_name or ""],
                )
            )
        for position, record in enumerate(call.wav_records or call.mp3_records):
            session.add(
                Recording(
                    call_session_id=row.call_session_id,
                    position=position,
                    format="wav" if call.wav_records else "mp3",
                    employee_id=record.employee_id or employees.get(_folded(record.employee_name or "")),
                    employee_channel=record.employee_channel,
                    url=record.record_url,
                )
            )
    session.commit()
    return UploadOut(
        calls=[
            CallOut(ext_id=ext_id, call_session_id=str(number), outcome=outcome) for ext_id, number, outcome in outcomes
        ]
    )


def _row(call: CallIn, account_id: int, now: datetime) -> Call:
    has_recordings = bool(call.wav_records or call.mp3_records)
    return Call(
        **call.model_dump(exclude={"tags", "wav_records", "mp3_records", "start_time", "finish_time"}),
        account_id=account_id,
        start_time=moment(call.start_time),
        finish_time=moment(call.finish_time),
        status="new" if has_recordings else "processed",
        upload_time=now,
    )


def _known(session: Session, account_id: int, ext_ids: list[str]) -> dict[str, int]:
    found = session.exec(
        select(Call.ext_id, Call.call_session_id).where(Call.account_id == account_id, col(Call.ext_id).in_(ext_ids))
    )
    return {ext_id: number for ext_id, number in found if number is not None}


def _tags(session: Session, account_id: int, calls: list[CallIn]) -> dict[str, int]:
    """The account's tags by name; those that are missing are made. Ids must be the account's."""
    names = {tag.tag_name for call in calls for tag in call.tags if tag.tag_id is None and tag.tag_name}
    ids = {tag.tag_id for call in calls for tag in call.tags if tag.tag_id is not None}
    if ids:
        ours = set(session.exec(select(Tag.tag_id).where(Tag.account_id == account_id, col(Tag.tag_id).in_(ids))))
        if ids - ours:
            raise HTTPException(400, "there is no such tag")
    found: dict[str, int] = {}
    if names:
        found = _numbers(
            session.exec(
                select(Tag.name, col(Tag.tag_id)).where(Tag.account_id == account_id, col(Tag.name).in_(names))
            ).all()
        )
    made = [Tag(account_id=account_id, name=name) for name in sorted(names - found.keys())]
    session.add_all(made)
    session.flush()
    return found | {tag.name: tag.tag_id for tag in made if tag.tag_id is not None}


def _employees(session: Session, account_id: int, calls: list[CallIn]) -> dict[str, int]:
    """The account's employees by their folded names; those that are missing are made. Ids must be the account's."""
    records = [record for call in calls for record in call.wav_records or call.mp3_records]
    names = {
        _folded(record.employee_name): record.employee_name
        for record in records
        if not record.employee_id and record.employee_name
    }
    ids = {record.employee_id for record in records if record.employee_id}
    if ids:
        ours = set(
            session.exec(
                select(Employee.employee_id).where(
                    Employee.account_id == account_id, col(Employee.employee_id).in_(ids)
                )
            )
        )
        if ids - ours:
            raise HTTPException(400, "there is no such employee")
    found: dict[str, int] = {}
    if names:
        found = _numbers(
            session.exec(
                select(Employee.name_key, col(Employee.employee_id)).where(
                    Employee.account_id == account_id, col(Employee.name_key).in_(names)
                )
            ).all()
        )
    made = [
        Employee(account_id=account_id, full_name=name, name_key=key) for key, name in names.items() if key not in found
    ]
    session.add_all(made)
    session.flush()
    return found | {employee.name_key: employee.employee_id for employee in made if employee.employee_id is not None}


def _numbers(rows: Sequence[tuple[str, int | None]]) -> dict[str, int]:
    return {name: number for name, number in rows if number is not None}


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


if __name__ == "__main__":
    make_tables()
