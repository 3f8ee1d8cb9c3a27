"""notify's metrics, by Prometheus's conventions."""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

from services.notify.notification import Attempt, AttemptOutcome, NotificationStatus
from services.notify.schedule import Step
from services.shared.metrics import WorkMetrics

_LATENCIES_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30)


class NotifyMetrics(WorkMetrics):
    """Counts attempts as they end; what the database knows is set now and then."""

    def __init__(self) -> None:
        super().__init__()
        attempts = Counter(
            "calldock_notify_attempts",
            "Notifications that were posted, by outcome",
            ["outcome"],
            registry=self.registry,
        )
        self._attempts = {outcome: attempts.labels(outcome) for outcome in AttemptOutcome}
        self._seconds = Histogram(
            "calldock_notify_attempt_seconds", "How long one POST took", buckets=_LATENCIES_S, registry=self.registry
        )
        self._buried = Counter("calldock_notify_buried", "Notifications that were given up", registry=self.registry)
        self._waiting = Gauge(
            "calldock_notify_waiting_calls", "Calls with notifications that wait", registry=self.registry
        )
        self._receivers = Gauge(
            "calldock_notify_receivers",
            "Receivers that fail, are paused, have failed for more than a day",
            ["state"],
            registry=self.registry,
        )

    def attempted(self, attempt: Attempt, step: Step) -> None:
        """One attempt ended."""
        self._attempts[attempt.outcome].inc()
        self._seconds.observe(attempt.latency_ms / 1000)
        if step.status is NotificationStatus.BURIED:
            self._buried.inc()

    def gave_up(self, count: int) -> None:
        """Notifications were given up without another attempt."""
        self._buried.inc(count)

    def stands(self, waiting_calls: int, receivers: Mapping[str, int]) -> None:
        """What the database knows."""
        self._waiting.set(waiting_calls)
        for state, count in receivers.items():
            self._receivers.labels(state).set(count)
