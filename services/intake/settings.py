"""intake's settings."""

import os

from pydantic import Field

from services.shared.settings import DEFAULT_MAX_REQUEST_BYTES, LeaseSeconds, ServiceSettings


class IntakeSettings(ServiceSettings):
    """Read once from the environment, `CALLDOCK_` before each name."""

    media_address: str = Field(description="media's internal listener")
    notify_address: str = Field(description="notify's internal listener")
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
