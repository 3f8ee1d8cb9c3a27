"""What a receiver is told: exactly the contract's JSON object (docs/contract.md 7)."""

import json
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a call. `name` is processed, in_process or error."""

    name: str
    ext_id: str
    call_session_id: int
    event_time: datetime
    error_code: str | None = None
    error_message: str = ""


def payload(event: Event) -> str:
    """The JSON text. `call_session_id` comes with processed, code and message with error."""
    told: dict[str, object] = {"status": event.name, "ext_id": event.ext_id}
    if event.name == "processed":
        told["call_session_id"] = event.call_session_id
    told["timestamp"] = int(event.event_time.timestamp())
    if event.name == "error":
        told["error_message"] = event.error_message
        told["error_code"] = event.error_code or "internal_error"
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
