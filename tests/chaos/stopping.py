"""A service that can be stopped at a step: `python -m tests.chaos.stopping intake` is `python -m services.intake` with a look at a file at each step.

A step is `before NAME` or `after NAME`: NAME is a store function (before its transaction, or after its COMMIT and before anybody hears of it), `put` for an object,
`download` for a recording, `post` for a notification, and `fetch`, `process`, `relay` for what intake asks of the others. Who finds its step in the file takes the file away and ends itself as `kill -9` does. The services know nothing of it.
"""

import os
import runpy
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.intake.peers import Media, Notify
from services.media.download import Downloader
from services.notify.deliver import Posting
from services.shared.clock import SystemClock
from services.shared.db.postgres import PostgresDatabase
from services.shared.objects import _Objects

STOP_FILE = "CHAOS_STOP_FILE"


def main() -> None:
    """Runs a service until its end."""
    service = sys.argv[1]
    stop_file = Path(os.environ[STOP_FILE])

    def step(moment: str, name: str) -> None:
        try:
            wanted = stop_file.read_text()
            if wanted != f"{service} {moment} {name}":
                return
            # One process of all replicas takes it.
            stop_file.rename(stop_file.with_name(f"{os.getpid()}.taken"))
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def stepped(owner: type, method: str, name_of: Callable[..., str]) -> None:
        run = getattr(owner, method)

        async def around(self: Any, *args: Any, **kwargs: Any) -> Any:
            name = name_of(*args)
            step("before", name)
            answer = await run(self, *args, **kwargs)
            step("after", name)
            return answer

        setattr(owner, method, around)

    stepped(PostgresDatabase, "write", lambda function, *_: getattr(function, "__name__", "other"))
    stepped(_Objects, "_put", lambda *_: "put")
    stepped(Downloader, "download", lambda *_: "download")
    stepped(Posting, "post", lambda *_: "post")
    stepped(Media, "fetch", lambda *_: "fetch")
    stepped(Media, "process", lambda *_: "process")
    stepped(Notify, "enqueue", lambda *_: "relay")
    _step_clock(stop_file.with_name(f"clock-{Path(os.environ['CALLDOCK_DATA_DIR']).name}"))
    runpy.run_module(f"services.{service}", run_name="__main__", alter_sys=True)


def _step_clock(file: Path) -> None:
    """The wall clock is off by as many seconds as the file says, when there is one. Nobody else's clock is touched."""

    def now(_self: SystemClock) -> datetime:
        with suppress(OSError, ValueError):
            return datetime.now(UTC) + timedelta(seconds=float(file.read_text()))
        return datetime.now(UTC)

    SystemClock.now = now  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    main()
