"""notify's settings."""

import os
from datetime import timedelta

from pydantic import Field, field_validator

from services.notify.breaker import BreakerRules
from services.notify.picking import PostLimits
from services.notify.poster_settings import PosterSettings
from services.notify.schedule import STANDARD_SCHEDULE_S
from services.shared.metrics import METRICS_LISTEN
from services.shared.settings import (
    WEBHOOK_SETTING,
    DatabaseSettings,
    EgressSettings,
    LeaseSeconds,
    SecretKey,
    WebhookSettings,
    split_list,
)

MAX_PAUSE_S = 7 * 86_400
MOST_POSTERS = 4
"""By default: each has its share of the room, which a few slow hosts should not fill."""


class NotifySettings(EgressSettings, WebhookSettings, DatabaseSettings):
    """Read once from the environment, `CALLDOCK_` before each name."""

    intake_address: str = Field(description="intake's internal listener")
    secret_key: SecretKey = Field(description="base64 of 32 bytes; seals signing secrets at rest")
    notify_timeout_s: float = Field(
        default=15.0,
        gt=0,
        le=60,
        description="seconds that a receiver has to answer; a stop waits for those that were asked",
    )
    notify_retry_schedule_s: str = Field(
        default=",".join(map(str, STANDARD_SCHEDULE_S)),
        description="pauses in seconds after each failed attempt, separated by commas",
    )
    notify_posters: int = Field(
        default=max(1, min((os.cpu_count() or 1) // 2, MOST_POSTERS)), ge=1, le=64, description="processes that post"
    )
    notify_posts: int = Field(default=512, ge=1, le=10_000, description="notifications that are posted at once")
    notify_posts_per_host: int = Field(default=16, ge=1, le=10_000, description="of these to one host")
    notify_posts_per_account: int = Field(default=64, ge=1, le=10_000, description="of these of one account")
    notify_breaker_failures: int = Field(
        default=5, ge=1, le=1000, description="failures of a receiver in a row after which it is paused"
    )
    notify_breaker_pause_s: float = Field(
        default=5.0,
        gt=0,
        le=600,
        description="seconds of its first pause, doubled with each probe that fails, up to 600",
    )
    notify_keep_s: int = Field(
        default=30 * 86_400,
        ge=0,
        le=3650 * 86_400,
        description="seconds that notifications are kept with their attempts after they were delivered or buried",
    )
    notify_metrics_listen: str = Field(
        default="",
        pattern=METRICS_LISTEN,
        description="host:port of the metrics for Prometheus; none when empty",
    )
    lease_s: LeaseSeconds = 30.0

    @field_validator("notify_retry_schedule_s")
    @classmethod
    def _check_schedule(cls, text: str) -> str:
        if not all(0 <= float(pause) <= MAX_PAUSE_S for pause in split_list(text)):
            raise ValueError(f"pauses of 0 to {MAX_PAUSE_S:,} seconds, separated by commas, are due")
        return text

    @property
    def poster(self) -> PosterSettings:
        """What each process that posts knows."""
        return PosterSettings(
            allowed=f"{self.egress_allow},{self.egress_allow_webhooks}",
            setting=WEBHOOK_SETTING,
            ca_file=str(self.egress_ca_file or ""),
            timeout_s=self.notify_timeout_s,
            at_once=-(-self.notify_posts // self.notify_posters),
        )

    @property
    def post_limits(self) -> PostLimits:
        """Bounds of what is under way at once."""
        return PostLimits(per_host=self.notify_posts_per_host, per_account=self.notify_posts_per_account)

    @property
    def breaker(self) -> BreakerRules:
        """When a receiver is paused."""
        return BreakerRules(
            failures=self.notify_breaker_failures, first_pause=timedelta(seconds=self.notify_breaker_pause_s)
        )

    @property
    def retry_schedule_s(self) -> tuple[float, ...]:
        """The pauses."""
        return tuple(float(pause) for pause in split_list(self.notify_retry_schedule_s))
