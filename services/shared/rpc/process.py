"""A service as a process: settings from the environment, logs to stderr, an exit code."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TypeVar

import structlog
from pydantic import ValidationError

from services.shared.descriptors import raise_descriptor_limit
from services.shared.errors import CannotRun, Trouble
from services.shared.logs import set_up_logs
from services.shared.memory import tune_memory
from services.shared.settings import ServiceSettings, check_internal_listener
from services.shared.tracing import set_up_tracing

S = TypeVar("S", bound=ServiceSettings)

SECRETS_DIR = "CALLDOCK_SECRETS_DIR"
"""Names a folder with one file a setting: what containers get as secrets."""
USAGE = 2
FAILED = 1


def run_service(
    name: str,
    settings_type: Callable[..., S],
    serve: Callable[[S], Awaitable[None]],
    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> NoReturn:
    """Runs a service until it is stopped, and ends the process: with 0, 1 when it cannot run here, 2 when a setting is wrong; the reason goes to stderr in one line."""
    # Databases and recordings are nobody's business but this user's.
    os.umask(0o077)
    set_up_logs(name)
    log = structlog.get_logger()
    try:
        settings = settings_type(_secrets_dir=secrets_folder())
        check_internal_listener(settings)
    except (ValidationError, ValueError) as error:
        log.error("settings.refused", reason=str(error))
        _leave(USAGE)

    stop_tracing = set_up_tracing(name, settings.traces_endpoint, settings.traces_share)

    async def main() -> None:
        await serve(settings)

    tune_memory()
    raise_descriptor_limit()
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main())
    except (CannotRun, Trouble, OSError) as error:
        log.error("service.cannot_run", reason=str(error))
        _leave(FAILED)
    stop_tracing()
    _leave(0)


def secrets_folder() -> str | None:
    """The folder of settings that come as files, such as `calldock_secret_key`; the environment goes before them. Raises ValueError when it is not there."""
    folder = os.environ.get(SECRETS_DIR)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise ValueError(f"{SECRETS_DIR} names no folder: {folder}")
    return folder


def _leave(code: int) -> NoReturn:
    """Ends the process at once: everything is closed, and a look-up of a name that hangs in its thread must not hold it."""
    for stream in (sys.stdout, sys.stderr):
        # Lines that found no room are lost, as others before them.
        with suppress(OSError):
            stream.flush()
    os._exit(code)
