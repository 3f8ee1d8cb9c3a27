"""What a command does while calldock is away, or asks it to wait."""

from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from services.cli.connect import PATIENCE, asked_until_there


class Failure(grpc.RpcError):
    """As gRPC raises it: a code, and perhaps how long to wait."""

    def __init__(self, code: grpc.StatusCode, wait_s: float | None = None) -> None:
        self._code = code
        self._status = status_pb2.Status(code=code.value[0], message="away")
        if wait_s is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromTimedelta(timedelta(seconds=wait_s))
            self._status.details.add().Pack(retry)

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "away"

    def trailing_metadata(self) -> Any:
        return (("grpc-status-details-bin", self._status.SerializeToString()),)


def asked(*failures: Failure, patience: timedelta = PATIENCE) -> tuple[str, list[float]]:
    """The answer after failures, and the pauses before it."""
    pauses: list[float] = []
    left = list(failures)

    def ask() -> str:
        if left:
            raise left.pop(0)
        return "answer"

    return asked_until_there(ask, pauses.append, patience), pauses


AWAY = grpc.StatusCode.UNAVAILABLE
SPENT = grpc.StatusCode.RESOURCE_EXHAUSTED


def test_what_is_away_is_asked_again_after_longer_and_longer_pauses() -> None:
    assert asked(Failure(AWAY), Failure(AWAY), Failure(SPENT)) == ("answer", [0.2, 0.4, 0.8])


def test_patience_is_for_the_caller_to_say() -> None:
    answer, pauses = asked(*[Failure(AWAY)] * 25, patience=timedelta(minutes=2))

    assert (answer, sum(pauses) < 120) == ("answer", True)


def test_the_next_minute_is_waited_for() -> None:
    assert asked(Failure(SPENT, 41.5)) == ("answer", [41.5])


@pytest.mark.parametrize(
    "failures",
    [
        pytest.param([Failure(SPENT, 3600)], id="tomorrow is too long"),
        pytest.param([Failure(grpc.StatusCode.NOT_FOUND)], id="what will not come"),
        pytest.param([Failure(AWAY)] * 8, id="away for good"),
    ],
)
def test_other_failures_are_raised(failures: list[Failure]) -> None:
    with pytest.raises(Failure):
        asked(*failures)
