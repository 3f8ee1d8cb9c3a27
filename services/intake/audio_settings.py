"""How an account's recordings are taken and judged, where it departs from the contract (docs/contract.md 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.shared.errors import Mnemonic, Refusal


class RulePolicy(StrEnum):
    """What comes of a rule that a recording does not keep; proto `RulePolicy`."""

    REJECT = "reject"
    WARN = "warn"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioSettings:
    """Content-Types beside the contract's, in lower case; what comes of rules, by the words of proto `AudioRule`. `version` counts the changes."""

    wav_content_types: tuple[str, ...] = ()
    mp3_content_types: tuple[str, ...] = ()
    takes_mp3_without_id3: bool = False
    policies: tuple[tuple[str, RulePolicy], ...] = ()
    version: int = 1

    def as_json(self) -> dict[str, object]:
        """What is stored; the version has a column of its own."""
        return {
            "wav_content_types": list(self.wav_content_types),
            "mp3_content_types": list(self.mp3_content_types),
            "takes_mp3_without_id3": self.takes_mp3_without_id3,
            "policies": [[rule, policy] for rule, policy in self.policies],
        }


def audio_settings(stored: Mapping[str, Any] | None, version: int) -> AudioSettings:
    """The settings as they were stored; None for an account that never changed them."""
    found = stored or {}
    return AudioSettings(
        wav_content_types=tuple(found.get("wav_content_types", ())),
        mp3_content_types=tuple(found.get("mp3_content_types", ())),
        takes_mp3_without_id3=bool(found.get("takes_mp3_without_id3", False)),
        policies=tuple((rule, RulePolicy(policy)) for rule, policy in found.get("policies", ())),
        version=version,
    )


def content_types(came: Sequence[str]) -> tuple[str, ...]:
    """Content-Types in the spelling in which they compare."""
    return tuple(sorted({text.lower() for text in came}))


def policies(came: Sequence[tuple[str, RulePolicy]]) -> tuple[tuple[str, RulePolicy], ...]:
    """Policies by rule. Raises Refusal for a rule that is named twice."""
    named = dict(came)
    if len(named) < len(came):
        why = "a rule is named twice"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=("account", "audio", "policies"), why=why)
    return tuple(sorted(named.items()))
