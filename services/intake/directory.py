"""An account's directory, as the doors list and change it (docs/contract.md 4, 5)."""

from collections.abc import Collection, Sequence
from typing import TypeVar

from services.intake.directory_entry import Entry, EntryKind, Site
from services.intake.store.entries import create_entries, list_entries, update_entry
from services.shared.db.database import Database
from services.shared.errors import Mnemonic, Path, Refusal
from services.shared.identity import AccountId
from services.shared.paging import Page, page_of, page_token_below, read_number_token, size_of

E = TypeVar("E", bound=Entry)

MAX_NUMBERS_AT_ONCE = 5_000
"""One transaction keeps all others waiting: it stays small."""


class DirectoryEntries:
    """What the doors reach the directory through."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def page(self, kind: EntryKind[E], account_id: AccountId, page_size: int, page_token: str) -> Page[E]:
        """A page of the account's entries, by number from the highest down. Raises Refusal for a token that is not of this list."""
        size, below = size_of(page_size), read_number_token(kind.noun, page_token)
        found = await self._db.read(list_entries, kind, account_id, size + 1, below)
        return page_of(found, size, lambda entry: page_token_below(kind.noun, kind.id_of(entry)))

    async def create(self, kind: EntryKind[E], account_id: AccountId, entry: E, path: Path) -> E:
        """A new entry. Raises Refusal: what its rules say, duplicate_entity, entity_not_found for what it carries."""
        (made,) = await self._db.write(create_entries, kind, account_id, [entry], [path], is_repeatable=False)
        return made

    async def create_all(self, kind: EntryKind[E], account_id: AccountId, entries: Sequence[E], path: Path) -> list[E]:
        """The entries, all of them there; those that were there already and say the same stay as they are. Raises Refusal as `create`, and creates nothing."""
        numbers = sum(len(entry.phone_numbers) for entry in entries if isinstance(entry, Site))
        if numbers > MAX_NUMBERS_AT_ONCE:
            why = f"{numbers:,} telephone numbers, a request may hold {MAX_NUMBERS_AT_ONCE:,}"
            raise Refusal(Mnemonic.DATA_LIMIT_EXCEEDED, path=path, why=why)
        paths = [(*path, place) for place in range(len(entries))]
        return await self._db.write(create_entries, kind, account_id, entries, paths, is_repeatable=True)

    async def update(self, kind: EntryKind[E], account_id: AccountId, change: E, names: Collection[str]) -> E:
        """The entry with the named fields changed. Raises Refusal: entity_not_found, what its rules say, duplicate_entity."""
        return await self._db.write(update_entry, kind, account_id, change, names)
