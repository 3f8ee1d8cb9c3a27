"""Options that say which calls a command means: the filters of ListCalls."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, TypeVar

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


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilters:
    """The filters that every command over calls takes, as they were typed."""

    status: Statuses = None
    direction: OfDirection = None
    lost: Lost = None
    from_: BeganFrom = None
    before: BeganBefore = None
    uploaded_from: UploadedFrom = None
    uploaded_before: UploadedBefore = None
    verdict: Verdicts = None
    employee: Employees = None
    tag: Tags = None
    number: Number = None

    def asked(self, request: type[Request]) -> Request:
        """A request with these filters."""
        return request(
            statuses=[value_of(CallStatus, each) for each in self.status or ()],
            direction=value_of(Direction, self.direction),
            is_lost=self.lost,
            start_time_from=timestamp(self.from_) if self.from_ else None,
            start_time_before=timestamp(self.before) if self.before else None,
            upload_time_from=timestamp(self.uploaded_from) if self.uploaded_from else None,
            upload_time_before=timestamp(self.uploaded_before) if self.uploaded_before else None,
            verdict_codes=self.verdict,
            employee_names=self.employee,
            tag_names=self.tag,
            number=self.number,
        )


NO_FILTERS = CallFilters()


def takes_filters(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer sees it: with an option for each of CallFilters in the place of its parameter `filters`, which gets them."""
    options = signature(CallFilters).parameters

    @wraps(command)
    def with_filters(**given: Any) -> None:
        filters = CallFilters(**{name: given.pop(name) for name in options})
        command(filters=filters, **given)

    seen: dict[str, Parameter] = {}
    for name, parameter in signature(command).parameters.items():
        seen |= options if name == "filters" else {name: parameter.replace(kind=Parameter.KEYWORD_ONLY)}
    with_filters.__signature__ = Signature(list(seen.values()))  # type: ignore[attr-defined] # what inspect looks for
    with_filters.__annotations__ = {name: parameter.annotation for name, parameter in seen.items()}
    return with_filters
