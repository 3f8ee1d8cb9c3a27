"""Logs: one JSON object a line on stderr, an event in dotted past tense, facts as keys with units.

A log that takes no more (its disk is full, its reader gone) loses lines. It never fails what it tells of.
"""

import logging
import sys
from contextlib import suppress
from threading import Lock
from typing import TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from services.shared.tracing import current_trace_id, is_on


def set_up_logs(service: str) -> None:
    """Sends structlog and the standard library's warnings to stderr as JSON lines that name the service."""
    lines = _Lines(sys.stderr)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _add_trace_id,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)


def _add_trace_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Where a span runs, the event names its trace."""
    if is_on() and (trace_id := current_trace_id()) is not None:
        event["trace_id"] = trace_id
    return event


class _Lines:
    """As structlog's PrintLogger, but for what it does when a line cannot be written."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._writing = Lock()

    def msg(self, line: str) -> None:
        """Writes a line, or loses it."""
        with self._writing, suppress(OSError):
            # In one piece: other processes write to the same file, and an unbuffered one is given each piece as it comes.
            self._file.write(f"{line}\n")
            self._file.flush()

    log = debug = info = warn = warning = error = critical = exception = fatal = msg
