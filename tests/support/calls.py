"""Calls as calldock answers them."""

from collections.abc import Sequence
from typing import Any

from calldock.intake.v1.call_pb2 import Call
from google.protobuf.json_format import ParseDict


def a_call(*, tags: Sequence[str] = (), **fields: Any) -> Call:
    """A good inbound call that was processed, number 17, in REST JSON's spelling of fields."""
    facts: dict[str, Any] = {
        "call_session_id": "17",
        "ext_id": "call-1",
        "direction": "DIRECTION_IN",
        "calling_phone_number": "+79262444397",
        "called_phone_number": "+74955140576",
        "start_time": "2026-11-02T07:00:00Z",
        "finish_time": "2026-11-02T07:01:30Z",
        "status": "CALL_STATUS_PROCESSED",
        "upload_time": "2026-11-02T08:00:00.250Z",
        "status_time": "2026-11-02T08:00:05Z",
        "upload_count": 1,
        "tags": [{"tag_id": str(place), "tag_name": name} for place, name in enumerate(tags, start=1)],
    }
    return ParseDict({**facts, **fields}, Call())
