"""An account: one customer of the installation, and how its calls are read."""

from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_network
from zoneinfo import ZoneInfo

from services.intake.audio_settings import AudioSettings
from services.intake.call import AccountClock
from services.intake.call_rules import MAX_NAME
from services.intake.phone import is_region
from services.intake.points import Limits
from services.intake.retention import Retention, check_retention
from services.intake.wall_time import zone_of
from services.shared.errors import Mnemonic, Refusal
from services.shared.identity import AccountId, Role, is_within

DEFAULT_TIME_ZONE = "Europe/Moscow"
DEFAULT_REGION = "RU"

CALL_UPLOAD = "call_upload"
"""The component that uploads need."""
VOICE_ANALYSIS = "voice_analysis"
"""The component that wav_records need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account to be made."""

    name: str
    time_zone: str
    region: str
    has_voice_analysis: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account as stored."""

    account_id: AccountId
    name: str
    time_zone: str
    region: str
    has_call_upload: bool
    has_voice_analysis: bool
    is_active: bool
    limits: Limits
    allowed_networks: tuple[str, ...]
    audio: AudioSettings
    retention: Retention
    create_time: datetime

    @property
    def clock(self) -> AccountClock:
        """What its calls are read by."""
        return AccountClock(zone=ZoneInfo(self.time_zone), region=self.region)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorChange:
    """What the operator is to change of an account; None stays, a limit of 0 is taken away."""

    is_active: bool | None = None
    has_call_upload: bool | None = None
    has_voice_analysis: bool | None = None
    minute_limit: int | None = None
    day_limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token to be made; it never expires when there is no time. An agent's lists the accounts for which it acts beside its own."""

    role: Role
    name: str = ""
    expire_time: datetime | None = None
    agent_account_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as stored, without its text."""

    token_id: int
    name: str
    role: Role
    create_time: datetime
    expire_time: datetime | None
    is_blocked: bool
    agent_account_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChange:
    """What is to change of an account's settings; None stays."""

    name: str | None = None
    time_zone: str | None = None
    region: str | None = None
    allowed_networks: tuple[str, ...] | None = None
    audio: AudioSettings | None = None
    retention: Retention | None = None


MAX_NETWORKS = 100


def check_change(change: AccountChange, caller_address: str) -> AccountChange:
    """The change with its values checked and networks in their usual spelling. Raises Refusal; also for networks that would shut the caller out."""
    if change.name is not None:
        _check_name(change.name)
    if change.time_zone is not None:
        _check_zone(change.time_zone)
    if change.region is not None:
        _check_region(change.region)
    if change.retention is not None:
        check_retention(change.retention)
    if change.allowed_networks is None:
        return change
    networks = tuple(_network(text, place) for place, text in enumerate(change.allowed_networks))
    if not networks or len(networks) > MAX_NETWORKS:
        why = f"1 to {MAX_NETWORKS} networks are taken; 0.0.0.0/0 and ::/0 allow all"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("account", "allowed_networks"), why=why)
    if not is_within(caller_address, networks):
        why = f"this would shut out the caller, whose address is {caller_address or 'not known'}"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("account", "allowed_networks"), why=why)
    return replace(change, allowed_networks=networks)


def _network(text: str, place: int) -> str:
    try:
        return str(ip_network(text.strip()))
    except ValueError as error:
        path = ("account", "allowed_networks", place)
        why = "not an address or network, such as 203.0.113.0/24"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=path, value=text, why=why) from error


def check_new_account(name: str, time_zone: str, region: str, has_voice_analysis: bool | None) -> NewAccount:
    """An account with the defaults filled in. Raises Refusal for a blank name, an unknown zone or region."""
    _check_name(name)
    _check_zone(time_zone or DEFAULT_TIME_ZONE)
    _check_region(region or DEFAULT_REGION)
    return NewAccount(
        name=name.strip(),
        time_zone=time_zone or DEFAULT_TIME_ZONE,
        region=region or DEFAULT_REGION,
        has_voice_analysis=has_voice_analysis is not False,
    )


def _check_name(name: str) -> None:
    if not name.strip() or "\0" in name or len(name) > MAX_NAME:
        why = f"a name of 1 to {MAX_NAME} characters is due"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("name",), value=name, why=why)


def _check_zone(time_zone: str) -> None:
    if zone_of(time_zone) is None:
        why = "not an IANA time zone, such as Europe/Moscow"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("time_zone",), value=time_zone, why=why)


def _check_region(region: str) -> None:
    if not is_region(region):
        why = "not an ISO 3166 region, such as RU"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("region",), value=region, why=why)
