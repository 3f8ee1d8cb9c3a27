"""What every service's settings share: environment names with the `CALLDOCK_` prefix, read once, frozen."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Settings of any service. An address is `unix:/path` or `host:port`."""

    model_config = SettingsConfigDict(env_prefix="CALLDOCK_", frozen=True, extra="ignore")

    data_dir: Path = Field(default=Path("calldock-data"), description="folder of the databases and recordings")
    public_listen: str = Field(description="addresses of the public listener, separated by commas")
    internal_listen: str = Field(description="address of the internal listener")
    internal_key: SecretStr | None = Field(
        default=None, description="shared secret between services; needed when an internal listener is on TCP"
    )
    drain_s: float = Field(default=10.0, ge=0, le=300, description="seconds that running requests get at a stop")

    @property
    def public_addresses(self) -> tuple[str, ...]:
        """The public listener's addresses."""
        return split_list(self.public_listen)


def split_list(text: str) -> tuple[str, ...]:
    """The entries of a comma-separated setting, without surrounding spaces and empty ones."""
    return tuple(entry for part in text.split(",") if (entry := part.strip()))


def check_internal_listener(settings: ServiceSettings) -> None:
    """Raises ValueError when the internal listener would stand open on a network. An empty key counts as none."""
    if not settings.internal_listen.startswith("unix:") and not settings.internal_key:
        raise ValueError("CALLDOCK_INTERNAL_LISTEN is on TCP: set CALLDOCK_INTERNAL_KEY, or use unix:/path")
