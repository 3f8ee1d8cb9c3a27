"""media's settings."""

import os

from pydantic import Field

from services.shared.settings import EgressSettings, split_list


class MediaSettings(EgressSettings):
    """Read once from the environment, `CALLDOCK_` before each name."""

    intake_address: str = Field(description="intake's internal listener")
    egress_allow_downloads: str = Field(default="", description="the same, for downloads alone")
    media_workers: int = Field(
        default=os.cpu_count() or 1, ge=1, le=256, description="worker processes that decode and measure"
    )
    media_downloads: int = Field(default=64, ge=1, le=10_000, description="downloads at once")
    media_downloads_per_host: int = Field(default=32, ge=1, le=10_000, description="downloads at once from one host")
    media_download_bytes: int = Field(
        default=2 * 1024**3,
        ge=64 * 1024**2,
        description="bytes that downloads under way may fill together; a file without a length counts as the largest that is taken",
    )
    media_download_timeout_s: float = Field(
        default=30.0, gt=0, le=60, description="seconds that a download may take, connection included"
    )
    media_decode_timeout_s: float = Field(
        default=60.0, gt=0, le=120, description="seconds that a worker may spend on one file"
    )
    media_checks: int = Field(default=16, ge=1, le=1000, description="recordings checked without a call at once")
    media_upload_timeout_s: float = Field(
        default=30.0, gt=0, le=50, description="seconds that a file sent to be checked may take to come"
    )

    @property
    def allowed_egress(self) -> tuple[str, ...]:
        """The allow entries for downloads."""
        return (*split_list(self.egress_allow), *split_list(self.egress_allow_downloads))
