"""The lists of the JSON-RPC door (docs/contract.md 8): their fields, in the contract's order and spelling."""

from collections.abc import Mapping
from types import MappingProxyType

from services.intake.filters import Kind, ListFields

_CALL_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "ext_id": Kind.TEXT,
        "ext_request_id": Kind.TEXT,
        "upload_time": Kind.TIME,
        "direction": Kind.TEXT,
        "calling_phone_number": Kind.TEXT,
        "called_phone_number": Kind.TEXT,
        "start_time": Kind.TIME,
        "finish_time": Kind.TIME,
        "is_lost": Kind.BOOLEAN,
        "is_transfer": Kind.BOOLEAN,
        "wait_duration": Kind.SECONDS,
        "talk_duration": Kind.SECONDS,
        "visitor_session_id": Kind.WHOLE,
        "campaign_id": Kind.WHOLE,
        "source_id": Kind.WHOLE,
        "site_id": Kind.WHOLE,
        "comment": Kind.TEXT,
        "record_type": Kind.TEXT,
        "status": Kind.TEXT,
        "error_code": Kind.TEXT,
        "call_session_id": Kind.WHOLE,
    }
)
_ASKED_FOR_ONLY = ("upload_time", "callback", "tags", "records")

UPLOADED_CALLS = ListFields(
    kinds=_CALL_KINDS,
    shown=(*_CALL_KINDS, "callback", "tags", "records"),
    by_default=[name for name in _CALL_KINDS if name not in _ASKED_FOR_ONLY],
)

TAGS = ListFields(
    kinds={"id": Kind.WHOLE, "name": Kind.TEXT, "is_system": Kind.BOOLEAN},
    shown=("id", "name", "is_system"),
    by_default=("id", "name", "is_system"),
)

NO_EMPLOYEE_FACTS: Mapping[str, object] = MappingProxyType(
    {
        "first_name": None,
        "last_name": None,
        "patronymic": None,
        "login": None,
        "status": None,
        "status_id": None,
        "email": None,
        "calls_available": None,
        "allowed_in_call_types": [],
        "allowed_out_call_types": [],
        "in_external_allowed_call_directions": [],
        "in_internal_allowed_call_directions": [],
        "out_external_allowed_call_directions": [],
        "out_internal_allowed_call_directions": [],
        "call_recording": None,
        "schedule_id": None,
        "schedule_name": None,
        "coach": {},
        "groups": [],
        "phone_numbers": [],
        "extension": {},
        "operator": {},
    }
)
"""Names of the public API that a calldock employee has nothing to say to."""

EMPLOYEES = ListFields(
    kinds={"id": Kind.WHOLE, "full_name": Kind.TEXT},
    shown=("id", "full_name", *NO_EMPLOYEE_FACTS),
    by_default=("id", "full_name", *NO_EMPLOYEE_FACTS),
)
