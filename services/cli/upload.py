"""`calldock upload`: a file of calls in batches. Safe to repeat: what is stored already is answered as a duplicate."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from calldock.intake.v1.call_pb2 import CallDraft
from calldock.intake.v1.call_service_pb2 import UploadCallsRequest, UploadCallsResponse, UploadedCall, UploadPriority
from calldock.intake.v1.call_service_pb2_grpc import CallServiceStub
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.cli.call_files import FileCall, Report, count_calls, read_calls
from services.cli.connect import DEADLINE_S, CommandFailed, Door, asked_until_there
from services.cli.drafts import NotADraft, call_draft
from services.cli.local_files import BATCH_SENT_BYTES, LocalFiles, WrongFile
from services.shared.rpc.values import word_of

BATCH_CALLS = 500
BATCH_BYTES = 400_000
"""Below the limit of a request, whatever the calls weigh as JSON."""


@dataclass(slots=True)
class Tally:
    """What became of the calls: how many of each outcome, how many refused; `differing` counts duplicates that say something else than what is stored."""

    outcomes: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    differing: int = 0


@dataclass(frozen=True, slots=True)
class _Draft:
    """A call on its way; `error` says why it cannot even be sent."""

    source: FileCall
    message: CallDraft
    error: str = ""


def upload_file(
    door: Door, path: Path, recordings: Path, report: Report, *, is_backfill: bool, dry_run: bool, console: Console
) -> Tally:
    """Uploads a file of calls, with the recordings that it names in a folder, and writes what was refused to the report. Raises CommandFailed when calldock stays away; what was taken until then is taken."""
    tally = Tally()
    uploader = _Uploader(door, report, tally, is_backfill=is_backfill, dry_run=dry_run)
    files = LocalFiles(door, recordings, dry_run=dry_run)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("checking" if dry_run else "uploading", total=count_calls(path))
        try:
            for batch in _batches(_drafts(read_calls(path), files), files):
                uploader.send(batch)
                progress.update(task, completed=sum(tally.outcomes.values()) + tally.refused)
        finally:
            report.close()
    return tally


def print_tally(tally: Tally, report: Report, *, dry_run: bool, as_json: bool) -> None:
    """Prints what became of the calls."""
    facts = {**dict(sorted(tally.outcomes.items())), "refused": tally.refused}
    if tally.differing:
        facts["duplicates_that_differ"] = tally.differing
    if as_json:
        print(json.dumps({**facts, "report": str(report.path) if report.count else None}, ensure_ascii=False))
        return
    table = Table(show_header=False, box=None)
    for name, count in facts.items():
        table.add_row(name.replace("_", " "), f"{count:,}")
    console = Console(soft_wrap=True)
    console.print(table)
    if dry_run:
        console.print("Nothing was stored: this was a dry run.")
    if report.count:
        console.print(
            f"What was refused, and why, stands in {escape(str(report.path))}: mend it there and upload that file."
        )


class _Uploader:
    """Sends batches; a batch with wrong calls is sent again without them."""

    def __init__(self, door: Door, report: Report, tally: Tally, *, is_backfill: bool, dry_run: bool) -> None:
        self._stub = CallServiceStub(door.channel)
        self._metadata = door.metadata
        self._report = report
        self._tally = tally
        self._dry_run = dry_run
        self._priority = UploadPriority.UPLOAD_PRIORITY_BACKFILL if is_backfill else UploadPriority.UPLOAD_PRIORITY_LIVE

    def send(self, batch: list[_Draft]) -> None:
        """Uploads a batch, or only checks it. What is refused goes to the report in the order of the file."""
        wrong = {place: draft.error for place, draft in enumerate(batch) if draft.error}
        readable = [place for place, draft in enumerate(batch) if not draft.error]
        if self._dry_run or not self._taken([batch[place] for place in readable]):
            found = self._wrong([batch[place] for place in readable])
            wrong |= {readable[place]: told for place, told in found.items()}
            good = [batch[place] for place in readable if place not in wrong]
            if self._dry_run:
                self._tally.outcomes["good"] += len(good)
            elif not found or not self._taken(good):
                raise CommandFailed("calldock refused a batch without saying which of its calls is wrong: try again")
        for place, told in sorted(wrong.items()):
            self._tally.refused += 1
            self._report.add(batch[place].source, told)

    def _taken(self, batch: list[_Draft]) -> bool:
        """Uploads calls and counts what became of them; False when one of them is wrong."""
        if not batch:
            return True
        try:
            self._upload(batch)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
                raise
            return False
        return True

    def _upload(self, batch: list[_Draft]) -> None:
        request = UploadCallsRequest(calls=[draft.message for draft in batch], priority=self._priority)
        for call in self._asked(request).calls:
            self._tally.outcomes[word_of(UploadedCall.Outcome, call.outcome)] += 1
            self._tally.differing += call.differs

    def _wrong(self, batch: list[_Draft]) -> dict[int, str]:
        """What is wrong with which call of a batch."""
        if not batch:
            return {}
        request = UploadCallsRequest(calls=[draft.message for draft in batch], validate_only=True)
        wrong: dict[int, list[str]] = {}
        for violation in self._asked(request).violations:
            place, _, name = violation.field.removeprefix("calls[").partition("]")
            # The file's columns have the contract's names.
            column = name.lstrip(".").replace("_wall_time", "_time")
            wrong.setdefault(int(place), []).append(f"{column}: {violation.description}")
        return {place: "; ".join(told) for place, told in wrong.items()}

    def _asked(self, request: UploadCallsRequest) -> UploadCallsResponse:
        """Asks, and asks again while calldock is away."""
        return asked_until_there(
            lambda: self._stub.UploadCalls(request, timeout=DEADLINE_S, metadata=self._metadata, wait_for_ready=True)
        )


def _drafts(calls: Iterable[FileCall], files: LocalFiles) -> Iterator[_Draft]:
    for source in calls:
        if source.call is None:
            yield _Draft(source, CallDraft(), source.error)
            continue
        try:
            yield _Draft(source, files.hand_over(call_draft(source.call)))
        except (NotADraft, WrongFile) as error:
            yield _Draft(source, CallDraft(), str(error))


def _batches(drafts: Iterable[_Draft], files: LocalFiles) -> Iterator[list[_Draft]]:
    batch: list[_Draft] = []
    size = sent = 0
    for draft in drafts:
        weight = draft.message.ByteSize()
        waiting = files.sent_bytes - sent
        if batch and (len(batch) == BATCH_CALLS or size + weight > BATCH_BYTES or waiting > BATCH_SENT_BYTES):
            yield batch
            batch, size, sent = [], 0, files.sent_bytes
        batch.append(draft)
        size += weight
    if batch:
        yield batch
