"""`calldock calls`."""

import time
from collections.abc import Iterator
from contextlib import suppress

import grpc
from calldock.intake.v1.call_pb2 import Call, CallStatus, Direction, Recording, RecordingStatus
from calldock.intake.v1.call_service_pb2 import (
    GetCallRequest,
    ListCallsRequest,
    LookupCallRequest,
    WatchCallsRequest,
    WatchCallsResponse,
)
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub
from calldock.media.v1.audio_pb2 import RecordingErrorCode
from rich.console import Console
from rich.table import Table

from services.cli.connect import DEADLINE_S, Door, WrongUsage
from services.cli.terminal_text import cell, json_of, one_line, wide_console
from services.cli.vcon import records_of
from services.shared.rpc.values import word_of

PAGE = 1000
AWAY_S = 1.0


def print_list(door: Door, asked: ListCallsRequest, limit: int, *, as_json: bool) -> None:
    """Prints the first calls of a list: a table, or one JSON object a line."""
    table = Table("call", "ext_id", "start (UTC)", "direction", "from", "to", "status", "error")
    for call in _first(door, asked, limit):
        if as_json:
            print(json_of(call))
        else:
            table.add_row(*map(cell, _row(call)))
    if not as_json:
        wide_console().print(table)


def find_call(door: Door, name: str, *, is_ext_id: bool) -> Call:
    """The call of this name: our number, or the account's id. Raises WrongUsage for what is neither; RpcError."""
    stub = CallServiceStub(door.channel)
    if is_ext_id:
        return stub.LookupCall(LookupCallRequest(ext_id=name), timeout=DEADLINE_S, metadata=door.metadata)
    if not (name.isascii() and name.isdigit() and len(name) <= 19):
        raise WrongUsage(f"{name} is no call_session_id; for the account's own id add --ext-id")
    return stub.GetCall(GetCallRequest(call_session_id=int(name)), timeout=DEADLINE_S, metadata=door.metadata)


def print_call(door: Door, name: str, *, is_ext_id: bool, as_json: bool) -> None:
    """Prints one call, by our number or by the account's id."""
    call = find_call(door, name, is_ext_id=is_ext_id)
    if as_json:
        print(json_of(call, indent=2))
        return
    console = wide_console()
    facts = Table(show_header=False, box=None)
    for title, value in zip(
        ("call", "ext_id", "start (UTC)", "direction", "from", "to", "status", "error"), _row(call), strict=True
    ):
        facts.add_row(title, cell(value))
    facts.add_row("reason", cell(call.error_message))
    facts.add_row("tags", cell(", ".join(tag.tag_name for tag in call.tags)))
    console.print(facts)
    if call.wav_records or call.mp3_records:
        console.print(_recordings(call))


def watch(door: Door, last: int, cursor: str, *, as_json: bool) -> None:
    """Prints calls as they come and as they change, one a line, until interrupted: the newest `last` ones first, or what follows a cursor. While calldock is away it waits, and goes on where it was."""
    console = Console(soft_wrap=True)
    with suppress(KeyboardInterrupt):
        while True:
            try:
                if not cursor:
                    newest, cursor = _newest_and_cursor(door, last)
                    for call in reversed(newest):
                        _print_change(
                            console,
                            WatchCallsResponse(
                                cursor=cursor, status=call.status, call=call, call_session_id=call.call_session_id
                            ),
                            as_json=as_json,
                        )
                for told in _changes(door, cursor):
                    if told.call_session_id:
                        _print_change(console, told, as_json=as_json)
                    cursor = told.cursor
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                Console(stderr=True).print("calldock is away, waiting", style="dim")
                time.sleep(AWAY_S)


def _newest_and_cursor(door: Door, count: int) -> tuple[list[Call], str]:
    """The newest calls, newest first, and where what follows them begins."""
    request = ListCallsRequest(page_size=max(1, count))
    page = CallServiceStub(door.channel).ListCalls(request, timeout=DEADLINE_S, metadata=door.metadata)
    return list(page.calls)[:count], page.watch_cursor


def _changes(door: Door, cursor: str) -> Iterator[WatchCallsResponse]:
    # Without a deadline: it goes on until it is interrupted.
    stream = CallServiceStub(door.channel).WatchCalls(WatchCallsRequest(cursor=cursor), metadata=door.metadata)
    try:
        yield from stream
    finally:
        stream.cancel()


def _print_change(console: Console, told: WatchCallsResponse, *, as_json: bool) -> None:
    if as_json:
        print(json_of(told), flush=True)
    else:
        status = "erased" if told.is_deleted else word_of(CallStatus, told.status)
        if not told.HasField("call"):
            since = "" if told.is_deleted else ", erased since"
            console.print(f"{told.call_session_id}  {status}{since}", markup=False, highlight=False)
            return
        number, ext_id, start, direction, caller, dialled, _, error = map(one_line, _row(told.call))
        console.print(f"{number}  {start}  {direction:3}  {caller} > {dialled}  {status} {error}  {ext_id}", markup=False, highlight=False)  # fmt: skip


def error_word(call: Call) -> str:
    """The contract's code of the call's error; empty when it has none."""
    return word_of(RecordingErrorCode, call.error_code) if call.error_code else ""


def figures(recording: Recording) -> str:
    """What was measured of a recording, in one line."""
    report = recording.audio_report
    parts = []
    if report.HasField("duration"):
        parts.append(f"{report.duration.ToTimedelta().total_seconds():.1f} s")
    if report.HasField("channel_count"):
        parts.append(f"{report.channel_count} ch")
    if report.HasField("sample_rate_hz"):
        parts.append(f"{report.sample_rate_hz} Hz")
    snr = [f"{channel.snr_db:.1f}" if channel.HasField("snr_db") else "-" for channel in report.channels]
    if snr:
        parts.append(f"SNR {' / '.join(snr)} dB")
    return ", ".join(parts)


def _recordings(call: Call) -> Table:
    table = Table("#", "recording", "employee", "status", "measured", "reason")
    for place, record in enumerate(records_of(call), start=1):
        known = record.recording
        status = word_of(RecordingStatus, known.status)
        row = (str(place), str(known.recording_id), record.employee_name, status, figures(known), known.error_message)
        table.add_row(*map(cell, row))
    return table


def _first(door: Door, asked: ListCallsRequest, limit: int) -> Iterator[Call]:
    stub = CallServiceStub(door.channel)
    token = ""
    while limit > 0:
        request = ListCallsRequest(page_size=min(limit, PAGE), page_token=token)
        request.MergeFrom(asked)
        page = stub.ListCalls(request, timeout=DEADLINE_S, metadata=door.metadata)
        yield from page.calls
        limit -= len(page.calls)
        token = page.next_page_token
        if not token:
            return


def _row(call: Call) -> tuple[str, ...]:
    return (
        str(call.call_session_id),
        call.ext_id,
        call.start_time.ToDatetime().strftime("%Y-%m-%d %H:%M:%S"),
        word_of(Direction, call.direction),
        call.calling_phone_number or "hidden",
        call.called_phone_number or "-",
        word_of(CallStatus, call.status),
        error_word(call),
    )
