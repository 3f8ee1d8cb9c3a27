"""intake's settings."""

import os
from datetime import timedelta

from pydantic import Field, field_validator

from services.intake.recording import Retries
from services.intake.retention import RetentionDefaults
from services.shared.metrics import METRICS_LISTEN
from services.shared.settings import (
    DEFAULT_MAX_REQUEST_BYTES,
    DatabaseSettings,
    LeaseSeconds,
    SecretKey,
    WebhookSettings,
    split_list,
)

MAX_PAUSE_S = 3_600


class IntakeSettings(WebhookSettings, DatabaseSettings):
    """Read once from the environment, `CALLDOCK_` before each name."""

    media_address: str = Field(description="media's internal listener")
    notify_address: str = Field(description="notify's internal listener")
    secret_key: SecretKey = Field(description="base64 of 32 bytes; seals credentials of recording hosts at rest")
    max_request_bytes: int = Field(
        default=DEFAULT_MAX_REQUEST_BYTES, ge=1_024, le=2_097_152, description="bytes of JSON that a request may hold"
    )
    max_calls_per_request: int = Field(default=500, ge=1, le=1_000, description="calls that a request may hold")
    fetches: int = Field(default=32, ge=1, le=1_000, description="calls whose recordings are downloaded at once")
    processes: int = Field(
        default=max(2, (os.cpu_count() or 1) + 1),
        ge=1,
        le=1_000,
        description="calls whose recordings are judged at once",
    )
    relays: int = Field(
        default=16, ge=1, le=1_000, description="calls whose notifications are handed to notify at once"
    )
    lease_s: LeaseSeconds = 30.0
    media_download_pauses_s: str = Field(
        default="2,10,30",
        description="pauses in seconds before each further try of a download that failed in a way that may pass, separated by commas",
    )
    media_download_window_s: float = Field(
        default=600.0,
        ge=0,
        le=86_400,
        description="seconds after a call became new within which its downloads are tried again",
    )
    source_keep_s: float = Field(
        default=86_400.0,
        ge=0,
        le=365 * 86_400,
        description="seconds that a downloaded file is kept after its call ended, where the account says nothing else",
    )
    ext_id_keep_s: float = Field(
        default=365 * 86_400.0,
        ge=0,
        le=36_500 * 86_400,
        description="seconds that the ext_id of a call is remembered which went by retention, where the account says nothing else",
    )
    retention_unchanged_s: float = Field(
        default=86_400.0,
        ge=0,
        le=365 * 86_400,
        description="seconds that a call stays as it is before retention may take it or its audio",
    )
    intake_metrics_listen: str = Field(
        default="", pattern=METRICS_LISTEN, description="host:port of the metrics for Prometheus; none when empty"
    )

    @field_validator("media_download_pauses_s")
    @classmethod
    def _check_pauses(cls, text: str) -> str:
        if not all(0 <= float(pause) <= MAX_PAUSE_S for pause in split_list(text)):
            raise ValueError(f"pauses of 0 to {MAX_PAUSE_S:,} seconds, separated by commas, are due")
        return text

    @property
    def retention(self) -> RetentionDefaults:
        """How long things are kept where accounts say nothing else."""
        return RetentionDefaults(
            sources=timedelta(seconds=self.source_keep_s),
            ext_ids=timedelta(seconds=self.ext_id_keep_s),
            unchanged=timedelta(seconds=self.retention_unchanged_s),
        )

    @property
    def retries(self) -> Retries:
        """When downloads are tried again."""
        pauses = tuple(timedelta(seconds=float(pause)) for pause in split_list(self.media_download_pauses_s))
        return Retries(pauses=pauses, window=timedelta(seconds=self.media_download_window_s))
