"""An account: one customer of the installation, and how its calls are read."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.intake.call import AccountClock
from services.intake.phone import is_region
from services.intake.wall_time import zone_of
from services.shared.errors import Mnemonic, Refusal
from services.shared.identity import AccountId

DEFAULT_TIME_ZONE = "Europe/Moscow"
DEFAULT_REGION = "RU"

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
    has_voice_analysis: bool
    is_active: bool
    create_time: datetime

    @property
    def clock(self) -> AccountClock:
        """What its calls are read by."""
        return AccountClock(zone=ZoneInfo(self.time_zone), region=self.region)


def check_new_account(name: str, time_zone: str, region: str, has_voice_analysis: bool | None) -> NewAccount:
    """An account with the defaults filled in. Raises Refusal for a blank name, an unknown zone or region."""
    if not name.strip() or "\0" in name:
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("name",), value=name, why="a name is due")
    if zone_of(time_zone or DEFAULT_TIME_ZONE) is None:
        raise Refusal(
            Mnemonic.INVALID_PARAMETER_VALUE,
            path=("time_zone",),
            value=time_zone,
            why="not an IANA time zone, such as Europe/Moscow",
        )
    if not is_region(region or DEFAULT_REGION):
        raise Refusal(
            Mnemonic.INVALID_PARAMETER_VALUE, path=("region",), value=region, why="not an ISO 3166 region, such as RU"
        )
    return NewAccount(
        name=name.strip(),
        time_zone=time_zone or DEFAULT_TIME_ZONE,
        region=region or DEFAULT_REGION,
        has_voice_analysis=has_voice_analysis is not False,
    )
