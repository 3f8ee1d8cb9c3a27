"""The three kinds of "no" and the one table that says how each door spells them (docs/contract.md 8)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import partial
from types import MappingProxyType
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Where a refused value stands: `("calls", 0, "start_time")`. Each door spells it its own way."""


class Missing(Enum):
    """Stands for a value that did not come."""

    MISSING = "missing"


MISSING = Missing.MISSING


class Mnemonic(StrEnum):
    """The contract's names of errors."""

    PARSE_ERROR = "parse_error"
    INVALID_REQUEST = "invalid_request"
    BATCH_OPERATIONS_NOT_SUPPORTED = "batch_operations_not_supported"
    NOTIFICATIONS_NOT_SUPPORTED = "notifications_not_supported"
    METHOD_NOT_FOUND = "method_not_found"
    REQUIRED_PARAMETER_MISSED = "required_parameter_missed"
    UNEXPECTED_PARAMETERS = "unexpected_parameters"
    DATA_TYPE_ERROR = "data_type_error"
    INVALID_PARAMETER_VALUE = "invalid_parameter_value"
    INVALID_PARAMETERS_COMBINATION = "invalid_parameters_combination"
    INVALID_DATE_TIME = "invalid_date_time"
    ENTITY_NOT_FOUND = "entity_not_found"
    DUPLICATE_ENTITY = "duplicate_entity"
    SORT_PROHIBITED = "sort_prohibited"
    FILTER_PROHIBITED = "filter_prohibited"
    CAMPAIGN_IS_INACTIVE = "campaign_is_inactive"
    DATA_LIMIT_EXCEEDED = "data_limit_exceeded"
    ACCESS_TOKEN_INVALID = "access_token_invalid"
    ACCESS_TOKEN_EXPIRED = "access_token_expired"
    ACCESS_TOKEN_BLOCKED = "access_token_blocked"
    FORBIDDEN = "forbidden"
    IP_NOT_WHITELISTED = "ip_not_whitelisted"
    METHOD_COMPONENT_DISABLED = "method_component_disabled"
    PARAMETER_COMPONENT_DISABLED = "parameter_component_disabled"
    ACCOUNT_INACTIVE = "account_inactive"
    LIMIT_EXCEEDED = "limit_exceeded"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """How the doors spell one mnemonic. `grpc_code` is the name of a gRPC status code; braces in `message` stand for params."""

    grpc_code: str
    jsonrpc_code: int
    message: str


def _invalid(message: str) -> ErrorKind:
    return ErrorKind("INVALID_ARGUMENT", -32602, message)


ERRORS: Mapping[Mnemonic, ErrorKind] = MappingProxyType(
    {
        Mnemonic.PARSE_ERROR: ErrorKind("INVALID_ARGUMENT", -32700, "Invalid JSON was received by the server."),
        Mnemonic.INVALID_REQUEST: ErrorKind(
            "INVALID_ARGUMENT", -32600, "Invalid Request The JSON sent is not a valid Request object"
        ),
        Mnemonic.BATCH_OPERATIONS_NOT_SUPPORTED: ErrorKind(
            "INVALID_ARGUMENT", -32099, "Batch operations not supported"
        ),
        Mnemonic.NOTIFICATIONS_NOT_SUPPORTED: ErrorKind("INVALID_ARGUMENT", -32099, "Notifications not supported"),
        Mnemonic.METHOD_NOT_FOUND: ErrorKind("UNIMPLEMENTED", -32601, "The method does not exist / is not available"),
        Mnemonic.REQUIRED_PARAMETER_MISSED: _invalid("The required parameter has been missed"),
        Mnemonic.UNEXPECTED_PARAMETERS: _invalid("Unexpected method parameter(s)"),
        Mnemonic.DATA_TYPE_ERROR: _invalid("Data supplied is of wrong type"),
        Mnemonic.INVALID_PARAMETER_VALUE: _invalid("Invalid parameter value"),
        Mnemonic.INVALID_PARAMETERS_COMBINATION: _invalid("The combination of parameters is not permitted"),
        Mnemonic.INVALID_DATE_TIME: _invalid("Invalid date time"),
        Mnemonic.ENTITY_NOT_FOUND: _invalid("Entity not found"),
        Mnemonic.DUPLICATE_ENTITY: ErrorKind("ALREADY_EXISTS", -32602, "Duplicate entity"),
        Mnemonic.SORT_PROHIBITED: _invalid("Sort by parameter is prohibited"),
        Mnemonic.FILTER_PROHIBITED: _invalid("Filter by parameter is prohibited"),
        Mnemonic.CAMPAIGN_IS_INACTIVE: _invalid("Campaign is inactive"),
        Mnemonic.DATA_LIMIT_EXCEEDED: _invalid("A new data limit has been exceeded"),
        Mnemonic.ACCESS_TOKEN_INVALID: ErrorKind("UNAUTHENTICATED", -32001, "Access token is invalid"),
        Mnemonic.ACCESS_TOKEN_EXPIRED: ErrorKind("UNAUTHENTICATED", -32001, "Access token has been expired"),
        Mnemonic.ACCESS_TOKEN_BLOCKED: ErrorKind("UNAUTHENTICATED", -32001, "Access token has been blocked"),
        Mnemonic.FORBIDDEN: ErrorKind("PERMISSION_DENIED", -32003, "Permission denied"),
        Mnemonic.IP_NOT_WHITELISTED: ErrorKind("PERMISSION_DENIED", -32003, "Your IP {ip} is not whitelisted"),
        Mnemonic.METHOD_COMPONENT_DISABLED: ErrorKind(
            "PERMISSION_DENIED",
            -32008,
            "You need at least one of the following components to access this method: {components}",
        ),
        Mnemonic.PARAMETER_COMPONENT_DISABLED: ErrorKind(
            "PERMISSION_DENIED",
            -32008,
            "You need at least one of the following components to access this parameter: {components}",
        ),
        Mnemonic.ACCOUNT_INACTIVE: ErrorKind(
            "PERMISSION_DENIED", -32009, "Your account has been disabled, contact the support service"
        ),
        Mnemonic.LIMIT_EXCEEDED: ErrorKind(
            "RESOURCE_EXHAUSTED",
            -32029,
            "Limit per {limit_type} has been exceeded. Value of current limit per {limit_type} is {limit_max_value}",
        ),
        Mnemonic.INTERNAL_ERROR: ErrorKind("INTERNAL", -32603, "Internal error, contact the support service"),
    }
)


class Refusal(Exception):
    """The peer is wrong, and this is where and why.

    `grpc_code` is the name of another status than the mnemonic's: NOT_FOUND when the request itself names what is missing (a Get), FAILED_PRECONDITION
    when what it names stands elsewhere than it would have to. `retry_after_s` is when the same request may succeed.
    """

    def __init__(
        self,
        mnemonic: Mnemonic,
        *,
        path: Path = (),
        value: object = MISSING,
        why: str = "",
        params: Mapping[str, str] | None = None,
        grpc_code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.mnemonic = mnemonic
        self.path = path
        # A token is never told back, wherever it came.
        self.value = MISSING if "access_token" in path else value
        self.why = why or ERRORS[mnemonic].message
        self.params = dict(params or {})
        self.grpc_code = grpc_code
        self.retry_after_s = retry_after_s
        super().__init__(f"{mnemonic} at {'.'.join(map(str, path)) or '-'}: {self.why}")

    def __reduce__(self) -> "tuple[Callable[[Mnemonic], Refusal], tuple[Mnemonic]]":
        """Pickled by what it was made of."""
        made_of = partial(
            Refusal,
            path=self.path,
            value=self.value,
            why=self.why,
            params=self.params,
            grpc_code=self.grpc_code,
            retry_after_s=self.retry_after_s,
        )
        return made_of, (self.mnemonic,)


def not_found(name: str, value: object, why: str) -> Refusal:
    """What a request names by itself is not there: NOT_FOUND, where the same inside an upload is a wrong field."""
    return Refusal(Mnemonic.ENTITY_NOT_FOUND, path=(name,), value=value, why=why, grpc_code="NOT_FOUND")


class Refusals(Exception):
    """Several refusals of one request, the one that counts first. Never empty."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        super().__init__(f"{len(self.refusals)} refusals, first: {self.refusals[0]}")

    def __reduce__(self) -> "tuple[type[Refusals], tuple[tuple[Refusal, ...]]]":
        """Pickled by what it was made of."""
        return Refusals, (self.refusals,)

    @property
    def first(self) -> Refusal:
        """The one that a door with room for a single error tells."""
        return self.refusals[0]


class Trouble(Exception):
    """The world is wrong (a peer away, a disk full): trying again later may help. The text is for our log, never for a caller."""


class CannotRun(Exception):
    """This process cannot do its work here; the message says why, for whoever started it."""


class Busy(Trouble):
    """A peer has no room now. Not counted against the work that asked."""
