"""The entries of an account's directory: listed, created, changed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, delete, func, insert, or_, select, update
from sqlalchemy.engine import RowMapping

from services.intake.attribution import UNKNOWN_SOURCE_ID
from services.intake.directory_entry import (
    CAMPAIGN,
    EMPLOYEE,
    SITE,
    SOURCE,
    TAG,
    VISITOR_SESSION,
    Employee,
    Entry,
    EntryKind,
    Site,
    VisitorSession,
)
from services.intake.names import name_key
from services.intake.store.accounts import get_account
from services.intake.store.tables import (
    CampaignRow,
    EmployeeRow,
    SiteNumberRow,
    SiteRow,
    SourceRow,
    TagRow,
    VisitorSessionRow,
)
from services.shared.db.locks import Lock, take
from services.shared.db.tables import table_of
from services.shared.errors import Mnemonic, Path, Refusal, not_found
from services.shared.identity import AccountId

E = TypeVar("E", bound=Entry)

_TABLES: Mapping[str, Table] = MappingProxyType(
    {
        TAG.noun: table_of(TagRow),
        EMPLOYEE.noun: table_of(EmployeeRow),
        SITE.noun: table_of(SiteRow),
        CAMPAIGN.noun: table_of(CampaignRow),
        SOURCE.noun: table_of(SourceRow),
        VISITOR_SESSION.noun: table_of(VisitorSessionRow),
    }
)
_KEYS: Mapping[str, str] = MappingProxyType(
    {TAG.noun: "name", EMPLOYEE.noun: "name_key", SITE.noun: "name", CAMPAIGN.noun: "name", SOURCE.noun: "name"}
)
"""The column of `EntryKind.key`, which is unique in the account."""
_numbers = table_of(SiteNumberRow)


def list_entries(
    connection: Connection, kind: EntryKind[E], account_id: AccountId, most: int, below: int | None
) -> list[E]:
    """The account's entries of a kind, by number from the highest down, up to `most`, with numbers below the given one."""
    table = _TABLES[kind.noun]
    number = table.c[kind.id_name]
    wanted = select(table).where(table.c.account_id == account_id).order_by(number.desc()).limit(most)
    if below is not None:
        wanted = wanted.where(number < below)
    return _read(connection, kind, account_id, connection.execute(wanted).mappings().all())


def create_entries(
    connection: Connection,
    kind: EntryKind[E],
    account_id: AccountId,
    came: Sequence[E],
    paths: Sequence[Path],
    *,
    is_repeatable: bool,
) -> list[E]:
    """Creates entries, all or none, and answers them in their order. `paths` say where each stands in the request.

    With `is_repeatable` one that is there already and says the same is answered as it is. Raises Refusal: what an entry's own rules say, duplicate_entity,
    entity_not_found for what it carries.
    """
    take(connection, Lock.ACCOUNT, account_id)
    region = get_account(connection, account_id).region
    checked = [kind.check(entry, region, path) for entry, path in zip(came, paths, strict=True)]
    by_id, by_key = _known(connection, kind, account_id, checked)
    fresh: list[tuple[E, Path]] = []
    answers: list[E] = []
    for entry, path in zip(checked, paths, strict=True):
        known = _same_number_or_key(kind, entry, by_id, by_key)
        if known is None:
            # Until it is stored, one whose number calldock chooses has a provisional one below 0.
            known = entry if kind.id_of(entry) and kind.has_own_ids else kind.numbered(entry, -1 - len(fresh))
            fresh.append((known, path))
            _remember(kind, known, by_id, by_key)
        elif not is_repeatable or not kind.says_the_same(entry, known):
            raise _duplicate(kind, entry, known, path)
        answers.append(known)
    _check_parts(connection, account_id, fresh)
    numbers = _insert(connection, kind, account_id, [entry for entry, _ in fresh])
    return [kind.numbered(entry, numbers.get(kind.id_of(entry), kind.id_of(entry))) for entry in answers]


def update_entry(
    connection: Connection,
    kind: EntryKind[E],
    account_id: AccountId,
    change: E,
    names: Collection[str],
) -> E:
    """Changes the named fields of an entry. Raises Refusal: entity_not_found, what its rules say, duplicate_entity for what another entry has."""
    take(connection, Lock.ACCOUNT, account_id)
    table, number, path = _TABLES[kind.noun], kind.id_of(change), (kind.noun,)
    mine = (table.c.account_id == account_id) & (table.c[kind.id_name] == number)
    found = connection.execute(select(table).where(mine)).mappings().all()
    if not found:
        why = f"there is no such {kind.noun.replace('_', ' ')}"
        raise not_found(kind.id_name, number, why)
    if found[0].get("is_system"):
        why = "a system tag stays as it is"
        raise Refusal(Mnemonic.INVALID_PARAMETER_VALUE, path=(*path, kind.id_name), value=number, why=why)
    (known,) = _read(connection, kind, account_id, found)
    entry = kind.check(kind.changed(known, change, names), get_account(connection, account_id).region, path)
    _, by_key = _known(connection, kind, account_id, [entry])
    other = by_key.get(kind.key(entry) or "")
    if other is not None and kind.id_of(other) != number:
        raise _duplicate(kind, entry, other, path)
    _check_parts(connection, account_id, [(entry, path)])
    connection.execute(update(table).where(mine).values(_values(entry, kind)))
    if isinstance(entry, Site):
        connection.execute(
            delete(_numbers).where(_numbers.c.account_id == account_id, _numbers.c.site_id == entry.site_id)
        )
        _insert_numbers(connection, account_id, [entry])
    return entry


def _read(connection: Connection, kind: EntryKind[E], account_id: AccountId, rows: Sequence[RowMapping]) -> list[E]:
    names = (kind.id_name, *(name for name in ("is_system", *kind.changeable) if rows and name in rows[0]))
    entries = [kind.type(**{name: row[name] for name in names}) for row in rows]
    return _with_numbers(connection, account_id, entries)


def _with_numbers(connection: Connection, account_id: AccountId, entries: list[E]) -> list[E]:
    sites = [entry.site_id for entry in entries if isinstance(entry, Site)]
    if not sites:
        return entries
    found = connection.execute(
        select(_numbers)
        .where(_numbers.c.account_id == account_id, _numbers.c.site_id.in_(sites))
        .order_by(_numbers.c.phone_number)
    )
    numbers: dict[int, list[str]] = {}
    for row in found:
        numbers.setdefault(row.site_id, []).append(row.phone_number)
    return [
        replace(entry, phone_numbers=tuple(numbers.get(entry.site_id, ()))) if isinstance(entry, Site) else entry
        for entry in entries
    ]


def _known(
    connection: Connection, kind: EntryKind[E], account_id: AccountId, entries: Sequence[E]
) -> tuple[dict[int, E], dict[str, E]]:
    """Entries of the account that have a number or a key of these."""
    table = _TABLES[kind.noun]
    wanted = []
    if kind.has_own_ids:
        wanted.append(table.c[kind.id_name].in_({number for entry in entries if (number := kind.id_of(entry))}))
    if kind.noun in _KEYS:
        wanted.append(table.c[_KEYS[kind.noun]].in_({kind.key(entry) for entry in entries}))
    rows = connection.execute(select(table).where(table.c.account_id == account_id, or_(*wanted))).mappings().all()
    by_id: dict[int, E] = {}
    by_key: dict[str, E] = {}
    for entry in _read(connection, kind, account_id, rows):
        _remember(kind, entry, by_id, by_key)
    return by_id, by_key


def _remember(kind: EntryKind[E], entry: E, by_id: dict[int, E], by_key: dict[str, E]) -> None:
    by_id[kind.id_of(entry)] = entry
    key = kind.key(entry)
    if key is not None:
        by_key[key] = entry


def _same_number_or_key(kind: EntryKind[E], entry: E, by_id: Mapping[int, E], by_key: Mapping[str, E]) -> E | None:
    if kind.has_own_ids and kind.id_of(entry) in by_id:
        return by_id[kind.id_of(entry)]
    key = kind.key(entry)
    return None if key is None else by_key.get(key)


def _duplicate(kind: EntryKind[E], entry: E, known: E, path: Path) -> Refusal:
    same_number = kind.has_own_ids and kind.id_of(entry) == kind.id_of(known)
    name = kind.id_name if same_number else kind.changeable[0]
    noun = kind.noun.replace("_", " ")
    why = f"there is another {noun} of this {'number' if same_number else 'name'}"
    return Refusal(Mnemonic.DUPLICATE_ENTITY, path=(*path, name), value=getattr(entry, name), why=why)


def _check_parts(connection: Connection, account_id: AccountId, placed: Sequence[tuple[Entry, Path]]) -> None:
    """Raises Refusal for a number of another site, and for what the account does not have. Each entry comes with its place in the request."""
    sites = [(entry, path) for entry, path in placed if isinstance(entry, Site)]
    sessions = [(entry, path) for entry, path in placed if isinstance(entry, VisitorSession)]
    if sites:
        _check_numbers(connection, account_id, sites)
    for kind in (SITE, CAMPAIGN, SOURCE) if sessions else ():
        _check_carried(connection, account_id, kind, sessions)


def _check_numbers(connection: Connection, account_id: AccountId, sites: Sequence[tuple[Site, Path]]) -> None:
    named = {number for site, _ in sites for number in site.phone_numbers}
    found = connection.execute(
        select(_numbers).where(_numbers.c.account_id == account_id, _numbers.c.phone_number.in_(named))
    )
    owners = {row.phone_number: row.site_id for row in found}
    for site, path in sites:
        for number in site.phone_numbers:
            if owners.setdefault(number, site.site_id) != site.site_id:
                where = (*path, "phone_numbers")
                raise Refusal(
                    Mnemonic.DUPLICATE_ENTITY, path=where, value=number, why=f"{number} belongs to another site"
                )


def _check_carried(
    connection: Connection,
    account_id: AccountId,
    kind: EntryKind[Any],
    sessions: Sequence[tuple[VisitorSession, Path]],
) -> None:
    table = _TABLES[kind.noun]
    named = {number for session, _ in sessions if (number := getattr(session, kind.id_name)) is not None}
    found = connection.execute(
        select(table.c[kind.id_name]).where(table.c.account_id == account_id, table.c[kind.id_name].in_(named))
    )
    had = {*found.scalars(), *({UNKNOWN_SOURCE_ID} if kind is SOURCE else ())}
    for session, path in sessions:
        number = getattr(session, kind.id_name)
        if number is not None and number not in had:
            why = f"the account has no such {kind.noun}"
            raise Refusal(Mnemonic.ENTITY_NOT_FOUND, path=(*path, kind.id_name), value=number, why=why)


def _insert(connection: Connection, kind: EntryKind[E], account_id: AccountId, fresh: Sequence[E]) -> dict[int, int]:
    """Stores new entries; answers the numbers of those that had a provisional one."""
    if not fresh:
        return {}
    table = _TABLES[kind.noun]
    if kind.has_own_ids:
        numbers = _next_numbers(connection, kind, account_id, fresh)
        numbered = [kind.numbered(entry, numbers.get(kind.id_of(entry), kind.id_of(entry))) for entry in fresh]
        rows = [
            {"account_id": account_id, kind.id_name: kind.id_of(entry), **_values(entry, kind)} for entry in numbered
        ]
        connection.execute(insert(table), rows)
        _insert_numbers(connection, account_id, [entry for entry in numbered if isinstance(entry, Site)])
        return numbers
    made = connection.execute(
        insert(table).returning(table.c[kind.id_name], sort_by_parameter_order=True),
        [{"account_id": account_id, **_values(entry, kind)} for entry in fresh],
    )
    return {kind.id_of(entry): number for entry, number in zip(fresh, made.scalars(), strict=True)}


def _next_numbers(
    connection: Connection, kind: EntryKind[E], account_id: AccountId, fresh: Iterable[E]
) -> dict[int, int]:
    """Numbers above all that the account has and brings, for entries that came without."""
    table = _TABLES[kind.noun]
    highest = connection.execute(
        select(func.max(table.c[kind.id_name])).where(table.c.account_id == account_id)
    ).scalar()
    numbers = [kind.id_of(entry) for entry in fresh]
    start = max(highest or 0, *numbers, 0) + 1
    return {number: start + place for place, number in enumerate(number for number in numbers if number < 0)}


def _insert_numbers(connection: Connection, account_id: AccountId, sites: Sequence[Site]) -> None:
    rows = [
        {"account_id": account_id, "phone_number": number, "site_id": site.site_id}
        for site in sites
        for number in site.phone_numbers
    ]
    if rows:
        connection.execute(insert(_numbers), rows)


def _values(entry: Entry, kind: EntryKind[E]) -> dict[str, object]:
    """The entry's columns, apart from its number and its account."""
    values = {name: value for name, value in asdict(entry).items() if name not in (kind.id_name, "phone_numbers")}
    if isinstance(entry, Employee):
        values["name_key"] = name_key(entry.full_name)
    return values
