"""intake's metrics, by Prometheus's conventions."""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge

from services.intake.status import CallStatus, Outcome
from services.shared.metrics import WorkMetrics

ACCOUNTS_NAMED = 20
"""Accounts that have a series of their own: those that keep most. However many there are, so many series there are, and one for all others."""
OTHERS = "other"
ACCEPTED = "accepted"


class IntakeMetrics(WorkMetrics):
    """Counts calls and verdicts as they are committed; what the database knows is set now and then."""

    def __init__(self) -> None:
        super().__init__()
        uploaded = Counter(
            "calldock_intake_calls",
            "Calls that were taken, by what their upload did",
            ["outcome"],
            registry=self.registry,
        )
        self._uploaded = {outcome.value: uploaded.labels(outcome.value) for outcome in Outcome}
        ended = Counter(
            "calldock_intake_ended_calls",
            "Calls with recordings that came to their end, by status",
            ["status"],
            registry=self.registry,
        )
        self._ended = {status: ended.labels(status.value) for status in (CallStatus.PROCESSED, CallStatus.ERROR)}
        self._verdicts = Counter(
            "calldock_intake_verdicts",
            "Verdicts on recordings: accepted, or the contract's error code",
            ["code"],
            registry=self.registry,
        )
        self._stored = Gauge(
            "calldock_intake_stored_bytes",
            "Bytes of recordings and MP3s that are kept, by account: the 20 that keep most, and all others",
            ["account"],
            registry=self.registry,
        )

    def uploaded(self, calls: Mapping[str, int]) -> None:
        """An upload was stored: how many of its calls came to which outcome."""
        for outcome, count in calls.items():
            self._uploaded[outcome].inc(count)

    def judged(self, code: str | None, recordings: int) -> None:
        """Recordings have their verdict; no code: accepted."""
        self._verdicts.labels(code or ACCEPTED).inc(recordings)

    def call_ended(self, status: CallStatus) -> None:
        """A call with recordings came to its end."""
        self._ended[status].inc()

    def stores(self, size_bytes: Mapping[int, int]) -> None:
        """What each account keeps."""
        most = sorted(size_bytes, key=lambda account: (-size_bytes[account], account))
        named = most[:ACCOUNTS_NAMED]
        self._stored.clear()
        for account in named:
            self._stored.labels(str(account)).set(size_bytes[account])
        self._stored.labels(OTHERS).set(sum(size_bytes[account] for account in most[ACCOUNTS_NAMED:]))
