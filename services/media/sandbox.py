"""Worker processes for files from anybody: they may crash, hang or eat memory, and cost one file each."""

import asyncio
import multiprocessing
import os
import resource
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from typing import ParamSpec, TypeVar

import pyseccomp
from pebble import ProcessExpired, ProcessPool

P = ParamSpec("P")
R = TypeVar("R")

FILES_PER_WORKER = 200
"""A worker is replaced after so many files, so that what a library leaks does not add up."""
MEMORY_BYTES = 1536 * 1024 * 1024
"""Address space, libraries included: ten times what 50 MB of WAV needed when measured."""
OPEN_FILES = 64

_FORBIDDEN = [
    "socket",
    "socketpair",
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "sendto",
    "sendmsg",
    "execve",
    "execveat",
    "fork",
    "vfork",
    "ptrace",
    "process_vm_writev",
    "mount",
    "umount2",
    "chroot",
    "pivot_root",
    "setns",
    "unshare",
    "keyctl",
    "bpf",
    "perf_event_open",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "mkdir",
    "mkdirat",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "fchown",
    "lchown",
    "truncate",
]
"""System calls that reading and measuring a file never needs."""


class WorkerFailed(Exception):
    """The work came to no result, and the file is to blame; the message says how, in words that begin in lower case."""


class Sandbox:
    """A pool of confined worker processes."""

    def __init__(self, workers: int, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["services.media.examine"])
        self._pool = ProcessPool(max_workers=workers, max_tasks=FILES_PER_WORKER, initializer=confine, context=context)

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs a module's function in a worker. Cancelling ends the worker at once. Raises WorkerFailed when it crashed, ran out of memory or of time."""
        future = self._pool.schedule(function, args=list(args), kwargs=kwargs, timeout=self._timeout_s)
        try:
            result: R = await asyncio.wrap_future(future)
            return result
        except (FutureTimeout, TimeoutError) as error:
            raise WorkerFailed(f"reading the file did not end within {self._timeout_s:g} s") from error
        except ProcessExpired as error:
            raise WorkerFailed("the decoder crashed on the file") from error
        except MemoryError as error:
            raise WorkerFailed("reading the file needs more memory than is allowed") from error

    def close(self) -> None:
        """Ends the workers, whatever they do."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()


def confine() -> None:
    """Limits this process to reading files and computing: memory, open files, no file writes, and no network, programs or changes by seccomp."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in _FORBIDDEN:
        rules.add_rule(pyseccomp.ERRNO(1), name)
    rules.load()
