"""What every service's settings share: environment names with the `CALLDOCK_` prefix, read once, frozen."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.shared.addresses import AddressPolicy
from services.shared.sealing import read_key

DEFAULT_MAX_REQUEST_BYTES = 524_288
FRONT_DOOR_ROOM = 4
"""The front door lets through so many times the limit of a JSON body, so that the contract's error comes from intake and not a bare 413."""

WEBHOOK_SETTING = "CALLDOCK_EGRESS_ALLOW_WEBHOOKS"
"""What refusals tell the operator to change."""

TRACES_ENDPOINT = r"^$|^https?://[^\s/:@]+:\d{1,5}$"
DEFAULT_TRACES_SHARE = 0.1


def _checked_key(key: SecretStr, name: str) -> SecretStr:
    read_key(key.get_secret_value(), name)
    return key


SecretKey = Annotated[SecretStr, AfterValidator(lambda key: _checked_key(key, "CALLDOCK_SECRET_KEY"))]
EdgeKey = Annotated[SecretStr, AfterValidator(lambda key: _checked_key(key, "CALLDOCK_EDGE_KEY"))]
SessionKey = Annotated[SecretStr, AfterValidator(lambda key: _checked_key(key, "CALLDOCK_SESSION_KEY"))]
"""Keys that are refused with the other settings when they are not base64 of 32 bytes."""

LeaseSeconds = Annotated[
    float, Field(ge=1, le=600, description="seconds that a piece of work is held without a sign of life")
]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of a process's certificate, its key, and the authority of all of them."""

    cert: Path
    key: Path
    ca: Path


class ServiceSettings(BaseSettings):
    """Settings of any service. An address is `unix:/path` or `host:port`."""

    # What is refused is logged: which setting and why, never its value, which may be a secret or hold one.
    model_config = SettingsConfigDict(env_prefix="CALLDOCK_", frozen=True, extra="ignore", hide_input_in_errors=True)

    data_dir: Path = Field(default=Path("calldock-data"), description="folder of the databases and recordings")
    public_listen: str = Field(description="addresses of the public listener, separated by commas")
    internal_listen: str = Field(description="addresses of the internal listener, separated by commas")
    internal_key: SecretStr | None = Field(
        default=None,
        description="shared secret between services; needed when an internal listener is on TCP without CALLDOCK_PEER_TLS_CERT",
    )
    session_key: SessionKey | None = Field(
        default=None,
        description="base64 of 32 bytes, the same for all processes: seals sessions of the client area; without it there is none",
    )
    peer_tls_cert: Path | None = Field(
        default=None,
        description="PEM file of this process's certificate for listeners and peers on TCP, with its chain",
    )
    peer_tls_key: Path | None = Field(default=None, description="PEM file of the key of that certificate")
    peer_tls_ca: Path | None = Field(
        default=None, description="PEM file of the authority that signs the certificates of all of calldock's processes"
    )
    health_listen: str = Field(
        default="",
        pattern=r"^$|^[^\s]+:\d{1,5}$",
        description="host:port that answers gRPC health checks and nothing else, in the clear, for who has no certificate; none when empty",
    )
    drain_s: float = Field(default=10.0, ge=0, le=300, description="seconds that running requests get at a stop")
    drain_notice_s: float = Field(
        default=0.0,
        ge=0,
        le=60,
        description="seconds at a stop between being not ready and taking no more requests, for balancers to see it",
    )

    traces_endpoint: str = Field(
        default="",
        pattern=TRACES_ENDPOINT,
        description="http://host:port or https://host:port of an OTLP collector (gRPC) that takes spans; empty: nothing is traced",
    )
    traces_share: float = Field(
        default=DEFAULT_TRACES_SHARE, ge=0, le=1, description="share of the requests at the front door that are traced"
    )

    @property
    def public_addresses(self) -> tuple[str, ...]:
        """The public listener's addresses."""
        return split_list(self.public_listen)

    @property
    def internal_addresses(self) -> tuple[str, ...]:
        """The internal listener's addresses."""
        return split_list(self.internal_listen)

    @property
    def peer_tls(self) -> TlsFiles | None:
        """The certificate's files, if there are any. Raises ValueError when some are named and some are not."""
        files = (self.peer_tls_cert, self.peer_tls_key, self.peer_tls_ca)
        if files == (None, None, None):
            return None
        cert, key, ca = files
        if cert is None or key is None or ca is None:
            raise ValueError("CALLDOCK_PEER_TLS_CERT, CALLDOCK_PEER_TLS_KEY and CALLDOCK_PEER_TLS_CA go together")
        return TlsFiles(cert, key, ca)


class DatabaseSettings(ServiceSettings):
    """Settings of a service that keeps something."""

    database_url: SecretStr | None = Field(
        default=None,
        description="postgresql://user:password@host/database, which replicas share; without it, a file in the data directory",
    )

    migrate_at_start: bool = Field(
        default=True,
        description="whether a start brings the schema up to date; if not, `calldock migrate` has to, and a start refuses while it has not",
    )

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None or not url.get_secret_value():
            return None
        if not url.get_secret_value().startswith("postgresql://"):
            # Not told back: it may hold a password.
            raise ValueError("postgresql://user:password@host/database is due, or nothing")
        return url


class AllowSettings(ServiceSettings):
    """Settings of a service that minds which addresses are dialled on somebody's word."""

    egress_allow: str = Field(
        default="",
        description="addresses outside the public internet that may be dialled, separated by commas: host, address or network, with :port or without",
    )


class WebhookSettings(AllowSettings):
    """Settings of a service that minds where webhooks go."""

    egress_allow_webhooks: str = Field(default="", description="the same, for webhooks alone")

    @property
    def webhooks(self) -> AddressPolicy:
        """Where webhooks may go. Raises ValueError for what is no allow entry."""
        allowed = (*split_list(self.egress_allow), *split_list(self.egress_allow_webhooks))
        return AddressPolicy(allowed, setting=WEBHOOK_SETTING)


class EgressSettings(AllowSettings):
    """Settings of a service that dials such addresses."""

    egress_ca_file: Path | None = Field(
        default=None, description="PEM file of further certificate authorities to trust"
    )


def split_list(text: str) -> tuple[str, ...]:
    """The entries of a comma-separated setting, without surrounding spaces and empty ones."""
    return tuple(entry for part in text.split(",") if (entry := part.strip()))


def check_internal_listener(settings: ServiceSettings) -> None:
    """Raises ValueError when the internal listener would stand open on a network. An empty key counts as none."""
    is_open = not all(address.startswith("unix:") for address in settings.internal_addresses)
    if settings.peer_tls is None and is_open and not settings.internal_key:
        raise ValueError(
            "CALLDOCK_INTERNAL_LISTEN is on TCP: set CALLDOCK_PEER_TLS_CERT, _KEY and _CA, or CALLDOCK_INTERNAL_KEY, or use unix:/path"
        )
