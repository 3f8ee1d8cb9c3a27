"""What stores stand on: a database that runs store functions whole."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

P = ParamSpec("P")
R = TypeVar("R")


class Database(Protocol):
    """SQLite or PostgreSQL. Store functions are synchronous and take a SQLAlchemy Connection first."""

    @property
    def is_shared(self) -> bool:
        """True when other processes use the database too: what is leased there may be held by one of them."""

    async def write(self, function: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs a store function in a transaction of its own and answers when it is durable.

        What the function raises is raised here and nothing of it is stored. Raises Trouble when the database failed. The function may run more than once.
        """

    async def write_apart(
        self, function: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """As `write`, for what takes the interpreter long: in a process of its own where the database has one. The function is a module's own; it, its arguments and what it answers can be pickled."""

    async def read(self, function: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs a store function on a snapshot, for at most 10 s. Raises Trouble when the database failed or time ran out."""

    async def stop(self) -> None:
        """Finishes what was asked for, then lets the database go."""
