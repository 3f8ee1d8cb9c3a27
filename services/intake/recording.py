"""A recording on its way: where its objects lie, and what its verdict makes of the call (docs/contract.md 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from services.intake.draft import RecordingFormat

INTERNAL_ERROR = "internal_error"


class RecordingStatus(StrEnum):
    """Proto `RecordingStatus`."""

    WAITING = "waiting"
    FETCHED = "fetched"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingWork:
    """A recording as the loops see it."""

    recording_id: int
    position: int
    format: RecordingFormat
    employee_channel: str | None
    url: str
    status: RecordingStatus
    source_key: str | None
    error_code: str | None
    error_message: str
    fetch_failures: int = 0
    next_fetch_time: datetime | None = None
    """When the next try is due of a download that failed in a way that may pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A downloaded file: its key, size in bytes and digests. `sha512` is empty when media did not take it."""

    key: str
    size_bytes: int
    sha256: str
    sha512: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a recording was refused: the contract's code and the reason in words. One that is transient may pass."""

    code: str
    message: str
    is_transient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What media found of a recording. Accepted when there is no fault; then there is an MP3. The report is proto `AudioReport` as JSON."""

    fault: Fault | None
    report: Mapping[str, object] | None
    audio_key: str | None = None
    audio_size_bytes: int | None = None


def object_key(account_id: int, call_session_id: int, recording_id: int, token: int, extension: str) -> str:
    """Where a step of a recording writes. The token keeps late workers of a lost lease out of the way of the one that counts."""
    return f"{account_id}/{call_session_id}/{recording_id}/{token}.{extension}"


def source_extension(kind: RecordingFormat) -> str:
    """The ending of a downloaded file's key."""
    return kind.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """When a download that failed in a way that may pass is tried again: after each of the pauses, within a window from the moment that the call became new."""

    pauses: tuple[timedelta, ...] = (timedelta(seconds=2), timedelta(seconds=10), timedelta(seconds=30))
    window: timedelta = timedelta(minutes=10)

    def next_time(self, fault: Fault, failures: int, new_time: datetime, now: datetime) -> datetime | None:
        """When to try again after so many failures before this one; None when the fault stands."""
        if not fault.is_transient or failures >= len(self.pauses):
            return None
        again = now + self.pauses[failures]
        return again if again <= new_time + self.window else None


def final(fault: Fault, failures: int) -> Fault:
    """The fault as the contract tells it, with the number of tries when there were several."""
    if not failures:
        return fault
    return replace(fault, message=f"{fault.message} ({failures + 1} tries)")


def call_fault(recordings: Sequence[RecordingWork]) -> Fault | None:
    """The call's error: that of the first recording, in upload order, that was refused."""
    for recording in recordings:
        if recording.status is RecordingStatus.REFUSED:
            return Fault(
                code=recording.error_code or INTERNAL_ERROR,
                message=f"recording {recording.position + 1}{_joint(recording.error_message)}{recording.error_message}",
            )
    return None


def _joint(message: str) -> str:
    """`recording 2, customer's channel (right): ...`, but `recording 2: the server answered ...`."""
    return ", " if message.startswith(("customer's channel", "employee's channel")) else ": "


def due(recordings: Sequence[RecordingWork], now: datetime) -> list[RecordingWork]:
    """The recordings that do not wait for their next try."""
    return [each for each in recordings if each.next_fetch_time is None or each.next_fetch_time <= now]


def same_file(recordings: Sequence[RecordingWork], status: RecordingStatus) -> list[list[RecordingWork]]:
    """The recordings of a status, those that share one file and one employee's channel together: each group is done once."""
    groups: dict[tuple[str, str, str | None], list[RecordingWork]] = {}
    for recording in recordings:
        if recording.status is status:
            shared = recording.url if status is RecordingStatus.WAITING else recording.source_key or ""
            channel = None if status is RecordingStatus.WAITING else recording.employee_channel
            groups.setdefault((recording.format, shared, channel), []).append(recording)
    return list(groups.values())
