"""The rules of a call that need the account's present state (docs/contract.md 4, 5): ids are its own, components are on."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.intake.account import VOICE_ANALYSIS
from services.intake.attribution import Attribution, Directory, attribute
from services.intake.call import CheckedCall
from services.intake.draft import RecordingFormat
from services.intake.handed_over import HandedOver
from services.shared.errors import Mnemonic, Refusal


@dataclass(frozen=True, slots=True)
class KnownTag:
    """A tag of the account."""

    tag_id: int
    is_system: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """What the account has of what some calls name. Employees by name are keyed by `name_key`."""

    has_voice_analysis: bool
    directory: Directory
    tags_by_id: Mapping[int, KnownTag]
    tags_by_name: Mapping[str, KnownTag]
    employee_ids: frozenset[int]
    employees_by_key: Mapping[str, int]
    handed_over: Mapping[str, HandedOver]


def check_by_account(call: CheckedCall, state: AccountState) -> tuple[Attribution, list[Refusal]]:
    """What the call is attributed to, and what speaks against storing it, in the contract's order."""
    path = ("calls", call.place)
    attribution, refusals = attribute(call.attribution, call.called_phone_number, state.directory, path)
    for place, tag in enumerate(call.tags):
        refusals += _check_tag(tag.tag_id, tag.name, state, (*path, "tags", place))
    wav_count = sum(record.format is RecordingFormat.WAV for record in call.records)
    if wav_count and not state.has_voice_analysis:
        refusals.append(
            Refusal(
                Mnemonic.PARAMETER_COMPONENT_DISABLED,
                path=(*path, "wav_records"),
                why="wav_records need the account's voice analysis",
                params={"components": VOICE_ANALYSIS},
            )
        )
    for place, record in enumerate(call.records):
        if record.employee_id is not None and record.employee_id not in state.employee_ids:
            field = (*path, f"{record.format}_records", place, "employee_id")
            refusals.append(
                Refusal(
                    Mnemonic.ENTITY_NOT_FOUND,
                    path=field,
                    value=record.employee_id,
                    why="the account has no such employee",
                )
            )
    return attribution, refusals


def _check_tag(tag_id: int | None, name: str, state: AccountState, path: tuple[str | int, ...]) -> list[Refusal]:
    known = state.tags_by_name.get(name) if tag_id is None else state.tags_by_id.get(tag_id)
    field, value = ("tag_name", name) if tag_id is None else ("tag_id", tag_id)
    if known is None:
        if tag_id is None:
            return []
        return [Refusal(Mnemonic.ENTITY_NOT_FOUND, path=(*path, field), value=value, why="the account has no such tag")]
    if known.is_system:
        return [
            Refusal(
                Mnemonic.INVALID_PARAMETER_VALUE,
                path=(*path, field),
                value=value,
                why="a system tag is not set by an upload",
            )
        ]
    return []
