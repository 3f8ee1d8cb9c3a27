"""Between protobuf's values and the domain's: the words of enums, moments, the fields that an update names."""

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.shared.clock import EPOCH
from services.shared.errors import Mnemonic, Refusal

if TYPE_CHECKING:
    # The generic wrapper stands in the stubs alone.
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper

V = TypeVar("V", bound=int)


def word_of(enum: "_EnumTypeWrapper[V]", value: V) -> str:
    """The domain's word for a value: `in_process` for CALL_STATUS_IN_PROCESS. Raises ValueError for a number that the enum does not have."""
    return enum.Name(value).removeprefix(_prefix(enum.DESCRIPTOR.name)).lower()


def value_of(enum: "_EnumTypeWrapper[V]", word: str | None) -> V:
    """The value of one of the domain's words; that of UNSPECIFIED when there is none. Raises ValueError for a word that the enum does not have."""
    return enum.Value(f"{_prefix(enum.DESCRIPTOR.name)}{(word or 'unspecified').upper()}")


def timestamp(moment: datetime) -> Timestamp:
    """A moment as protobuf has it."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def read_moment(stamp: Timestamp, name: str) -> datetime:
    """A moment of a request. Raises Refusal for one beyond what a calendar holds."""
    try:
        return EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos / 1000)
    except OverflowError as error:
        raise Refusal(Mnemonic.INVALID_DATE_TIME, path=(name,), value=stamp.seconds) from error


def named_fields(message: Message, mask: FieldMask, known: Collection[str]) -> list[str]:
    """The fields that an update is to change: those of the mask, or else those that the message sets. Raises Refusal for a mask that names something else."""
    for name in mask.paths:
        if name not in known:
            why = f"one of {', '.join(known)} is due"
            raise Refusal(Mnemonic.UNEXPECTED_PARAMETERS, path=("update_mask", name), why=why)
    return list(mask.paths) or [field.name for field, _ in message.ListFields() if field.name in known]


@lru_cache(maxsize=64)
def _prefix(name: str) -> str:
    """What all values of an enum begin with, by the protos' lint: `CALL_STATUS_` for CallStatus."""
    return f"{re.sub('(?<=[a-z])(?=[A-Z])', '_', name).upper()}_"
