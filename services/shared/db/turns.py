"""Who writes next to an SQLite file, where a process has a writer process beside its own thread.

SQLite's own lock is asked for again and again, after ever longer pauses (sqlite.org/c3ref/busy_timeout.html): who waits for this one is woken at once.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def turn(lock: int) -> Iterator[None]:
    """Waits for the turn, and gives it on in the end, or when the process dies. `lock` is the open file that both have; who owns the database is told by a lock of another kind on it."""
    fcntl.lockf(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.lockf(lock, fcntl.LOCK_UN)
