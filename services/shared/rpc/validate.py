"""The rules that stand in the protos (buf.validate), checked before a handler sees the request."""

from collections.abc import Collection

from google.protobuf.message import Message
from protovalidate import Validator, Violation

from services.shared.errors import Mnemonic, Path, Refusal, Refusals
from services.shared.rpc.status import Check

_validator = Validator()


def check_rules(*, except_methods: Collection[str] = ()) -> Check:
    """Refuses a request that breaks its message's rules. Methods whose requests the domain checks itself are left alone."""

    def check(method: str, request: Message) -> None:
        if method not in except_methods:
            refuse_violations(request)

    return check


def refuse_violations(message: Message) -> None:
    """Raises Refusals when the message breaks its rules: `required` is required_parameter_missed, anything else invalid_parameter_value."""
    violations = _validator.collect_violations(message)
    if violations:
        raise Refusals([refusal_of(violation) for violation in violations])


def refusal_of(violation: Violation) -> Refusal:
    """One protovalidate violation in the domain's words."""
    is_missing = violation.proto.rule_id == "required"
    mnemonic = Mnemonic.REQUIRED_PARAMETER_MISSED if is_missing else Mnemonic.INVALID_PARAMETER_VALUE
    return Refusal(mnemonic, path=_path(violation), why=violation.proto.message)


def _path(violation: Violation) -> Path:
    field = violation.proto.field
    path: list[str | int] = []
    for element in field.elements if field is not None else ():
        path.append(element.field_name)
        if element.subscript is not None and element.subscript.field == "index":
            path.append(int(element.subscript.value))
    return tuple(path)
