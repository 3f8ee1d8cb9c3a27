"""Logs: one JSON object a line on stderr, an event in dotted past tense, facts as keys with units."""

import logging
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

from services.shared.tracing import current_trace_id, is_on


def set_up_logs(service: str) -> None:
    """Sends structlog and the standard library's warnings to stderr as JSON lines that name the service."""
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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)


def _add_trace_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Where a span runs, the event names its trace."""
    if is_on() and (trace_id := current_trace_id()) is not None:
        event["trace_id"] = trace_id
    return event
