"""A process of our own beside this one: started, spoken to in frames over a socket, and replaced when it dies or hangs."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Generic, TypeVar

import structlog

from services.shared.backoff import exponential
from services.shared.errors import Trouble
from services.shared.frames import frame, read_frame
from services.shared.waiting import set_within

log = structlog.get_logger()

A = TypeVar("A")

START_S = 60.0
"""So long a process may take to begin."""
LOOKS = 6
"""How often it is looked, within the longest time that an answer may take, whether one is overdue."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=0.1), timedelta(seconds=10)


def plain_environment() -> dict[str, str]:
    """The environment of the machine, without our settings, which are read whatever the case of their names."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("CALLDOCK_")}


class KeptProcess(Generic[A]):
    """`python -m MODULE FD ARGUMENT...`, and what it was asked. It says that it is ready by a first frame, whatever is in it, and ends with its socket."""

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        read: Callable[[bytes], Iterable[tuple[int, A]]],
        *,
        longest_s: float,
        environment: Mapping[str, str],
        inherited: Sequence[int] = (),
    ) -> None:
        """`read` makes of a frame the answers in it, each with the number of what was asked. One that has not answered within `longest_s` seconds is replaced. `inherited` are files that stay open in it."""
        self._name = name
        self._module = module
        self._arguments = tuple(arguments)
        self._read = read
        self._longest_s = longest_s
        self._environment = environment
        self._inherited = tuple(inherited)
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._ready = asyncio.Event()
        self._ended = asyncio.Event()
        self._waiting: dict[int, tuple[float, asyncio.Future[A]]] = {}
        self._last = 0
        self._is_stopping = False

    @property
    def is_ready(self) -> bool:
        """True when it can be asked."""
        return self._writer is not None

    async def until_ready(self) -> None:
        """Returns when it can be asked. Raises Trouble after `stop`."""
        while self._writer is None and not self._is_stopping:
            await self._ready.wait()
        if self._is_stopping:
            raise Trouble(f"the {self._name} process stops")

    @contextmanager
    def asked(self) -> "Iterator[tuple[int, asyncio.Future[A]]]":
        """A number for what is asked, and the future of its answer, within the block. The future raises Trouble when the process died. Raises Trouble when there is none now."""
        if self._writer is None:
            raise self._died()
        loop = asyncio.get_running_loop()
        self._last += 1
        number = self._last
        future: asyncio.Future[A] = loop.create_future()
        self._waiting[number] = (loop.time(), future)
        try:
            yield number, future
        finally:
            self._waiting.pop(number, None)

    def send(self, data: bytes) -> None:
        """Hands it a frame. Without a process, or when it has just died, nothing is sent: who asked hears of that."""
        # uvloop raises RuntimeError for a line that is closed, which may be before we read that it is.
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(frame(data))

    def stop(self) -> None:
        """It is not started again, and nobody waits for it any more; what it was asked goes on."""
        self._is_stopping = True
        self._ready.set()

    async def finish(self, within_s: float) -> None:
        """As `stop`, and tells it that nothing more comes; returns when it has answered all and ended, or after so many seconds."""
        self.stop()
        if self._writer is not None:
            if not self._writer.is_closing():
                self._writer.write_eof()
            if not await set_within(self._ended, within_s):
                log.warning("process.not_finished", process=self._name)

    async def run(self) -> None:
        """Keeps the process running, until it is cancelled, which kills it, or ends after `stop`."""
        watching = asyncio.create_task(self._watch_until_cancelled())
        failures = 0
        try:
            while not self._is_stopping:
                began = asyncio.get_running_loop().time()
                try:
                    await self._run_once()
                except OSError as error:
                    log.warning("process.not_started", process=self._name, reason=str(error))
                if self._is_stopping:
                    return
                lived_s = asyncio.get_running_loop().time() - began
                failures = 1 if lived_s > LONGEST_PAUSE.total_seconds() else failures + 1
                log.warning("process.died", process=self._name, lived_s=round(lived_s, 1))
                await asyncio.sleep(exponential(failures, FIRST_PAUSE, LONGEST_PAUSE).total_seconds())
        finally:
            watching.cancel()

    async def _watch_until_cancelled(self) -> None:
        """Ends a process that does not answer in time: whatever holds it up, the next one begins anew."""
        while True:
            await asyncio.sleep(self._longest_s / LOOKS)
            # They stand in the order in which they were asked for.
            oldest = next(iter(self._waiting.values()), None)
            if oldest is not None and asyncio.get_running_loop().time() - oldest[0] > self._longest_s:
                log.error("process.hangs", process=self._name)
                self._kill()

    def _kill(self) -> None:
        """Ends the process; `run` starts another one."""
        if self._process is not None:
            self._process.kill()

    async def _run_once(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        with theirs:
            # Not by the event loop: uvloop runs Python's own code between fork and exec, and gRPC has some that aborts there.
            process = subprocess.Popen(  # noqa: ASYNC220, S603 - returns when it has begun; our own program
                [sys.executable, "-m", self._module, str(theirs.fileno()), *self._arguments],
                pass_fds=(theirs.fileno(), *self._inherited),
                env=self._environment,
                # What is sent to all of ours at a terminal is for us alone: it ends with its socket.
                process_group=0,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        self._process = process
        self._ended.clear()
        try:
            async with asyncio.timeout(START_S):
                await read_frame(reader)
            self._writer = writer
            self._ready.set()
            while True:
                for number, answer in self._read(await read_frame(reader)):
                    waiting = self._waiting.get(number)
                    if waiting is not None and not waiting[1].done():
                        waiting[1].set_result(answer)
        except (asyncio.IncompleteReadError, OSError):
            # A TimeoutError at its start is one too.
            return
        except Exception:
            # Whatever it sends us must not end us.
            log.exception("process.not_understood", process=self._name)
        finally:
            if not self._is_stopping:
                self._ready.clear()
            self._writer = None
            writer.close()
            self._kill()
            await asyncio.shield(_end_of(process))
            self._ended.set()
            for _, future in self._waiting.values():
                if not future.done():
                    future.set_exception(self._died())

    def _died(self) -> Trouble:
        return Trouble(f"the {self._name} process died")


async def _end_of(process: "subprocess.Popen[bytes]") -> None:
    """Returns when a process has ended (pidfd_open(2): its file can be read then)."""
    if process.poll() is not None:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    file = os.pidfd_open(process.pid)
    loop.add_reader(file, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(file)
        os.close(file)
    process.wait()
