"""The processes of one instance: started together, restarted when one dies, stopped in an order that loses nothing."""

import asyncio
import ctypes
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO

import structlog

from services.shared.backoff import exponential

log = structlog.get_logger()

FIRST_PAUSE = timedelta(seconds=0.1)
LONGEST_PAUSE = timedelta(seconds=10)
STEADY_S = 10.0
"""A process that ran this long is sound: the pause before its next restart is short again."""
STOP_S = 25.0
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True, kw_only=True)
class Child:
    """One program that is kept running."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0
    stopping: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """Keeps children running until it stops them."""

    def __init__(self, children: Sequence[Child], output: IO[bytes] | None = None) -> None:
        """`output` takes what the children print; by default it goes to this process's stderr."""
        self._children = {child.name: child for child in children}
        self._output = output

    def pids(self) -> dict[str, int]:
        """The process ids of the children that run."""
        return {
            name: child.process.pid
            for name, child in self._children.items()
            if child.process and child.process.returncode is None
        }

    async def run(self) -> None:
        """Runs the children until `stop` has ended each."""
        async with asyncio.TaskGroup() as group:
            for child in self._children.values():
                group.create_task(self._keep_running(child))

    async def stop(self, name: str) -> None:
        """Asks a child to finish and waits; one that does not is killed."""
        child = self._children[name]
        child.stopping = True
        if child.process is None or child.process.returncode is not None:
            return
        child.process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await child.ended.wait()
        except TimeoutError:
            log.warning("process.killed", process=name)
            child.process.kill()
            await child.ended.wait()

    async def _keep_running(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while not child.stopping:
            began = loop.time()
            child.process = await asyncio.create_subprocess_exec(
                *child.command,
                env=child.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=self._output or 2,
                stderr=self._output or 2,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
            code = await child.process.wait()
            if child.stopping:
                break
            failures = 1 if loop.time() - began > STEADY_S else failures + 1
            child.restarts += 1
            pause = exponential(failures, FIRST_PAUSE, LONGEST_PAUSE)
            log.warning("process.died", process=child.name, exit_code=code, pause_s=pause.total_seconds())
            await asyncio.sleep(pause.total_seconds())
        child.ended.set()


def _end_with_parent() -> None:
    """Asks the kernel to stop this child when its supervisor dies, however that happens (prctl(2), PR_SET_PDEATHSIG)."""
    if os.uname().sysname == "Linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
