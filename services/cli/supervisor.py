"""The processes of one instance: started together, restarted when one dies, stopped in an order that loses nothing."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO

import structlog

from services.shared.backoff import exponential
from services.shared.waiting import set_within

log = structlog.get_logger()

FIRST_PAUSE = timedelta(seconds=0.1)
LONGEST_PAUSE = timedelta(seconds=10)
STEADY_S = 10.0
"""A process that ran this long is sound: the pause before its next restart is short again."""
STOP_S = 25.0
_TETHERED = Path(__file__).with_name("tethered.py")


@dataclass(slots=True, kw_only=True)
class Child:
    """One program that is kept running. At a stop it has `stop_s` seconds to finish."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stop_s: float = STOP_S
    process: asyncio.subprocess.Process | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """Keeps children running until it stops them."""

    def __init__(self, children: Sequence[Child], output: IO[bytes] | None = None) -> None:
        """`output` takes what the children print; by default it goes to this process's stderr."""
        self._children = {child.name: child for child in children}
        self._output = output

    async def run(self) -> None:
        """Runs the children until `stop` has ended each."""
        async with asyncio.TaskGroup() as group:
            for child in self._children.values():
                group.create_task(self._keep_running(child))

    async def stop(self, name: str) -> None:
        """Asks a child to finish and waits; one that does not is killed."""
        child = self._children[name]
        child.stopping.set()
        _signal(child, signal.SIGTERM)
        try:
            async with asyncio.timeout(child.stop_s):
                await child.ended.wait()
        except TimeoutError:
            log.warning("process.killed", process=name)
            _signal(child, signal.SIGKILL)
            await child.ended.wait()

    async def _keep_running(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        try:
            while not child.stopping.is_set():
                began = loop.time()
                code = await self._run_once(child)
                if child.stopping.is_set():
                    return
                failures = 1 if loop.time() - began > STEADY_S else failures + 1
                pause_s = exponential(failures, FIRST_PAUSE, LONGEST_PAUSE).total_seconds()
                log.warning("process.died", process=child.name, exit_code=code, pause_s=pause_s)
                await set_within(child.stopping, pause_s)
        finally:
            child.ended.set()

    async def _run_once(self, child: Child) -> int | None:
        """Runs the program to its end; answers its exit code, None when it could not be started."""
        try:
            child.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(_TETHERED), str(os.getpid()), *child.command),
                env=child.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=self._output or 2,
                stderr=self._output or 2,
                start_new_session=True,
            )
        except OSError as error:
            log.error("process.not_started", process=child.name, reason=str(error))
            return None
        if child.stopping.is_set():
            # The order to stop came while it was being started.
            _signal(child, signal.SIGTERM)
        return await child.process.wait()


def _signal(child: Child, number: signal.Signals) -> None:
    if child.process is not None and child.process.returncode is None:
        with suppress(ProcessLookupError):
            child.process.send_signal(number)
