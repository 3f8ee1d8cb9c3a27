"""notify's settings."""

from pydantic import Field, SecretStr, field_validator

from services.notify.schedule import STANDARD_SCHEDULE_S
from services.shared.settings import EgressSettings, LeaseSeconds, split_list

MAX_PAUSE_S = 7 * 86_400


class NotifySettings(EgressSettings):
    """Read once from the environment, `CALLDOCK_` before each name."""

    intake_address: str = Field(description="intake's internal listener")
    secret_key: SecretStr = Field(description="base64 of 32 bytes; seals signing secrets at rest")
    egress_allow_webhooks: str = Field(default="", description="the same, for webhooks alone")
    notify_timeout_s: float = Field(
        default=15.0, gt=0, le=120, description="seconds that a receiver has for a whole answer"
    )
    notify_retry_schedule_s: str = Field(
        default=",".join(map(str, STANDARD_SCHEDULE_S)),
        description="pauses in seconds after each failed attempt, separated by commas",
    )
    notify_posts: int = Field(default=64, ge=1, le=10_000, description="notifications that are posted at once")
    lease_s: LeaseSeconds = 30.0

    @field_validator("notify_retry_schedule_s")
    @classmethod
    def _check_schedule(cls, text: str) -> str:
        if not all(0 <= float(pause) <= MAX_PAUSE_S for pause in split_list(text)):
            raise ValueError(f"pauses of 0 to {MAX_PAUSE_S:,} seconds, separated by commas, are due")
        return text

    @property
    def allowed_egress(self) -> tuple[str, ...]:
        """The allow entries for webhooks."""
        return (*split_list(self.egress_allow), *split_list(self.egress_allow_webhooks))

    @property
    def retry_schedule_s(self) -> tuple[float, ...]:
        """The pauses."""
        return tuple(float(pause) for pause in split_list(self.notify_retry_schedule_s))
