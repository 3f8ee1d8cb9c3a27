"""Options that say which calls a command means: the filters of ListCalls."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeVar

import typer
from calldock.intake.v1.call_pb2 import CallStatus, Direction
from calldock.intake.v1.call_service_pb2 import DeleteCallsRequest, ListCallsRequest

from services.cli.moments import moment_of
from services.shared.clock import SystemClock
from services.shared.rpc.values import timestamp, value_of


class CallStatusWord(StrEnum):
    """Where a call stands."""

    NEW = "new"
    IN_PROCESS = "in_process"
    PROCESSED = "processed"
    ERROR = "error"
    CANCELLED = "cancelled"


class DirectionWord(StrEnum):
    """Which side dialled."""

    IN = "in"
    OUT = "out"


def _moment(text: str) -> datetime:
    try:
        return moment_of(text, SystemClock().now())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Statuses = Annotated[
    list[CallStatusWord] | None, typer.Option("--status", help="Only calls that stand there; repeatable.")
]
OfDirection = Annotated[DirectionWord | None, typer.Option("--direction", help="Only calls of this direction.")]
Lost = Annotated[bool | None, typer.Option("--lost/--answered", help="Only lost calls, or only successful ones.")]
BeganFrom = Annotated[
    datetime | None,
    typer.Option(
        "--from",
        parser=_moment,
        metavar="MOMENT",
        help="Only calls that began at it or later, such as 2026-11-02T10:00:00Z or 3d (three days ago).",
    ),
]
BeganBefore = Annotated[
    datetime | None,
    typer.Option("--before", parser=_moment, metavar="MOMENT", help="Only calls that began before it."),
]
UploadedFrom = Annotated[
    datetime | None,
    typer.Option("--uploaded-from", parser=_moment, metavar="MOMENT", help="Only calls uploaded at it or later."),
]
UploadedBefore = Annotated[
    datetime | None,
    typer.Option("--uploaded-before", parser=_moment, metavar="MOMENT", help="Only calls uploaded before it."),
]

Verdicts = Annotated[
    list[str] | None,
    typer.Option(
        "--verdict",
        metavar="CODE",
        help="Only calls with a recording of this verdict: accepted, or a code such as decode_error; repeatable.",
    ),
]
Employees = Annotated[
    list[str] | None,
    typer.Option("--employee", metavar="NAME", help="Only calls with a recording of this employee; repeatable."),
]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="NAME", help="Only calls with this tag; repeatable.")]
Number = Annotated[
    str | None,
    typer.Option(
        "--number", help="Only calls from or to this telephone number, however it is written, or to 4 or more digits."
    ),
]
Text = Annotated[
    str | None,
    typer.Option(
        "--text", help="Only calls with these words in the ext_id, comment, numbers, or names of tags and employees."
    ),
]
Sort = Annotated[
    str | None,
    typer.Option(
        "--sort",
        metavar="ORDER",
        help="call_session_id, start_time or upload_time; with desc for the greatest first: 'start_time desc'.",
    ),
]

Request = TypeVar("Request", ListCallsRequest, DeleteCallsRequest)


def filtered(
    request: type[Request],
    status: list[CallStatusWord] | None,
    direction: DirectionWord | None,
    lost: bool | None,
    began_from: datetime | None,
    began_before: datetime | None,
    uploaded_from: datetime | None,
    uploaded_before: datetime | None,
    verdict: list[str] | None,
    employee: list[str] | None,
    tag: list[str] | None,
    number: str | None,
) -> Request:
    """A request with these filters."""
    return request(
        statuses=[value_of(CallStatus, each) for each in status or ()],
        direction=value_of(Direction, direction),
        is_lost=lost,
        start_time_from=timestamp(began_from) if began_from else None,
        start_time_before=timestamp(began_before) if began_before else None,
        upload_time_from=timestamp(uploaded_from) if uploaded_from else None,
        upload_time_before=timestamp(uploaded_before) if uploaded_before else None,
        verdict_codes=verdict,
        employee_names=employee,
        tag_names=tag,
        number=number,
    )
