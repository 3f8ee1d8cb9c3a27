"""A process that writes to our SQLite file beside our own writer thread, for what would hold the interpreter's lock for long while others ask for it (docs/decisions/0019)."""

import pickle
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

from sqlalchemy import Connection

from services.shared.errors import Refusal, Refusals, Trouble
from services.shared.kept_process import KeptProcess, plain_environment

P = ParamSpec("P")
R = TypeVar("R")

FINISH_S = 20.0
"""So long a process may take for what it was asked before a stop."""

_NUMBER = struct.Struct(">Q")

Ended: TypeAlias = tuple[Any, "Exception | None"]
"""What a function answered, or what it raised."""


class FunctionFailed(Exception):
    """A bug: the function raised what is neither a refusal nor trouble; the log of the process has it whole."""


class WriterProcess:
    """The process, and what it was asked. It is of the same release as this one and reads nothing but what this one sends, so that the two speak pickle."""

    def __init__(self, path: Path, lock: int, modules: Sequence[str], longest_s: float) -> None:
        """`lock` is the open file whose lock says who owns the database: it stays open in the process, so that no other owner comes while it lives. `modules` are imported at its start. One that has not answered within `longest_s` seconds is replaced."""
        self._process: KeptProcess[bytes] = KeptProcess(
            "writer",
            "services.shared.db.writer",
            (str(path), str(lock), *modules),
            read_answers,
            longest_s=longest_s,
            environment=plain_environment(),
            inherited=(lock,),
        )

    @property
    def is_ready(self) -> bool:
        """True when it can be asked."""
        return self._process.is_ready

    async def write(self, function: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """As `Database.write_apart`. Raises Trouble, too, when the process died before it answered: whether anything was stored is not known then."""
        with self._process.asked() as (number, answer):
            self._process.send(write_request(number, function, args, kwargs))
            value, failure = pickle.loads(await answer)  # noqa: S301 - our own process
        if failure is not None:
            raise failure
        result: R = value
        return result

    async def run(self) -> None:
        """Keeps the process running until `finish`."""
        await self._process.run()

    async def finish(self) -> None:
        """Lets it answer what it was asked, and ends it."""
        await self._process.finish(FINISH_S)


def write_request(number: int, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> bytes:
    """What is asked, on its way to the process. Raises what pickle raises for what cannot travel."""
    return _NUMBER.pack(number) + pickle.dumps((function, args, kwargs), pickle.HIGHEST_PROTOCOL)


def read_request(data: bytes) -> tuple[int, bytes]:
    """The number of what is asked, and the rest of it."""
    (number,) = _NUMBER.unpack_from(data)
    return number, data[_NUMBER.size :]


def run_of(asked: bytes) -> Callable[[Connection], Any]:
    """What is asked, ready to be run."""
    function, args, kwargs = pickle.loads(asked)  # noqa: S301 - from the process that started us
    return lambda connection: function(connection, *args, **kwargs)


def write_answer(value: Any, failure: Exception | None) -> bytes:
    """What became of a request, on its way back. What cannot travel, or is a bug, becomes FunctionFailed."""
    if failure is not None and not isinstance(failure, Refusal | Refusals | Trouble):
        failure = FunctionFailed(f"{type(failure).__name__}: {failure}")
    return pickle.dumps((value, failure), pickle.HIGHEST_PROTOCOL)


def write_answers(answers: Sequence[tuple[int, bytes]]) -> bytes:
    """Answers that became known together."""
    return pickle.dumps(answers, pickle.HIGHEST_PROTOCOL)


def read_answers(data: bytes) -> Iterator[tuple[int, bytes]]:
    """As `write_answers` wrote them."""
    yield from pickle.loads(data)  # noqa: S301 - our own process
