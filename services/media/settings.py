"""media's settings."""

import os
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from services.media.encode import BIT_RATES_KBPS
from services.media.listeners import ListeningBounds
from services.shared.metrics import METRICS_LISTEN
from services.shared.objects import Storage
from services.shared.settings import EdgeKey, EgressSettings, split_list


class MediaSettings(EgressSettings):
    """Read once from the environment, `CALLDOCK_` before each name."""

    intake_address: str = Field(description="intake's internal listener")
    http_listen: str = Field(
        default="",
        pattern=r"^$|^unix:.+$|^[^\s]+:\d{1,5}$",
        description="address of the HTTP listener for playback, unix:/path, or host:port, which speaks TLS and needs CALLDOCK_PEER_TLS_CERT; empty: none",
    )
    edge_key: EdgeKey | None = Field(
        default=None,
        description="base64 of 32 bytes, the same for all replicas, that signs playback links; `calldock up` derives it from the secret key; without it none are made",
    )
    playback_link_s: int = Field(
        default=900, ge=10, le=86_400, description="seconds for which a playback link can be used"
    )
    playback_redirects: bool = Field(
        default=True,
        description="whether a playback link of a recording in a bucket leads there; if not, media streams it, as for a bucket that players cannot reach",
    )
    egress_allow_downloads: str = Field(default="", description="the same, for downloads alone")
    storage_url: str = Field(
        default="", description="where recordings lie: file:///folder, or s3://bucket/prefix; empty: in the data folder"
    )
    s3_endpoint: str = Field(default="", description="address of the S3 service; empty: the cloud's own")
    s3_region: str = Field(default="us-east-1", description="region of the bucket")
    s3_access_key_id: str = Field(
        default="", description="key for the bucket; empty: as the cloud's tools find it (environment, role)"
    )
    s3_secret_access_key: SecretStr = Field(default=SecretStr(""), description="the secret of that key")
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
    media_mp3_kbps: int = Field(
        default=32,
        description=f"kbit/s of the MP3s that are made of WAVs, both channels together: {', '.join(map(str, BIT_RATES_KBPS))}",
    )
    media_checks: int = Field(default=16, ge=1, le=1000, description="recordings checked without a call at once")
    media_puts: int = Field(default=16, ge=1, le=1000, description="recordings without a link taken at once")
    media_listeners: int = Field(default=200, ge=1, le=10_000, description="recordings listened to at once")
    media_listeners_per_account: int = Field(
        default=50, ge=1, le=10_000, description="recordings of one account listened to at once"
    )
    media_listeners_per_link: int = Field(
        default=8, ge=1, le=1000, description="requests of one playback link answered at once"
    )
    media_listener_idle_s: float = Field(
        default=60.0, gt=0, le=600, description="seconds after which a listener that takes nothing is cut off"
    )
    media_upload_timeout_s: float = Field(
        default=30.0, gt=0, le=50, description="seconds that a file that is sent here may take to come"
    )
    media_metrics_listen: str = Field(
        default="", pattern=METRICS_LISTEN, description="host:port of the metrics for Prometheus; none when empty"
    )

    @field_validator("media_mp3_kbps")
    @classmethod
    def _check_bit_rate(cls, rate: int) -> int:
        if rate not in BIT_RATES_KBPS:
            raise ValueError(f"one of {', '.join(map(str, BIT_RATES_KBPS))} is due")
        return rate

    @model_validator(mode="after")
    def _check_http_listen(self) -> Self:
        if self.http_listen and not self.http_listen.startswith("unix:") and self.peer_tls is None:
            raise ValueError(
                "CALLDOCK_HTTP_LISTEN is on TCP: set CALLDOCK_PEER_TLS_CERT, _KEY and _CA, or use unix:/path"
            )
        return self

    @property
    def listening(self) -> ListeningBounds:
        """How many listen at once, and how slowly."""
        return ListeningBounds(
            of_link=self.media_listeners_per_link,
            of_account=self.media_listeners_per_account,
            most=self.media_listeners,
            idle_s=self.media_listener_idle_s,
        )

    @property
    def storage(self) -> Storage:
        """Where recordings lie."""
        return Storage(
            url=self.storage_url or (self.data_dir.absolute() / "recordings").as_uri(),
            endpoint=self.s3_endpoint,
            region=self.s3_region,
            access_key_id=self.s3_access_key_id,
            secret_access_key=self.s3_secret_access_key.get_secret_value(),
        )

    @property
    def allowed_egress(self) -> tuple[str, ...]:
        """The allow entries for downloads."""
        return (*split_list(self.egress_allow), *split_list(self.egress_allow_downloads))
