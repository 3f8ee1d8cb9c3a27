"""All settings of calldock by their names in the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from services.intake.settings import IntakeSettings
from services.media.settings import MediaSettings
from services.notify.settings import NotifySettings
from services.shared.rpc.process import SECRETS_DIR
from services.shared.settings import ServiceSettings

PREFIX = "CALLDOCK_"
SERVICES: Mapping[str, type[ServiceSettings]] = MappingProxyType(
    {"intake": IntakeSettings, "media": MediaSettings, "notify": NotifySettings}
)
GIVEN_BY_UP = frozenset({"public_listen", "internal_listen", "intake_address", "media_address", "notify_address"})
"""What services need, and `calldock up` gives them."""
OF_COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "CALLDOCK_LISTEN": ("127.0.0.1:8080", "up: address and port of the front door"),
        "CALLDOCK_LISTEN_TLS_CERT": ("", "up: PEM file of the front door's certificate, with its chain"),
        "CALLDOCK_LISTEN_TLS_KEY": ("", "up: PEM file of the key of that certificate"),
        "CALLDOCK_TRUSTED_PROXIES": ("0", "up: proxies before the front door that are believed about the client's address"),
        "CALLDOCK_URL": ("", "commands: the front door that they speak to"),
        "CALLDOCK_TOKEN": ("", "commands: the account's access token"),
        "CALLDOCK_SOCKETS": ("", "commands: folder of the services' internal sockets, where no `up` runs"),
        "CALLDOCK_VCON_DOMAIN": ("", "calls export: domain of the vCons' identifiers"),
        SECRETS_DIR: ("", "services: folder with one file a setting, for what is secret"),
    }
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Known:
    """A setting: who reads it, its default in words, what it means."""

    readers: list[str] = field(default_factory=list)
    default: str
    meaning: str


def known_settings() -> dict[str, Known]:
    """Every setting by its name in the environment, in the order of the names."""
    found = {name: Known(default=default, meaning=meaning) for name, (default, meaning) in OF_COMMANDS.items()}
    for service, settings in SERVICES.items():
        for name, described in settings.model_fields.items():
            known = found.setdefault(
                f"{PREFIX}{name.upper()}", Known(default=_default(name, described), meaning=_meaning(described))
            )
            known.readers.append(service)
    return dict(sorted(found.items()))


def secret_values(settings: ServiceSettings) -> set[str]:
    """What the settings hold that nobody may read."""
    values = (getattr(settings, name) for name in type(settings).model_fields)
    return {value.get_secret_value() for value in values if isinstance(value, SecretStr)}


def unknown_in(environment: Mapping[str, str]) -> list[str]:
    """Names in the environment that look like settings and are none."""
    known = known_settings()
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def _default(name: str, described: FieldInfo) -> str:
    if name in GIVEN_BY_UP:
        return "given by `calldock up`"
    if name == "secret_key":
        return "secret.key of the data folder, by `calldock up`"
    if described.is_required():
        return "needed"
    value = described.default.get_secret_value() if isinstance(described.default, SecretStr) else described.default
    return "" if value is None else str(value)


def _meaning(described: FieldInfo) -> str:
    return described.description or ""
