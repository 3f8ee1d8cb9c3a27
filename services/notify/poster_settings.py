"""What a process that posts is told at its start, through its environment."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.shared.kept_process import plain_environment

_ALLOWED, _SETTING, _CA_FILE = "POSTER_ALLOWED", "POSTER_SETTING", "POSTER_CA_FILE"
_TIMEOUT_S, _AT_ONCE = "POSTER_TIMEOUT_S", "POSTER_AT_ONCE"


@dataclass(frozen=True, slots=True, kw_only=True)
class PosterSettings:
    """What a process that posts knows: allow entries separated by commas, the setting that refusals name, a PEM file or nothing, a receiver's time in seconds, how many POSTs are under way at once."""

    allowed: str
    setting: str
    ca_file: str
    timeout_s: float
    at_once: int

    def environment(self) -> dict[str, str]:
        """Its whole environment: that of the machine, without our settings, and these."""
        # A name whose servers are dead holds a thread for so long (resolv.conf(5)): shorter than the C library's own 5 s, of which there may be many.
        return {"RES_OPTIONS": "timeout:2 attempts:2", **plain_environment()} | {
            _ALLOWED: self.allowed,
            _SETTING: self.setting,
            _CA_FILE: self.ca_file,
            _TIMEOUT_S: str(self.timeout_s),
            _AT_ONCE: str(self.at_once),
        }


def read_environment(environment: Mapping[str, str]) -> PosterSettings:
    """The settings, as `environment` wrote them."""
    return PosterSettings(
        allowed=environment[_ALLOWED],
        setting=environment[_SETTING],
        ca_file=environment[_CA_FILE],
        timeout_s=float(environment[_TIMEOUT_S]),
        at_once=int(environment[_AT_ONCE]),
    )
