"""How long what an account uploaded is kept."""

from dataclasses import dataclass
from datetime import timedelta

from services.shared.errors import Mnemonic, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """An account's own spans, in whole seconds; None is as the operator has it. Proto `Retention` says from when each counts."""

    calls: timedelta | None = None
    recordings: timedelta | None = None
    sources: timedelta | None = None
    payloads: timedelta | None = None
    ext_ids: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionDefaults:
    """What the operator has set for all accounts."""

    sources: timedelta
    ext_ids: timedelta
    unchanged: timedelta
    """No call and no recording goes before its call has stood unchanged for so long."""


SPANS = ("calls", "recordings", "sources", "payloads", "ext_ids")


def check_retention(retention: Retention) -> None:
    """Raises Refusal for a span that is not of whole seconds."""
    for name in SPANS:
        span: timedelta | None = getattr(retention, name)
        if span is not None and span.microseconds:
            path = ("account", "retention", name)
            why = "whole seconds are due"
            raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=path, value=f"{span.total_seconds()} s", why=why)
