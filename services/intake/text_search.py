"""Free text that is looked for in calls: words, whatever their case, every character of them for itself."""

from collections.abc import Iterable

from services.intake.names import name_key


def words_of(text: str) -> tuple[str, ...]:
    """The words of a search, each once, folded as names are: compatible characters and letter case do not count."""
    return tuple(sorted(set(name_key(text).split())))


def folded(text: str) -> str:
    """A text as it is looked through."""
    # Nothing else is folded in ASCII, and most texts are.
    return text.lower() if text.isascii() else name_key(text)


def holds(words: Iterable[str], text: str) -> bool:
    """True when every word stands in a folded text. Texts that are joined by spaces are looked through as well: no word has one."""
    return all(word in text for word in words)
