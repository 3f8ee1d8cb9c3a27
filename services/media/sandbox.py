"""Worker processes for files from anybody: they may crash, hang or eat memory, and cost one file each."""

import asyncio
import ctypes
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

import pyseccomp
import structlog
from pebble import ProcessExpired, ProcessPool

log = structlog.get_logger()

P = ParamSpec("P")
R = TypeVar("R")

FILES_PER_WORKER = 200
"""A worker is replaced after so many files, so that what a library leaks does not add up."""
MEMORY_BYTES = 1536 * 1024 * 1024
"""Address space, libraries and the file itself included: the largest file needed 1.1 GB when measured."""
OPEN_FILES = 64
LOOK_S = 1.0

_ALLOWED = [
    "read",
    "readv",
    "write",
    "writev",
    "lseek",
    "close",
    "dup",
    "fcntl",
    "fstat",
    "newfstatat",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "epoll_wait",
    "epoll_pwait",
    "mmap",
    "mprotect",
    "munmap",
    "mremap",
    "madvise",
    "brk",
    "futex",
    "futex_waitv",
    "set_robust_list",
    "rseq",
    "sched_yield",
    "sched_getaffinity",
    "membarrier",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
    "restart_syscall",
    "clock_gettime",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "getpid",
    "gettid",
    "getppid",
    "getrandom",
    "getrusage",
    "times",
    "sysinfo",
    "uname",
    "exit",
    "exit_group",
]
"""What reading a pipe and computing needs. No file is opened, nothing is sent anywhere, no program is started: the file comes through the pipe."""

# mallopt(3). Larger pieces than the heap may hold are mapped, and given back.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_ON_HEAP_BYTES = 32 * 1024 * 1024
_KEPT_BYTES = 128 * 1024 * 1024

_THREAD = 0x00010000  # CLONE_THREAD, clone(2): a thread of this process, never a new one
_GONE_BY_ORDER = (-signal.SIGKILL, -signal.SIGTERM)


class WorkerFailed(Exception):
    """The work came to no result, and the file is to blame; the message says how, in words that begin in lower case."""


class WorkerKilled(Exception):
    """Somebody ended the worker (the kernel short of memory, an operator): no word on the file."""


class Sandbox:
    """A pool of confined worker processes. A pool whose workers died without a file is given up, and a new one takes its place."""

    def __init__(self, workers: int, timeout_s: float, warm_up: Callable[[], object]) -> None:
        """`warm_up` runs in each worker before it is confined, and loads all that later work would load."""
        self._workers = workers
        self._timeout_s = timeout_s
        self._warm_up = warm_up
        self._renewing = asyncio.Lock()
        self._pool = self._new_pool()

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs a module's function in a worker. Cancelling ends the worker at once.

        Raises WorkerFailed when it crashed, ran out of memory or of time; WorkerKilled when it was ended from outside; what the function raises.
        """
        pool = await self._working_pool()
        try:
            future: Future[R] = pool.schedule(function, args=list(args), kwargs=kwargs, timeout=self._timeout_s)
            return await _answer(future, pool)
        except (FutureTimeout, TimeoutError) as error:
            raise WorkerFailed(f"reading the file did not end within {self._timeout_s:g} s") from error
        except ProcessExpired as error:
            if error.exitcode in _GONE_BY_ORDER:
                raise WorkerKilled(f"a worker was ended with exit code {error.exitcode}") from error
            raise WorkerFailed("the decoder crashed on the file") from error
        except BrokenProcessPool as error:
            raise WorkerKilled("the workers ended before one took the file") from error
        except MemoryError as error:
            raise WorkerFailed("reading the file needs more memory than is allowed") from error

    def close(self) -> None:
        """Ends the workers, whatever they do."""
        _end(self._pool)

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._workers,
            max_tasks=FILES_PER_WORKER,
            initializer=confine,
            initargs=[self._warm_up],
            # Children of our own, whose every end we see. Behind a forkserver, workers that outlived it went on taking files unwatched.
            context=multiprocessing.get_context("spawn"),
        )

    async def _working_pool(self) -> ProcessPool:
        async with self._renewing:
            if not self._pool.active:
                log.warning("workers.renewed", workers=self._workers)
                broken, self._pool = self._pool, self._new_pool()
                await asyncio.to_thread(_end, broken)
            return self._pool


async def _answer(future: "Future[R]", pool: ProcessPool) -> R:
    """What comes of the work. A pool that breaks just as it takes a piece forgets it: that is looked for, and is a BrokenProcessPool too."""
    waiting = asyncio.wrap_future(future)
    try:
        while not (await asyncio.wait((waiting,), timeout=LOOK_S))[0]:
            if not pool.active:
                raise BrokenProcessPool("the pool broke while it took the work")
        return await waiting
    finally:
        waiting.cancel()


def _keep_freed_memory() -> None:
    """What one file's arrays leave is for the next one's: given back to the system, every page of them would be faulted in anew (a twentieth of a file's CPU, measured)."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_ON_HEAP_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()


def confine(warm_up: Callable[[], object]) -> None:
    """Warms this process up, then limits it for good: memory, open files, no files written, and by seccomp only the system calls that computing needs."""
    _keep_freed_memory()
    warm_up()
    # The pool's own handler would exit with a code, as if the file had made it crash. A service manager asks all processes of a service to end.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    rules = pyseccomp.SyscallFilter(pyseccomp.ERRNO(1))
    for name in _ALLOWED:
        rules.add_rule(pyseccomp.ALLOW, name)
    thread = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, _THREAD, _THREAD)
    rules.add_rule(pyseccomp.ALLOW, "clone", thread)
    # Its flags lie in memory, which a filter cannot read: the C library falls back to clone.
    rules.add_rule(pyseccomp.ERRNO(38), "clone3")
    # A process may still end itself by a signal (abort), but no other.
    rules.add_rule(pyseccomp.ALLOW, "tgkill", pyseccomp.Arg(0, pyseccomp.EQ, os.getpid()))
    rules.load()
