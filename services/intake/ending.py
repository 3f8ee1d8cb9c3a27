"""What is said of a call with recordings when it came to its end."""

from datetime import datetime

import structlog

from services.intake.metrics import IntakeMetrics
from services.intake.store.call_work import CallWork, EndedCall

log = structlog.get_logger()


def tell_end(work: CallWork, ended: EndedCall, metrics: IntakeMetrics, now: datetime) -> None:
    """The one wide event of a call's work, and its count."""
    metrics.call_ended(ended.status)
    log.info(
        "call.ended",
        call_session_id=work.call_session_id,
        account_id=work.account_id,
        outcome=ended.status.value,
        error_code=ended.error_code,
        recordings=len(work.recordings),
        duration_ms=round((now - work.new_time).total_seconds() * 1000),
    )
