"""In which order ListCalls shows calls, and where a page of it ends. Every order ends in the call's number, so that no two calls stand at one place."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from services.shared.errors import Mnemonic, Refusal


class OrderField(StrEnum):
    """What calls can be sorted by: what an index has in its order."""

    CALL_SESSION_ID = "call_session_id"
    START_TIME = "start_time"
    UPLOAD_TIME = "upload_time"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOrder:
    """A field, from the least to the greatest or the other way, and calls that have it in common by their numbers the same way."""

    field: OrderField
    is_descending: bool


NEWEST_FIRST = CallOrder(field=OrderField.CALL_SESSION_ID, is_descending=True)


class Position(NamedTuple):
    """Where a call stands in an order: its value of the field, moments in microseconds, and its number."""

    value: int
    call_session_id: int


def read_order(text: str) -> CallOrder:
    """The order that AIP-132 spells `start_time desc` or `start_time`; newest first when nothing is said. Raises Refusal for one that is none of ours."""
    words = text.split()
    if not words:
        return NEWEST_FIRST
    name, *rest = words
    if name not in list(OrderField) or rest not in ([], ["desc"]):
        fields = ", ".join(OrderField)
        why = f"one of {fields} is due, with desc after it for the greatest first"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("order_by",), value=text, why=why)
    return CallOrder(field=OrderField(name), is_descending=bool(rest))
