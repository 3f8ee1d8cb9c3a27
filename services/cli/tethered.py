"""Runs a command that is asked to stop when its parent dies: `python tethered.py PARENT COMMAND [ARGUMENT...]`, where PARENT is the process id of who starts it.

A program of its own, without anything of ours: between a fork and an exec no code may run in a process whose threads hold locks, and gRPC's do.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Asks the kernel for the signal (prctl(2), PR_SET_PDEATHSIG), which outlives an exec, and becomes the command."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("whoever started this has died")
    try:
        os.execvp(command[0], command)  # noqa: S606 - what a supervisor asks for, as it is
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
