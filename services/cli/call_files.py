"""Files of calls: JSON, JSON lines and CSV, read a call at a time; and the report of refused calls, in the same form, to be mended and uploaded again."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from services.cli.connect import CommandFailed, WrongUsage
from services.cli.formula_guard import unguarded

ERROR_COLUMN = "upload_error"
"""The column, or member, in which a report says what is wrong. It is passed over when the report is uploaded."""

EXPORT_COLUMN = "call_session_id"
"""What only an export has: its cells are guarded against being run as formulas (docs/export.md)."""

_PHONE_NUMBERS = ("calling_phone_number", "called_phone_number")
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_NUMBERS = (
    "wait_duration",
    "talk_duration",
    "visitor_session_id",
    "campaign_id",
    "source_id",
    "site_id",
    "employee_id",
    "tag_id",
)


@dataclass(frozen=True, slots=True)
class FileCall:
    """One call of a file: where it stands (line, or place in an array, from 1), as it stood, and in the contract's JSON; or why it cannot be read."""

    place: int
    raw: Mapping[str, Any]
    call: Mapping[str, Any] | None
    error: str = ""


def read_calls(path: Path) -> Iterator[FileCall]:
    """The calls of a .json, .jsonl or .csv file. Raises WrongUsage for another ending, CommandFailed when the file cannot be read so."""
    readers = {".json": _read_json, ".jsonl": _read_json_lines, ".ndjson": _read_json_lines, ".csv": _read_csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise WrongUsage(f"{path.name}: a file of calls ends in .json, .jsonl or .csv")
    try:
        yield from reader(path)
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{path.name} is not UTF-8 at byte {error.start}: save it as UTF-8") from error
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}") from error


def count_calls(path: Path) -> int:
    """About how many calls a file holds, for a progress bar: its lines, or the elements of its array."""
    return sum(1 for _ in read_calls(path))


class Report:
    """The refused calls of an upload, written as they come, in the form of the file they came from. No file is made while there are none."""

    def __init__(self, path: Path, source: Path) -> None:
        self.path = path
        self.count = 0
        self._is_csv = source.suffix.lower() == ".csv"
        self._file: IO[str] | None = None
        self._writer: csv.DictWriter[str] | None = None

    def add(self, refused: FileCall, error: str) -> None:
        """Writes one refused call with what is wrong."""
        self.count += 1
        row = {**{name: value for name, value in refused.raw.items() if name != ERROR_COLUMN}, ERROR_COLUMN: error}
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8", newline="")
            if self._is_csv:
                self._writer = csv.DictWriter(self._file, fieldnames=list(row))
                self._writer.writeheader()
        if self._writer is not None:
            self._writer.writerow(row)
        else:
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Finishes the file, if there is one."""
        if self._file is not None:
            self._file.close()


def report_path(source: Path) -> Path:
    """Where the report of a file lies by default: `calls.refused.csv` beside `calls.csv`; JSON of either kind is reported as lines."""
    suffix = ".csv" if source.suffix.lower() == ".csv" else ".jsonl"
    stem = source.stem.removesuffix(".refused")
    fresh = source.with_name(f"{stem}.refused{suffix}")
    return fresh if fresh != source else source.with_name(f"{stem}.refused.refused{suffix}")


def _read_json(path: Path) -> Iterator[FileCall]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise CommandFailed(
            f"{path.name} is not JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from error
    calls = content.get("calls") if isinstance(content, dict) else content
    if not isinstance(calls, list):
        raise CommandFailed(f"{path.name} must hold an array of calls, or an object with the member calls")
    for place, call in enumerate(calls, start=1):
        yield _from_json(place, call)


def _read_json_lines(path: Path) -> Iterator[FileCall]:
    with path.open(encoding="utf-8") as file:
        for place, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield _from_json(place, json.loads(line))
            except json.JSONDecodeError as error:
                yield FileCall(
                    place, {"line": line.rstrip("\n")}, None, f"not JSON: {error.msg} at column {error.colno}"
                )


def _from_json(place: int, call: Any) -> FileCall:
    if not isinstance(call, dict):
        return FileCall(place, {"line": call}, None, "a call is an object")
    return FileCall(place, call, {name: value for name, value in call.items() if name != ERROR_COLUMN})


def _read_csv(path: Path) -> Iterator[FileCall]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        sample = file.read(4096)
        file.seek(0)
        delimiter = ";" if sample.partition("\n")[0].count(";") > sample.partition("\n")[0].count(",") else ","
        rows = csv.DictReader(file, delimiter=delimiter, restkey="", strict=False)
        if not rows.fieldnames or "ext_id" not in rows.fieldnames:
            raise CommandFailed(f"{path.name}: the first line must name the fields, ext_id among them")
        read = unguarded if EXPORT_COLUMN in rows.fieldnames else str
        for row in rows:
            raw = {name: value for name, value in row.items() if name and name != ERROR_COLUMN}
            if row.get(""):
                yield FileCall(rows.line_num, raw, None, "the line has more cells than the first line has names")
                continue
            call: dict[str, Any] = {}
            try:
                for name, cell in raw.items():
                    _put(call, name, read(cell or ""))
            except ValueError as error:
                yield FileCall(rows.line_num, raw, None, str(error))
                continue
            yield FileCall(rows.line_num, raw, call)


def _put(call: dict[str, Any], name: str, cell: str) -> None:
    """Puts a cell where its column's name says: `comment`, `callback.url`, `wav_records.0.record_url`. An empty cell is nothing, but for telephone numbers."""
    if cell == "" and name not in _PHONE_NUMBERS:
        return
    *above, last = name.split(".")
    inner: Any = call
    for part, following in zip(above, (*above[1:], last), strict=False):
        inner = _within(inner, part, [] if following.isdigit() else {}, name)
    value = _value(last, cell, name)
    if isinstance(inner, list):
        raise ValueError(f"{name}: a column of a list names its member, such as {name}.record_url")  # noqa: TRY004
    inner[last] = value


def _within(inner: Any, part: str, fresh: Any, name: str) -> Any:
    if not isinstance(inner, list):
        return inner.setdefault(part, fresh)
    if not part.isdigit() or int(part) > len(inner):
        raise ValueError(f"{name}: lists are numbered 0, 1, 2 without gaps")
    if int(part) == len(inner):
        inner.append(fresh)
    return inner[int(part)]


def _value(last: str, cell: str, name: str) -> Any:
    if last in ("is_lost", "is_transfer"):
        if cell.strip().lower() not in _BOOLEANS:
            raise ValueError(f"{name}: true or false is due, not {cell}")
        return _BOOLEANS[cell.strip().lower()]
    if last in _NUMBERS:
        return _number(cell, name)
    if last == "events":
        return cell.replace(",", " ").split()
    if last == "tags":
        return [{"tag_name": tag.strip()} for tag in cell.split("|") if tag.strip()]
    return cell


def _number(cell: str, name: str) -> int | float:
    try:
        return int(cell)
    except ValueError:
        pass
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        raise ValueError(f"{name}: a number is due, not {cell}") from None
