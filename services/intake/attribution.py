"""What led to a call: visitor session, campaign, source, site (docs/contract.md 4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.shared.errors import Mnemonic, Path, Refusal

UNKNOWN_SOURCE_ID = -1
"""The system source "unknown", which every account has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """The ids that a call names, or that were found for it."""

    visitor_session_id: int | None = None
    campaign_id: int | None = None
    source_id: int | None = None
    site_id: int | None = None


NOTHING_NAMED = Attribution()
"""Of a call that names no id, as most do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """What the account has of what some calls name: sessions with what they carry, campaigns with whether they are active, sources, sites, and the
    sites of telephone numbers."""

    sessions: Mapping[int, Attribution] = field(default_factory=dict)
    campaigns: Mapping[int, bool] = field(default_factory=dict)
    sources: frozenset[int] = frozenset()
    sites: frozenset[int] = frozenset()
    number_sites: Mapping[str, int] = field(default_factory=dict)


def attribute(
    named: Attribution, called_phone_number: str, directory: Directory, path: Path
) -> tuple[Attribution, list[Refusal]]:
    """What the call is attributed to, and what it names that the account does not have. Paths begin with `path`."""
    if named is NOTHING_NAMED:
        return named, []
    if named.visitor_session_id is not None:
        session = directory.sessions.get(named.visitor_session_id)
        if session is None:
            return named, [_not_found(path, "visitor_session_id", named.visitor_session_id)]
        return session, []
    refusals = []
    if named.campaign_id is not None:
        if named.campaign_id not in directory.campaigns:
            refusals.append(_not_found(path, "campaign_id", named.campaign_id))
        elif not directory.campaigns[named.campaign_id]:
            refusals.append(
                Refusal(Mnemonic.CAMPAIGN_IS_INACTIVE, path=(*path, "campaign_id"), value=named.campaign_id)
            )
    if named.source_id not in (None, UNKNOWN_SOURCE_ID) and named.source_id not in directory.sources:
        refusals.append(_not_found(path, "source_id", named.source_id))
    if named.site_id is not None and named.site_id not in directory.sites:
        refusals.append(_not_found(path, "site_id", named.site_id))
    owner = directory.number_sites.get(called_phone_number, named.site_id)
    return Attribution(
        campaign_id=named.campaign_id,
        source_id=named.source_id,
        site_id=named.site_id if owner == named.site_id else None,
    ), refusals


def _not_found(path: Path, name: str, value: int | None) -> Refusal:
    return Refusal(
        Mnemonic.ENTITY_NOT_FOUND,
        path=(*path, name),
        value=value,
        why=f"the account has no such {name.removesuffix('_id').replace('_', ' ')}",
    )
