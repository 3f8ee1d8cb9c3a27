"""The entries of an account's directory: what calls may name besides themselves (docs/contract.md 4, 5)."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeAlias, TypeVar

from services.intake.call_rules import MAX_NAME
from services.intake.names import name_key, tidy
from services.intake.phone import to_e164
from services.shared.errors import Mnemonic, Path, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A label of calls. Names compare exactly."""

    tag_id: int = 0
    name: str = ""
    is_system: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Employee:
    """A person who speaks on calls. Names compare by `name_key`."""

    employee_id: int = 0
    full_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A web site with the telephone numbers that are shown on it, in E.164, sorted."""

    site_id: int = 0
    name: str = ""
    phone_numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """An advertising campaign; calls may name it while it is active."""

    campaign_id: int = 0
    name: str = ""
    is_active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where visitors come from."""

    source_id: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorSession:
    """A visit that may lead to a call, with what it carries."""

    visitor_session_id: int = 0
    site_id: int | None = None
    campaign_id: int | None = None
    source_id: int | None = None


Entry: TypeAlias = Tag | Employee | Site | Campaign | Source | VisitorSession
E = TypeVar("E", bound=Entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryKind(Generic[E]):
    """One kind of entry, and its rules. A number of 0 stands for one that did not come."""

    type: Callable[..., E]
    noun: str
    id_name: str
    changeable: tuple[str, ...]
    """The fields that an account gives, and that an update may name."""
    check: Callable[[E, str, Path], E]
    """The entry in its usual spelling, by the account's region. Raises Refusal; the path is where the entry stands in the request."""
    key: Callable[[E], str | None]
    """What no two entries of the account share; None when nothing is."""
    has_own_ids: bool
    """Whether an account may choose the numbers: those that its calls name already."""

    def id_of(self, entry: E) -> int:
        """The entry's number, 0 when it has none yet."""
        number: int = getattr(entry, self.id_name)
        return number

    def numbered(self, entry: E, number: int) -> E:
        """The entry with a number."""
        given: dict[str, Any] = {self.id_name: number}
        return replace(entry, **given)

    def changed(self, entry: E, change: E, names: Collection[str]) -> E:
        """The entry with some fields of the change."""
        return replace(entry, **{name: getattr(change, name) for name in names})

    def says_the_same(self, came: E, known: E) -> bool:
        """True when creating what came would only make again what is known."""
        if not self.has_own_ids:
            # Found by its name, which is all that it says.
            return True
        return self.numbered(came, self.id_of(came) or self.id_of(known)) == known


def _check_tag(tag: Tag, _region: str, path: Path) -> Tag:
    # A tag is as exact as an upload's: spaces are part of it.
    _check_length(tag.name, (*path, "name"))
    return tag


def _check_employee(employee: Employee, _region: str, path: Path) -> Employee:
    _check_name(employee.full_name, (*path, "full_name"))
    return replace(employee, full_name=tidy(employee.full_name))


def _check_campaign(campaign: Campaign, _region: str, path: Path) -> Campaign:
    return replace(campaign, name=_check_name(campaign.name, (*path, "name")))


def _check_source(source: Source, _region: str, path: Path) -> Source:
    return replace(source, name=_check_name(source.name, (*path, "name")))


def _check_site(site: Site, region: str, path: Path) -> Site:
    numbers = set()
    for place, text in enumerate(site.phone_numbers):
        number = to_e164(text, region)
        if number is None:
            where = (*path, "phone_numbers", place)
            raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=where, value=text, why="not a telephone number")
        numbers.add(number)
    return replace(site, name=_check_name(site.name, (*path, "name")), phone_numbers=tuple(sorted(numbers)))


def _check_session(session: VisitorSession, _region: str, path: Path) -> VisitorSession:
    if session.source_id == 0:
        where = (*path, "source_id")
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=where, value=0, why="-1, or 1 and more are taken")
    return session


def _check_name(name: str, path: Path) -> str:
    """The name without surrounding spaces."""
    _check_length(name, path)
    if not name_key(name):
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=path, value=name, why="a name is more than spaces")
    return name.strip()


def _check_length(name: str, path: Path) -> None:
    if not name:
        raise Refusal(Mnemonic.REQUIRED_PARAMETER_MISSED, path=path)
    if len(name) > MAX_NAME or "\0" in name:
        why = f"1 to {MAX_NAME} characters without NUL are taken"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=path, value=name, why=why)


TAG = EntryKind(
    type=Tag,
    noun="tag",
    id_name="tag_id",
    changeable=("name",),
    check=_check_tag,
    key=lambda tag: tag.name,
    has_own_ids=False,
)
EMPLOYEE = EntryKind(
    type=Employee,
    noun="employee",
    id_name="employee_id",
    changeable=("full_name",),
    check=_check_employee,
    key=lambda employee: name_key(employee.full_name),
    has_own_ids=False,
)
SITE = EntryKind(
    type=Site,
    noun="site",
    id_name="site_id",
    changeable=("name", "phone_numbers"),
    check=_check_site,
    key=lambda site: site.name,
    has_own_ids=True,
)
CAMPAIGN = EntryKind(
    type=Campaign,
    noun="campaign",
    id_name="campaign_id",
    changeable=("name", "is_active"),
    check=_check_campaign,
    key=lambda campaign: campaign.name,
    has_own_ids=True,
)
SOURCE = EntryKind(
    type=Source,
    noun="source",
    id_name="source_id",
    changeable=("name",),
    check=_check_source,
    key=lambda source: source.name,
    has_own_ids=True,
)
VISITOR_SESSION = EntryKind(
    type=VisitorSession,
    noun="visitor_session",
    id_name="visitor_session_id",
    changeable=("site_id", "campaign_id", "source_id"),
    check=_check_session,
    key=lambda _session: None,
    has_own_ids=True,
)
