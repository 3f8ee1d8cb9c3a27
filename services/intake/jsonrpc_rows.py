"""Stored things as the JSON-RPC door shows them (docs/contract.md 8): times on the account's clock, numbers without the plus."""

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from services.intake.lists import NO_EMPLOYEE_FACTS
from services.intake.store.reading import StoredCall, StoredRecording
from services.intake.wall_time import to_wall


def call_row(call: StoredCall, zone: ZoneInfo) -> dict[str, object]:
    """A call with all of its fields."""
    row = call.row
    return {
        "ext_id": row.ext_id,
        "ext_request_id": row.ext_request_id or None,
        "upload_time": to_wall(row.upload_time, zone),
        "direction": row.direction,
        "calling_phone_number": row.calling_phone_number.removeprefix("+"),
        "called_phone_number": row.called_phone_number.removeprefix("+"),
        "start_time": to_wall(row.start_time, zone),
        "finish_time": to_wall(row.finish_time, zone),
        "is_lost": row.is_lost,
        "is_transfer": row.is_transfer,
        "wait_duration": _seconds(row.wait_ms),
        "talk_duration": _seconds(row.talk_ms),
        "visitor_session_id": row.visitor_session_id,
        "campaign_id": row.campaign_id,
        "source_id": row.source_id,
        "site_id": row.site_id,
        "comment": row.comment or None,
        "record_type": call.recordings[0].row.format if call.recordings else None,
        "status": row.status,
        "error_code": row.error_code,
        "call_session_id": row.call_session_id,
        "callback": {"url": row.callback_url, "events": row.callback_events.split(",")} if row.callback_url else {},
        "tags": [{"tag_id": tag_id, "tag_name": name} for tag_id, name in call.tags],
        "records": [_record(recording) for recording in call.recordings],
    }


def employee_row(employee: Mapping[str, object]) -> dict[str, object]:
    """An employee with all names of the public API; what calldock does not know is empty."""
    return {**employee, **NO_EMPLOYEE_FACTS}


def chosen(rows: Sequence[Mapping[str, object]], fields: Sequence[str]) -> list[dict[str, object]]:
    """The rows with the chosen fields, in the contract's order."""
    return [{name: row[name] for name in fields} for row in rows]


def _record(recording: StoredRecording) -> dict[str, object]:
    return {
        "employee_id": recording.row.employee_id,
        "employee_name": recording.employee_name or None,
        "employee_channel": recording.row.employee_channel,
        "record_url": recording.row.url,
    }


def _seconds(milliseconds: int | None) -> int | float | None:
    if milliseconds is None:
        return None
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000
