"""Between protobuf's values and the domain's: the words of enums, moments."""

import re
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

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


@lru_cache(maxsize=64)
def _prefix(name: str) -> str:
    """What all values of an enum begin with, by the protos' lint: `CALL_STATUS_` for CallStatus."""
    return f"{re.sub('(?<=[a-z])(?=[A-Z])', '_', name).upper()}_"
